"""How much of a percentile can be the generator's own: a bound that no dependence between the parts can break.

A request's latency L is what the generator added, G (it left late, or its answer lay unread), and the rest, T. T was
not recorded, but two things bound its quantiles from below:

- T is at least the service time S of the same request, less what its answer lay unread: an answer of several pieces may
  hold such a wait even by the kernel's stamps, where the unread part closed the window. Which did is not recorded.
- P(L > t + g) <= P(T > t) + P(G > g) however T and G depend on each other, so the q-quantile of T is at least the
  (q - e)-quantile of L less the (1 - e)-quantile of G, for every e (Makarov, "Estimates for the distribution function
  of a sum of two random variables when the marginal distributions are fixed", 1981).

One request for each stop of the loop may have been held up between the clock and its send, so that its service time
holds the stop. So of quantiles with less than one sample above them the longest stop is the generator's, too.

What is left of L's quantile above the greater of the two is at most the generator's. What a late burst costs other
requests, by the queue that it makes at the system, is not in it: see ``docs/concepts/doubts.md``.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache
from typing import TYPE_CHECKING, Generic, TypeVar

from seatrial.analysis.load.distribution import Percentiles
from seatrial.analysis.load.histograms import QUANTILES, Samples

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from seatrial.generator.frames import Frame

Kind = TypeVar("Kind", bound=Samples)

WORTH_SHOWING = 0.1
"""From this part of a percentile on it is said how much of it may be ours."""

# Any e gives a bound; a few over the whole range come near the best one. In parts of the tail, and of all.
_SHARES_OF_TAIL = (0.01, 0.05, 0.1, 0.25, 0.5, 1.0, 2.0)
_SHARES = (0.01, 0.05, 0.1, 0.25, 0.5)


def worth_showing(value_us: float, ours_us: float) -> bool:
    """Return whether so much of a value may be ours that a reader must know."""
    return ours_us > WORTH_SHOWING * value_us


@dataclass(frozen=True, slots=True)
class Parts(Generic[Kind]):
    """The histograms of some requests, and the longest stop of a loop: all that the bounds are made from."""

    latency: Kind
    service_time: Kind
    lateness: Kind
    receive_wait: Kind
    stall_us: int = 0

    @classmethod
    def of(cls, frames: Iterable[Frame], merge: Callable[[Iterable[str]], Kind]) -> Parts[Kind]:
        """Merge those of the measure phase."""
        measuring = [frame for frame in frames if any(part.phase == "measure" for part in frame.parts)]
        parts = [part for frame in measuring for part in frame.parts if part.phase == "measure"]
        return cls(
            merge(part.latency for part in parts),
            merge(part.service_time for part in parts),
            merge(part.lateness for part in parts),
            merge(frame.receive_wait for frame in measuring),
            max((frame.stall_ns_max for frame in measuring), default=0) // 1_000,
        )


def latency_ours(parts: Parts[Kind]) -> Percentiles | None:
    """Return the generator's part of the latencies; None without samples.

    Without a schedule to be late against, latencies are service times.
    """
    requests = parts.latency.count
    if not requests:
        return None
    if not parts.lateness.count:
        return service_time_ours(parts)
    added_us = (_sum_us(parts.lateness) + _sum_us(parts.receive_wait)) / requests
    mean_us = min(added_us, parts.latency.mean_us - _sum_us(parts.service_time) / requests)
    return _ours(
        parts.latency, mean_us, lambda q: max(_system_service(parts, q, requests), _system_latency(parts, q))
    )


def service_time_ours(parts: Parts[Kind]) -> Percentiles | None:
    """Return the generator's part of the service times; None without samples."""
    requests = parts.service_time.count
    if not requests:
        return None
    mean_us = _sum_us(parts.receive_wait) / requests
    ours = _ours(parts.service_time, mean_us, lambda q: _system_service(parts, q, requests))
    return replace(ours, **_stopped(parts, ours))


def _stopped(parts: Parts[Kind], ours: Percentiles) -> dict[str, int]:
    whole = parts.service_time
    few = [name for name, quantile in QUANTILES.items() if (1 - quantile) * whole.count < 1]
    values = {name: whole.quantile_us(QUANTILES[name]) for name in few} | {"max": whole.max_us}
    return {name: max(getattr(ours, name), min(value, parts.stall_us)) for name, value in values.items()}


def _ours(whole: Samples, mean_us: float, system_us: Callable[[float], float]) -> Percentiles:
    def ours_us(quantile: float) -> int:
        return max(0, round(whole.quantile_us(quantile) - max(0.0, system_us(quantile))))

    shares = {name: ours_us(quantile) for name, quantile in QUANTILES.items()}
    mean_us = min(whole.mean_us, max(0.0, mean_us))
    return Percentiles(mean=round(mean_us, 3), max=ours_us(1.0), **shares)


def _sum_us(histogram: Samples) -> float:
    return histogram.mean_us * histogram.count if histogram.count else 0.0


def _system_latency(parts: Parts[Kind], quantile: float) -> float:
    requests = parts.latency.count
    return max(
        parts.latency.quantile_us(quantile - share)
        - _exceeded_by(parts.lateness, share / 2 * requests)
        - _exceeded_by(parts.receive_wait, share / 2 * requests)
        for share in _splits(quantile)
    )


def _system_service(parts: Parts[Kind], quantile: float, requests: int) -> float:
    return max(
        _at_rank(parts.service_time, (quantile - share) * requests, requests)
        - _exceeded_by(parts.receive_wait, share * requests)
        for share in _splits(quantile)
    )


@cache
def _splits(quantile: float) -> tuple[float, ...]:
    of_tail = (share * (1 - quantile) for share in _SHARES_OF_TAIL)
    return (0.0, *(share for share in (*of_tail, *_SHARES) if share < quantile))


def _exceeded_by(histogram: Samples, samples: float) -> int:
    """Return the value above which there are at most so many samples."""
    if not histogram.count or samples >= histogram.count:
        return 0
    return histogram.quantile_us(1 - samples / histogram.count)


def _at_rank(histogram: Samples, rank: float, requests: int) -> int:
    """Return the value of this rank, where requests that have no sample are taken to be the fastest."""
    rank -= requests - histogram.count
    return histogram.quantile_us(rank / histogram.count) if histogram.count and rank > 0 else 0
