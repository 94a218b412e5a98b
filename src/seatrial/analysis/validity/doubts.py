"""The doubts that a load's account raises: workers that were lost or differ, a ramp without an end, an early stop."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from types import MappingProxyType

from seatrial.analysis.reasons import Reason
from seatrial.analysis.validity.ramp import ramp_failed
from seatrial.analysis.wording import plural
from seatrial.generator.account import Driven, LoadAccount
from seatrial.generator.messages import Hello

APART_S_LIMIT = 0.1
"""Workers whose windows begin further apart did not send one load: of an interval of a second that is a tenth."""


def doubts_of(account: LoadAccount, errors: Mapping[str, int] = MappingProxyType({})) -> tuple[Reason, ...]:
    """Return the doubts that no frame shows; ``errors`` counts by kind what a ramp broke on."""
    mixed, driven = tuple(_workers_mixed(account.hellos)), account.driven
    if driven is None:
        return mixed
    doubts = [_lost_workers(driven.lost)] if driven.lost else []
    doubts += _not_together(driven)
    if driven.ramp is not None and not (driven.ramp_complete or driven.interrupted or driven.lost):
        return (*doubts, ramp_failed(driven.ramp, errors, account.cost.listen_overflows))
    # Of workers that were lost none has said how far it came: what they measured is in their frames.
    if driven.interrupted and not driven.has_measured and (driven.dones or not driven.lost):
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


def _not_together(driven: Driven) -> Iterator[Reason]:
    late = [(name, late_s) for name, late_s in driven.late if late_s > APART_S_LIMIT]
    if late:
        name, late_s = max(late, key=lambda one: one[1])
        others = f", and {plural(len(late) - 1, 'other')} late, too" if len(late) > 1 else ""
        yield Reason(
            "generator.late_start",
            f"{name} heard of the start {late_s:.2f} s after it{others}",
            "run again; if it happens again, look at the way from here to the workers",
        )
    far = [clock for clock in driven.clocks if clock.error_ns + abs(clock.drift_ns) > APART_S_LIMIT * 1e9]
    if far:
        worst = max(far, key=lambda clock: clock.error_ns + abs(clock.drift_ns))
        yield Reason(
            "generator.clocks",
            f"the clock of worker {worst.worker} is known to {worst.error_ns / 1e6:.0f} ms and drifted by"
            f" {worst.drift_ns / 1e6:.0f} ms: workers may not have sent at the same time",
            "have the nodes keep time (chrony), and run from nearer to the cluster",
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
        next((step for sign, step in _AFTER.items() if sign in lines[0]), _AGAIN),
    )


_AFTER = {
    "OOM-killed": "give each worker more memory (`kubernetes: {worker_memory: ...}`), or plan more workers",
    "was evicted": "see what its node lacked, or who drains it: kubectl describe node; then run again",
    "was lost with its node": "see to the node: kubectl describe node; then run again",
    "was deleted": "find out who deletes pods of a run; then run again",
    # Whether it was the worker, its node or the API server that went silent nobody here has seen.
    "last heard of": "see whether the API server and the worker's node were away: kubectl get nodes; then run again",
}
"""What a person does after an end that Kubernetes has words for."""
_AGAIN = "run again; if it happens again, it is a bug in Seatrial"
