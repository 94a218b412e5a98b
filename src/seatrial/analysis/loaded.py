"""Judging a load that has no record: only what its frames and its workers tell."""

from __future__ import annotations

from collections.abc import Sequence

from seatrial.analysis.document import LoadFacts
from seatrial.analysis.evidence import TrialEvidence, worker_evidence
from seatrial.analysis.result import LoadResult, Reason, Validity
from seatrial.analysis.validity import judge_trial
from seatrial.analysis.window import Window, by_worker, gauge_in
from seatrial.generator.frames import Frame


def judge_load(
    result: LoadResult, frames: Sequence[Frame], facts: LoadFacts, workers_lost: Sequence[str]
) -> Validity:
    """Return whether the numbers of a single load may be believed."""
    window = Window.lasting(facts.window_start_ns, facts.measured_s)
    evidence = TrialEvidence(
        state="completed",
        load=result,
        held=gauge_in(frames, window, "held", facts.held_requested),
        active=gauge_in(frames, window, "active", facts.active_requested),
        workers=tuple(worker_evidence(worker, own, window) for worker, own in by_worker(frames).items()),
        known_reasons=tuple(lost_worker(line) for line in workers_lost),
    )
    return judge_trial(evidence)


def lost_worker(line: str) -> Reason:
    """Return the doubt that a worker leaves which ended before its load did."""
    return Reason(
        "generator.lost",
        f"{line}: its requests are missing from the counts",
        "run again; if it happens again, it is a bug in Seatrial",
    )
