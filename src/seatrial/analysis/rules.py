"""The rules of validity: one small function for each, one table of them, each threshold with its reason."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from seatrial.analysis.failures import OWN_LIMITS, errors_of
from seatrial.analysis.result import Reason

if TYPE_CHECKING:
    from collections.abc import Callable

    from seatrial.analysis.evidence import TrialEvidence

# Sends later than this at the 99th percentile would show in the latencies that are reported; below a
# millisecond the scheduler of an unloaded machine cannot be told from ours. Source: wrk2 and Treadmill (ISCA
# 2016) on client lateness.
LATENESS_US_LIMIT = 1_000
# A schedule on a coarser grid is late by up to one step by design; a second step leaves room for the wake-up.
LATENESS_STEPS_LIMIT = 2
# The requested rate is an input of the experiment; one percent is what DESIGN.md calls "as requested".
RATE_TOLERANCE = 0.01
# A Poisson count of N has the standard deviation sqrt(N); four of them are exceeded once in 16,000 trials.
POISSON_DEVIATIONS = 4
# Above this part of requests failing, percentiles tell how fast the system fails.
ERROR_FRACTION_LIMIT = 0.01
# A worker above this part of a core queues its own sends (M/D/1: the mean wait at 0.9 is 4.5 service times).
GENERATOR_CORES_LIMIT = 0.9
# CPU time taken by a quota or by the hypervisor, as a part of the window: one percent holds every p99.
THROTTLED_FRACTION_LIMIT = 0.01
STEAL_FRACTION_LIMIT = 0.05
# Frames of a worker follow each other without a hole; a tenth of a second is a clock step or a stopped
# process.
FRAME_GAP_S_LIMIT = 0.1

# Of the connections that a system closes and we open again, this many may be on their way at one moment.
RECONNECTING_FRACTION = 0.05
# And so many of the held ones that we close ourselves because they have served their time.
RENEWED_FRACTION = 0.05


def _system_died(evidence: TrialEvidence) -> Reason | None:
    if evidence.facts.system_failure is None:
        return None
    return Reason(
        "system.died",
        f"the system went away during the trial: {evidence.facts.system_failure}",
        "read its log in the run directory, under logs/",
    )


def _process_lost(evidence: TrialEvidence) -> Reason | None:
    if evidence.facts.system_failure is not None or not evidence.facts.processes_lost:
        return None
    return Reason(
        "system.restarted",
        f"ended or restarted during the trial: {', '.join(evidence.facts.processes_lost)}",
        "read the logs in the run directory; a measurement must see one life of each process",
    )


def _failed(evidence: TrialEvidence) -> Reason | None:
    if not evidence.state.startswith("failed") or evidence.facts.system_failure is not None:
        return None
    return Reason("environment.failed", f"the trial {evidence.state}", "remove the cause, run again")


def _cut_off(evidence: TrialEvidence) -> Reason | None:
    if evidence.state != "cut off":
        return None
    return Reason(
        "environment.cut_off",
        "the trial was cut off before its end; the numbers are of the part that was recorded",
        "run the plan again",
    )


def _no_data(evidence: TrialEvidence) -> Reason | None:
    if evidence.load is not None and (evidence.load.intended or not evidence.active.requested):
        return None
    return Reason(
        "generator.no_data",
        "nothing was recorded in the measure phase",
        "see the journal for what happened before it",
    )


def _not_drained(evidence: TrialEvidence) -> Reason | None:
    if evidence.facts.drained_before_start is not False:
        return None
    return Reason(
        "system.not_drained",
        "connections or requests of earlier work were still there when the trial began",
        "raise the plan's cooldown, or find out what else talks to the system",
    )


def _late(evidence: TrialEvidence) -> Reason | None:
    load = evidence.load
    if load is None or load.loop == "closed" or not load.lateness_us.count:
        return None
    limit_us = max(LATENESS_US_LIMIT, LATENESS_STEPS_LIMIT * load.resolution_us)
    if load.lateness_us.p99 <= limit_us:
        return None
    return Reason(
        "generator.late",
        f"requests left late: p99 {load.lateness_us.p99:,} us, {limit_us:,} us is allowed",
        "give the generator a core of its own, lower the rate, or add workers",
    )


def _rate_missed(evidence: TrialEvidence) -> Reason | None:
    load = evidence.load
    if load is None or load.loop == "closed" or not load.rate_requested_per_s or evidence.state == "cut off":
        return None
    wanted = load.rate_requested_per_s * load.window_s
    tolerance = max(1.0, wanted * RATE_TOLERANCE)
    if load.arrival == "poisson":
        tolerance += POISSON_DEVIATIONS * math.sqrt(wanted)
    if abs(load.intended - wanted) <= tolerance:
        return None
    return Reason(
        "generator.rate",
        f"{load.intended:,} requests were scheduled in {load.window_s:g} s, {wanted:,.0f} were asked for",
        "look for lost frames or a stopped worker; this is a fault of Seatrial if there are none",
    )


def _nothing_completed(evidence: TrialEvidence) -> Reason | None:
    load = evidence.load
    if load is None or not load.sent or load.completed:
        return None
    return Reason(
        "system.no_answers",
        f"none of {load.sent:,} requests was answered",
        "check that the system reaches its origin, and read its log",
    )


def _held_missing(evidence: TrialEvidence) -> Reason | None:
    # Start and end do not tell: connections that were lost and opened again in between were not held.
    held, load = evidence.held, evidence.load
    seen = [count for count in (held.at_start, held.at_end, held.lowest) if count is not None]
    if not seen or (evidence.state == "cut off" and not held.lost):
        return None
    missing = held.requested - min(seen)
    allowed = held.requested * RENEWED_FRACTION if load is not None and load.churned else 0
    if not held.lost and missing <= allowed and max(seen) <= held.requested:
        return None
    text = f"of {held.requested:,} held, {min(seen):,} throughout"
    ended = (
        f"{held.lost:,} lost, ended by the other side" if held.lost else f"{missing:,} lost or never there"
    )
    return _missing(evidence, f"{text} ({ended})", "held")


def _active_missing(evidence: TrialEvidence) -> Reason | None:
    # The lowest count of the window decides. A system that closes connections as a matter of course
    # always has a few that are being opened again.
    load = evidence.load
    if load is None:
        return None
    allowed = load.active_requested * RECONNECTING_FRACTION if load.reconnected else 0
    if load.active_requested - load.active_established <= allowed:
        return None
    return _missing(evidence, f"{load.active_established:,} of {load.active_requested:,} active", "active")


def _missing(evidence: TrialEvidence, text: str, what: str) -> Reason:
    errors = evidence.load.errors if evidence.load is not None else {}
    exhausted = [name for name in OWN_LIMITS if errors.get(name)]
    fault = "environment" if exhausted else "system"
    remedy = (
        f"the generator's machine ran out ({', '.join(exhausted)}): see `seatrial check`"
        if exhausted
        else "look at the connection limits, idle timeouts and the log of the system"
    )
    return Reason(f"{fault}.{what}_connections", f"connections were not as asked for: {text}", remedy)


def _exhausted(evidence: TrialEvidence) -> Reason | None:
    errors = evidence.load.errors if evidence.load is not None else {}
    found = [f"{errors[name]:,} x {name}" for name in OWN_LIMITS if errors.get(name)]
    if not found:
        return None
    return Reason(
        "environment.exhausted",
        f"the generator's machine ran out of what connections need: {', '.join(found)}",
        "raise the limit that `seatrial check` names, or plan fewer connections",
    )


def _errors(evidence: TrialEvidence) -> Reason | None:
    load = evidence.load
    if load is None:
        return None
    broken = {
        name: count for name, count in errors_of(load).items() if name != "timeout" and name not in OWN_LIMITS
    }
    total, bound = sum(broken.values()), ERROR_FRACTION_LIMIT * max(load.intended, load.held_requested)
    if total <= bound:
        return None
    listed = ", ".join(
        f"{count:,} x {name}" for name, count in sorted(broken.items(), key=lambda item: -item[1])
    )
    return Reason(
        "system.errors",
        f"{total:,} connections or requests broke, more than {ERROR_FRACTION_LIMIT:.0%}: {listed}",
        "mend what breaks first: percentiles of a failing system tell how fast it fails",
    )


def _generator_busy(evidence: TrialEvidence) -> Reason | None:
    # A worker that was told to spin waits with all of a core.
    if evidence.load is not None and evidence.load.spin:
        return None
    known = [(worker.cpu_cores, worker.worker) for worker in evidence.workers if worker.cpu_cores is not None]
    cores, worker = max(known, default=(0.0, 0))
    if cores < GENERATOR_CORES_LIMIT:
        return None
    return Reason(
        "generator.cpu",
        f"worker {worker} used {cores:.0%} of a core; limit {GENERATOR_CORES_LIMIT:.0%}",
        "add workers and cores for them, or lower the rate",
    )


def _throttled(evidence: TrialEvidence) -> Reason | None:
    load = evidence.load
    if load is None or load.throttled_s <= THROTTLED_FRACTION_LIMIT * load.window_s:
        return None
    return Reason(
        "environment.throttled",
        f"the generator was held back by its CPU quota for {load.throttled_s:.2f} s of {load.window_s:g} s",
        "raise or remove the cgroup's cpu.max",
    )


def _stolen(evidence: TrialEvidence) -> Reason | None:
    if evidence.steal_fraction is None or evidence.steal_fraction <= STEAL_FRACTION_LIMIT:
        return None
    return Reason(
        "environment.steal",
        f"the hypervisor gave {evidence.steal_fraction:.1%} of this machine's CPU time to others",
        "use a machine that is not shared, or run again when its neighbours are quiet",
    )


def _counts_disagree(evidence: TrialEvidence) -> Reason | None:
    completed, counts = evidence.counts.generator_completed, evidence.counts
    if completed is None or evidence.facts.system_failure is not None or evidence.state != "completed":
        return None
    others = {
        "the system": counts.system_requests,
        "the system, towards the origin": counts.system_upstream_requests,
        "the origin": counts.origin_requests,
    }
    # A request that broke off or was still under way may or may not have been counted further down.
    wrong = [
        f"{who} {count:,}"
        for who, count in others.items()
        if count is not None and not completed <= count <= completed + evidence.unfinished
    ]
    if not wrong:
        return None
    return Reason(
        "system.counts",
        f"the counts of requests disagree: the generator {completed:,}, {', '.join(wrong)}",
        "look for retries, caching, or other traffic on the system or the origin",
    )


def _frames_missing(evidence: TrialEvidence) -> Reason | None:
    holes = [
        f"worker {worker.worker} ({worker.missing_frames} missing, longest hole {worker.longest_gap_s:.2f} s)"
        for worker in evidence.workers
        if worker.missing_frames or worker.longest_gap_s > FRAME_GAP_S_LIMIT
    ]
    if not holes:
        return None
    return Reason(
        "generator.frames",
        f"intervals of the generator are missing: {', '.join(holes)}",
        "see logs/ and the journal for a worker that stopped or a clock that was set",
    )


RULES: tuple[Callable[[TrialEvidence], Reason | None], ...] = (
    _system_died,
    _process_lost,
    _failed,
    _cut_off,
    _no_data,
    _nothing_completed,
    _not_drained,
    _exhausted,
    _held_missing,
    _active_missing,
    _errors,
    _late,
    _rate_missed,
    _generator_busy,
    _throttled,
    _stolen,
    _counts_disagree,
    _frames_missing,
)
