"""Judging a load that has no record: only what its frames and its workers report."""

from __future__ import annotations

from collections.abc import Sequence

from seatrial.analysis.load.result import LoadResult
from seatrial.analysis.load.window import by_worker, gauge_in, window_of
from seatrial.analysis.reasons import Validity
from seatrial.analysis.validity.blame import grouped
from seatrial.analysis.validity.doubts import doubts_of
from seatrial.analysis.validity.evidence import TrialEvidence, worker_evidence
from seatrial.analysis.validity.judge import busy_remarks, judge_trial
from seatrial.analysis.validity.rules.delays import OTHERS_FRACTION_LIMIT
from seatrial.generator.account import LoadAccount
from seatrial.generator.frames import Frame


def judge_load(result: LoadResult, frames: Sequence[Frame], account: LoadAccount) -> Validity:
    """Return whether the numbers of a single load may be believed."""
    known, cpu = doubts_of(account, result.errors), account.cost.cpu
    window = window_of(account, frames)
    if not window.length_s and known:
        # Without a window there is nothing to judge, and why there was none is known.
        return Validity(grouped(known))
    evidence = TrialEvidence(
        state="completed",
        load=result,
        held=gauge_in(frames, window, "held", account.asked.held),
        active=gauge_in(frames, window, "active", account.asked.active),
        workers=tuple(worker_evidence(worker, own, window) for worker, own in by_worker(frames).items()),
        # Where what answers runs here too, its part cannot be separated from that of others.
        cpu=None if account.asked.served_here else cpu,
        steal_fraction=None if cpu is None else cpu.steal,
        drivers=account.drivers,
        known_reasons=known,
    )
    return judge_trial(evidence)


def remarks_of(account: LoadAccount) -> tuple[str, ...]:
    """Return what a reader should know of the machine that is no reason to doubt the load."""
    cpu = account.cost.cpu
    if not account.asked.served_here:
        return busy_remarks(cpu)
    if cpu is not None and cpu.others > OTHERS_FRACTION_LIMIT and cpu.idle < NO_CPU_TO_SPARE:
        return (
            f"this machine had {cpu.idle:.0%} of its CPU time to spare: other processes took {cpu.others:.0%};"
            " if not all of them belong to what is tested, latencies are at most",
        )
    return ()


# A machine with less than a tenth of its CPU idle makes everyone on it wait.
NO_CPU_TO_SPARE = 0.1
