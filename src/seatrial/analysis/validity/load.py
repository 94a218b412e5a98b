"""Judging a load that has no record: only what its frames and its workers report."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from types import MappingProxyType

from seatrial.analysis.load.facts import LoadFacts
from seatrial.analysis.load.result import LoadResult
from seatrial.analysis.load.window import Window, by_worker, gauge_in
from seatrial.analysis.reasons import Reason, Validity
from seatrial.analysis.validity.blame import grouped
from seatrial.analysis.validity.evidence import TrialEvidence, worker_evidence
from seatrial.analysis.validity.judge import busy_remarks, judge_trial
from seatrial.analysis.validity.ramp import ramp_failed
from seatrial.analysis.validity.rules import OTHERS_FRACTION_LIMIT
from seatrial.analysis.wording import plural
from seatrial.generator.drive import Driven
from seatrial.generator.frames import Frame
from seatrial.generator.workers import Hello


def judge_load(
    result: LoadResult, frames: Sequence[Frame], facts: LoadFacts, known_reasons: Sequence[Reason]
) -> Validity:
    """Return whether the numbers of a single load may be believed."""
    if not facts.measured_s and known_reasons:
        # Without a window there is nothing to judge, and why there was none is known.
        return Validity(grouped(known_reasons))
    window = Window.lasting(facts.window_start_ns, facts.measured_s)
    evidence = TrialEvidence(
        state="completed",
        load=result,
        held=gauge_in(frames, window, "held", facts.held_requested),
        active=gauge_in(frames, window, "active", facts.active_requested),
        workers=tuple(worker_evidence(worker, own, window) for worker, own in by_worker(frames).items()),
        # Where what answers runs here too, its part cannot be separated from that of others.
        cpu=None if facts.served_here else facts.cpu,
        steal_fraction=None if facts.cpu is None else facts.cpu.steal,
        known_reasons=tuple(known_reasons),
    )
    return judge_trial(evidence)


def remarks_of(facts: LoadFacts) -> tuple[str, ...]:
    """Return what a reader should know of the machine that is no reason to doubt the load."""
    cpu = facts.cpu
    if not facts.served_here:
        return busy_remarks(cpu)
    if cpu is not None and cpu.others > OTHERS_FRACTION_LIMIT and cpu.idle < NO_CPU_TO_SPARE:
        return (
            f"this machine had {cpu.idle:.0%} of its CPU time to spare: other processes took {cpu.others:.0%};"
            " if not all of them belong to what is tested, latencies are at most",
        )
    return ()


# A machine with less than a tenth of its CPU idle makes everyone on it wait.
NO_CPU_TO_SPARE = 0.1


def doubts_of(
    driven: Driven, errors: Mapping[str, int] = MappingProxyType({}), overflows: int | None = None
) -> tuple[Reason, ...]:
    """Return the doubts that only the workers' parent knows of.

    ``errors`` and ``overflows`` say what a ramp broke on, see ``ramp_failed``.
    """
    doubts = [_lost_workers(driven.lost)] if driven.lost else []
    if driven.ramp is not None and not (driven.ramp_complete or driven.interrupted or driven.lost):
        return (*doubts, ramp_failed(driven.ramp, errors, overflows))
    if driven.interrupted and not driven.has_measured:
        doubts.append(_STOPPED_EARLY)
    if not driven.was_stable and not driven.interrupted:
        doubts.append(_UNSTABLE)
    return (*doubts, *_workers_mixed(driven.hellos))


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
