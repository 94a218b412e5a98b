"""The rules of validity: one small function for each, one table of them, each threshold with its reason."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from seatrial.analysis.reasons import Reason
from seatrial.analysis.validity.direction import direction_of_delay, lateness_us_limit
from seatrial.analysis.validity.rules_connections import active_missing, errors, exhausted, held_missing
from seatrial.record.events import COMPLETED, CUT_OFF, FAILED, ending_text

if TYPE_CHECKING:
    from collections.abc import Callable

    from seatrial.analysis.validity.evidence import TrialEvidence

# A loop that was away for one percent of the window has touched every p99 by itself; less than the tenth of a second
# that makes a hole in the frames is a scheduler's turn. Lateness is of sends only, and says nothing in a closed loop.
STALL_FRACTION_LIMIT = 0.01
# The requested rate is an input of the experiment; one percent is what DESIGN.md calls "as requested".
RATE_TOLERANCE = 0.01
# A Poisson count of N has the standard deviation sqrt(N); four of them are exceeded once in 16,000 trials.
POISSON_DEVIATIONS = 4
# A worker above this part of a core queues its own sends (M/D/1: the mean wait at 0.9 is 4.5 service times).
GENERATOR_CORES_LIMIT = 0.9
# CPU time taken by a quota or by the hypervisor, as a part of the window: one percent holds every p99.
THROTTLED_FRACTION_LIMIT = 0.01
STEAL_FRACTION_LIMIT = 0.05
# Others that take a tenth of the machine keep each core from us for a tenth of the time, if they are spread evenly: ten
# times what moves a p99. A machine that is half idle has room for them beside us, and what they take is remarked.
OTHERS_FRACTION_LIMIT = 0.1
IDLE_FRACTION_ENOUGH = 0.5
# Frames of a worker follow each other without a hole; a tenth of a second is a clock step or a stopped
# process.
FRAME_GAP_S_LIMIT = 0.1

WITHOUT_WINDOW = {"environment.cut_off", "environment.ramp", "generator.lost", "system.ramp"}
"""Reasons of the workers' parent that say why the measure window never began."""


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
    if evidence.state != FAILED or evidence.facts.system_failure is not None:
        return None
    if any(reason.code.endswith(".failed") for reason in evidence.known_reasons):
        return None
    ending = ending_text(evidence.state, evidence.failure)
    return Reason("environment.failed", f"the trial {ending}", "remove the cause, run again")


def _cut_off(evidence: TrialEvidence) -> Reason | None:
    if evidence.state != CUT_OFF:
        return None
    return Reason(
        "environment.cut_off",
        "the trial was cut off before its end; the numbers are of the part that was recorded",
        "run the plan again",
    )


def _no_data(evidence: TrialEvidence) -> Reason | None:
    if evidence.load is not None and (evidence.load.requests.intended or not evidence.active.requested):
        return None
    if WITHOUT_WINDOW & {reason.code for reason in evidence.known_reasons}:
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
    limit_us = lateness_us_limit(load)
    if load.lateness_us.p99 <= limit_us:
        return None
    return Reason(
        "generator.late",
        f"requests left late: p99 {load.lateness_us.p99:,} us, {limit_us:,} us is allowed",
        "give the generator a core of its own, lower the rate, or add workers",
        direction_of_delay(load),
    )


def _stalled(evidence: TrialEvidence) -> Reason | None:
    load = evidence.load
    if load is None or not load.requests.intended:
        return None
    limit_s = max(FRAME_GAP_S_LIMIT, STALL_FRACTION_LIMIT * load.window_s)
    if load.generator.stall_us_max <= limit_s * 1e6:
        return None
    return Reason(
        "generator.stalled",
        f"a worker's loop was away from its work for {load.generator.stall_us_max / 1e6:.2f} s at a stretch,"
        f" {limit_s:.2f} s is allowed",
        "give the generator a core of its own; look for what else runs there, and for a suspended machine",
        direction_of_delay(load),
    )


def _unread(evidence: TrialEvidence) -> Reason | None:
    # An answer that lies unread keeps its connection busy, so the system would be blamed for requests that then wait;
    # the limit is that of the lateness, since a wait of the one kind is as much the generator's as one of the other.
    # In a closed loop that never sleeps, answers wait while others are worked on: `generator.cpu` judges that.
    load = evidence.load
    if load is None or load.loop == "closed":
        return None
    limit_us = lateness_us_limit(load)
    if load.generator.receive_wait_us_p99 <= limit_us:
        return None
    return Reason(
        "generator.unread",
        f"answers lay unread in the generator's receive queues: p99 {load.generator.receive_wait_us_p99:,} us,"
        f" {limit_us:,} us is allowed",
        "give the generator a core of its own, lower the rate, or add workers",
        direction_of_delay(load),
    )


def _rate_missed(evidence: TrialEvidence) -> Reason | None:
    load = evidence.load
    if load is None or load.loop == "closed" or not load.rate_per_s.requested or evidence.state == CUT_OFF:
        return None
    wanted = load.rate_per_s.requested * load.window_s
    tolerance = max(1.0, wanted * RATE_TOLERANCE)
    if load.arrival == "poisson":
        tolerance += POISSON_DEVIATIONS * math.sqrt(wanted)
    if abs(load.requests.intended - wanted) <= tolerance:
        return None
    return Reason(
        "generator.rate",
        f"{load.requests.intended:,} requests were scheduled in {load.window_s:g} s, {wanted:,.0f} were asked for",
        "look for lost frames or a stopped worker; this is a fault of Seatrial if there are none",
    )


