"""The doubts that a load's account raises: workers that were lost or differ, a ramp without an end, an early stop."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from types import MappingProxyType

from seatrial.analysis.reasons import Reason
from seatrial.analysis.validity.ramp import ramp_failed
from seatrial.analysis.wording import plural
from seatrial.generator.account import LoadAccount
from seatrial.generator.messages import Hello


def doubts_of(account: LoadAccount, errors: Mapping[str, int] = MappingProxyType({})) -> tuple[Reason, ...]:
    """Return the doubts that no frame shows; ``errors`` counts by kind what a ramp broke on."""
    mixed, driven = tuple(_workers_mixed(account.hellos)), account.driven
    if driven is None:
        return mixed
    doubts = [_lost_workers(driven.lost)] if driven.lost else []
    if driven.ramp is not None and not (driven.ramp_complete or driven.interrupted or driven.lost):
        return (*doubts, ramp_failed(driven.ramp, errors, account.cost.listen_overflows))
    if driven.interrupted and not driven.has_measured:
        doubts.append(_STOPPED_EARLY)
    if not driven.was_stable and not driven.interrupted:
        doubts.append(_UNSTABLE)
    return (*doubts, *mixed)


def _workers_mixed(hellos: Iterable[Hello]) -> Iterator[Reason]:
    ways: dict[str, set[str]] = {
        "answers timed by the": {hello.timestamps for hello in hellos},
        "resolution of": {f"{hello.resolution_ns // 1000} us" for hello in hellos},
        "scheduled": {hello.scheduling for hello in hellos},
    }
    differing = [f"{way} {' and '.join(sorted(seen))}" for way, seen in ways.items() if len(seen) > 1]
    if differing:
        yield Reason(
            "generator.mixed",
            f"workers of this load measured in different ways: {', '.join(differing)}; the percentiles put together"
            " what is not alike",
            "run again, or with --workers 1: on one machine every worker should be allowed what the others are",
        )


_STOPPED_EARLY = Reason(
    "environment.cut_off",
    "the load was stopped before its measure window began: nothing was measured",
    "run it again, and give it the time to come to its window",
)

_UNSTABLE = Reason(
    "system.unstable",
    "the connections did not all stay open for as long as they had to before the load",
    "find out why the system closes idle connections (its keep-alive timeout, its limits), or open fewer",
)


def _lost_workers(lines: Sequence[str]) -> Reason:
    others = f", and {plural(len(lines) - 1, 'other')} with it" if len(lines) > 1 else ""
    return Reason(
        "generator.lost",
        f"{lines[0]}{others}: {'their' if others else 'its'} requests are missing from the counts",
        "run again; if it happens again, it is a bug in Seatrial",
    )
