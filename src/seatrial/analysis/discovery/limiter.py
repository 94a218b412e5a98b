"""What held a discoverer up while it carried everything: its source, its own rate or CPU, or the API server."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from seatrial.discovery.facts import StepFacts

Held = Literal["reading the source", "its own rate", "its own CPU", "one call at a time", "the API server"]

# Of the time from the first write to the last, in which any call was under way. One that waits for the API server has
# calls under way nearly all the time; one that waits for itself has none for most of it. Between the two nothing is
# said for certain.
BUSY_LEAST, IDLE_MOST = 0.7, 0.5
# A program with one thread is at its end at one core; looks at it are short of that by what others took.
CPU_LEAST_CORES = 0.8
ALONE_AT_MOST = 1.5
"""Calls at a time: with that few there is one after another, but for chance."""
FEW_CALLS = 20
READING_LEAST = 0.6
"""Of all the time: before the first write there is nothing but to start, and to read the source."""


@dataclass(frozen=True, slots=True)
class Limiter:
    """What it was, and the figures that say so: in ``busy`` of the time any call was under way, ``in_flight`` then.

    ``calls_per_s`` are those to the destination, from the first write on, which began ``reading_s`` after the start;
    ``source_calls`` is how often the source was asked. ``what`` is None where the figures do not say.
    """

    what: Held | None
    reading_s: float
    source_calls: int | None
    busy: float
    in_flight: float | None
    calls_per_s: float
    call_s_p50: float | None
    cpu_cores: float | None

    @property
    def sentence(self) -> str:
        """What a person reads of it."""
        took = "" if self.call_s_p50 is None else f", each {self.call_s_p50 * 1e3:.1f} ms (p50)"
        rate, idle = f"{self.calls_per_s:,.1f} calls/s", f"none under way for {1 - self.busy:.0%} of the time"
        at_once = f"{self.in_flight or 0:.1f} at a time"
        asked = "" if self.source_calls is None else f" in {self.source_calls:,} calls"
        said = {
            "reading the source": f"{self.reading_s:.1f} s before the first write{asked}; then {rate}",
            "its own CPU": f"{self.cpu_cores or 0:.2f} cores, {rate}, {idle}",
            "its own rate": f"{rate}{took}, {idle}",
            "one call at a time": f"{rate}{took}",
            "the API server": f"{rate}, {at_once}{took}",
        }
        if self.what is None:
            return f"not clear: {rate}, {at_once}{took}, {idle}"
        return f"{self.what}: {said[self.what]}"


def limiter_of(first: StepFacts, last_s: float, cpu_cores: float | None) -> Limiter | None:
    """Return what held up the first discovery, which ended at ``last_s``; None where it had hardly any calls."""
    calls = first.calls
    if first.step != "all" or calls.total < FEW_CALLS or calls.first_write_s is None:
        return None
    reading_s, writing_s = calls.first_write_s - first.began_s, last_s - calls.first_write_s
    if writing_s <= 0:
        return None
    busy = min(1.0, calls.busy_s / writing_s)
    what = _what(busy, calls.in_flight_mean, cpu_cores)
    return Limiter(
        what="reading the source" if reading_s > READING_LEAST * (reading_s + writing_s) else what,
        reading_s=round(reading_s, 6),
        source_calls=first.source_calls,
        busy=round(busy, 4),
        in_flight=None if calls.in_flight_mean is None else round(calls.in_flight_mean, 3),
        calls_per_s=round(calls.total / writing_s, 3),
        call_s_p50=None if calls.took_s_p50 is None else round(calls.took_s_p50, 6),
        cpu_cores=None if cpu_cores is None else round(cpu_cores, 3),
    )


def _what(busy: float, in_flight: float | None, cpu_cores: float | None) -> Held | None:
    if busy < BUSY_LEAST and cpu_cores is not None and cpu_cores >= CPU_LEAST_CORES:
        return "its own CPU"
    if busy < BUSY_LEAST:
        return "its own rate" if busy < IDLE_MOST else None
    return "one call at a time" if in_flight is None or in_flight < ALONE_AT_MOST else "the API server"