def _nothing_completed(evidence: TrialEvidence) -> Reason | None:
    load = evidence.load
    # What the window intended counts: where the warm-up's requests hold every connection, none of it was ever sent. A
    # system that answers those is overloaded, and answers.
    if load is None or not load.requests.intended or load.requests.completed or load.answers.in_window:
        return None
    # What a worker that is gone had counted is gone with it.
    if any(reason.code == "generator.lost" for reason in evidence.known_reasons):
        return None
    return Reason(
        "system.no_answers",
        f"none of {load.requests.intended:,} requests was answered",
        "check that the system reaches its origin, and read its log",
    )


def _generator_busy(evidence: TrialEvidence) -> Reason | None:
    # A worker that was asked to spin waits with all of a core.
    if evidence.load is not None and evidence.load.generator.spin:
        return None
    known = [(worker.cpu_cores, worker.worker) for worker in evidence.workers if worker.cpu_cores is not None]
    cores, worker = max(known, default=(0.0, 0))
    if cores < GENERATOR_CORES_LIMIT:
        return None
    return Reason(
        "generator.cpu",
        f"worker {worker} used {cores:.0%} of a core; limit {GENERATOR_CORES_LIMIT:.0%}",
        "add workers and cores for them, or lower the rate",
        direction_of_delay(evidence.load),
    )


def _throttled(evidence: TrialEvidence) -> Reason | None:
    load = evidence.load
    if load is None or load.generator.throttled_s <= THROTTLED_FRACTION_LIMIT * load.window_s:
        return None
    return Reason(
        "environment.throttled",
        f"the generator was held back by its CPU quota for {load.generator.throttled_s:.2f} s of {load.window_s:g} s",
        "raise or remove the cgroup's cpu.max",
        direction_of_delay(load),
    )


def _stolen(evidence: TrialEvidence) -> Reason | None:
    if evidence.steal_fraction is None or evidence.steal_fraction <= STEAL_FRACTION_LIMIT:
        return None
    return Reason(
        "environment.steal",
        f"the hypervisor gave {evidence.steal_fraction:.1%} of this machine's CPU time to others",
        "use a machine that is not shared, or run again when its neighbours are quiet",
        direction_of_delay(evidence.load),
    )


def _machine_busy(evidence: TrialEvidence) -> Reason | None:
    cpu = evidence.cpu
    if cpu is None or cpu.others <= OTHERS_FRACTION_LIMIT or cpu.idle >= IDLE_FRACTION_ENOUGH:
        return None
    return Reason(
        "environment.busy",
        f"other programs took {cpu.others:.0%} of this machine's CPU time, and {cpu.idle:.0%} of it was idle",
        "end what else runs on this machine, or take another one",
        direction_of_delay(evidence.load),
    )


def _counts_disagree(evidence: TrialEvidence) -> Reason | None:
    completed, counts = evidence.counts.generator_completed, evidence.counts
    if completed is None or evidence.facts.system_failure is not None or evidence.state != COMPLETED:
        return None
    # Behind a proxy that refuses a request by itself (a body too large, a route that is not there) nobody counts it. An
    # answer of 2xx that its origin never gave is a cache's: another system would be measured.
    passed_on = completed - evidence.answers_other
    others = {
        "the system": (counts.system_requests, completed),
        "the system, towards the origin": (counts.system_upstream_requests, passed_on),
        "the origin": (
            counts.origin_requests,
            completed if counts.system_requests is None else passed_on,
        ),
    }
    # A request that broke off or was still under way may or may not have been counted further down.
    wrong = [
        f"{who} {count:,}"
        for who, (count, least) in others.items()
        if count is not None and not least <= count <= completed + evidence.unfinished
    ]
    if not wrong:
        return None
    return Reason(
        "system.counts",
        f"the counts of requests disagree: the generator {completed:,}, {', '.join(wrong)}",
        "look for retries, caching, or other traffic on the system or the origin",
    )


def _uncounted(evidence: TrialEvidence) -> Reason | None:
    found = evidence.facts.uncounted
    if not found:
        return None
    return Reason(
        "system.uncounted",
        f"a count of requests that should be compared could not be made: {'; '.join(found)}",
        "read the log of the system or the origin: it did not answer when it was asked for its counters, or began anew",
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


def _drivers_mixed(evidence: TrialEvidence) -> Reason | None:
    drivers = sorted(set(evidence.drivers))
    if len(drivers) < 2:
        return None
    return drivers_differ(f"workers of this load used different drivers: {' and '.join(drivers)}")


def drivers_differ(text: str) -> Reason:
    """Return the doubt that numbers of different drivers leave where they are put together."""
    return Reason(
        "generator.drivers",
        f"{text}; their costs and service times are not comparable",
        "use one driver for all: --driver epoll works everywhere",
    )


RULES: tuple[Callable[[TrialEvidence], Reason | None], ...] = (
    _system_died,
    _process_lost,
    _failed,
    _cut_off,
    _no_data,
    _nothing_completed,
    _not_drained,
    exhausted,
    held_missing,
    active_missing,
    errors,
    _late,
    _stalled,
    _unread,
    _rate_missed,
    _generator_busy,
    _throttled,
    _stolen,
    _machine_busy,
    _counts_disagree,
    _uncounted,
    _frames_missing,
    _drivers_mixed,
)
