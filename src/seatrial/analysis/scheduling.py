"""How the processes of a role were scheduled over the measure phase: user and system time, switches, waits for CPU."""

from __future__ import annotations

from dataclasses import dataclass
from operator import attrgetter
from typing import TYPE_CHECKING

from seatrial.analysis.kernel import enclosing
from seatrial.analysis.looks import per_s_apart
from seatrial.analysis.memory import measure_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from seatrial.analysis.load.window import Window
    from seatrial.observe.samples import ProcessSample


@dataclass(frozen=True, slots=True)
class SchedulingUse:
    """One role between the looks that enclose the measure phase, all its processes together; None is "not known".

    ``cpu_wait_cores`` is how many of its threads were ready to run and had no CPU, on average. Switches are of the
    threads that lived at the end: what one had done that has ended is not in them.
    """

    threads_max: int | None
    cpu_user_cores_mean: float | None = None
    cpu_system_cores_mean: float | None = None
    voluntary_switches_per_s: float | None = None
    involuntary_switches_per_s: float | None = None
    cpu_wait_cores_mean: float | None = None


def scheduling_use(
    processes: Iterable[Sequence[ProcessSample]], window: Window | None
) -> SchedulingUse | None:
    """Return it from the looks at each process; None where there was no process."""
    every = list(processes)
    if not every:
        return None
    threads = [[look.threads for look in looks if look.threads is not None] for looks in every]
    threads_max = sum(map(max, threads)) if all(threads) else None
    if measure_of(every) == "working set":
        # A kubelet counts neither switches nor waits; the two parts of CPU are to be what their sum is made of.
        user, system = (
            _apart(every, window, read) for read in (attrgetter("cpu_user_s"), attrgetter("cpu_system_s"))
        )
        return SchedulingUse(threads_max, user, system)
    return SchedulingUse(
        threads_max=threads_max,
        cpu_user_cores_mean=_per_s(every, window, lambda look: look.cpu_user_s),
        cpu_system_cores_mean=_per_s(every, window, lambda look: look.cpu_system_s),
        voluntary_switches_per_s=_per_s(every, window, lambda look: look.voluntary_switches),
        involuntary_switches_per_s=_per_s(every, window, lambda look: look.involuntary_switches),
        cpu_wait_cores_mean=_per_s(every, window, lambda look: look.cpu_wait_s),
    )


def _apart(
    every: Iterable[Sequence[ProcessSample]], window: Window | None, read: Callable[[ProcessSample], float]
) -> float | None:
    found = None if window is None else per_s_apart(every, window, read)
    return None if found is None else round(found[2], 6)


def _per_s(
    every: Iterable[Sequence[ProcessSample]],
    window: Window | None,
    read: Callable[[ProcessSample], float | None],
) -> float | None:
    rates = []
    for looks in every:
        # Not every look asks for all of it.
        known = enclosing([look for look in looks if read(look) is not None], window)
        if len(known) > 1 and known[-1].at_s > known[0].at_s:
            counted = (read(known[-1]) or 0) - (read(known[0]) or 0)
            rates.append(max(0.0, counted) / (known[-1].at_s - known[0].at_s))
    return round(sum(rates), 6) if rates else None
