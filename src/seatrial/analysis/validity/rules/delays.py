"""The rules of validity that are about time that the generator or its machine took."""

from __future__ import annotations

from typing import TYPE_CHECKING

from seatrial.analysis.reasons import Reason
from seatrial.analysis.validity.direction import direction_of_delay, lateness_us_limit
from seatrial.preflight.capacity import CAPACITY_FRACTION
from seatrial.units import format_bytes_per_s

if TYPE_CHECKING:
    from collections.abc import Iterator

    from seatrial.analysis.load.result import LoadResult
    from seatrial.analysis.validity.evidence import TrialEvidence

# A loop that was away for one percent of the window has touched every p99 by itself; less than the tenth of a second
# that makes a hole in the frames is a scheduler's turn. Lateness is of sends only, and says nothing in a closed loop.
STALL_FRACTION_LIMIT = 0.01
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


def late(evidence: TrialEvidence) -> Reason | None:
    """Doubt a trial whose requests left late."""
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


def stalled(evidence: TrialEvidence) -> Reason | None:
    """Doubt a trial in which a worker was away from its work."""
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


def unread(evidence: TrialEvidence) -> Reason | None:
    """Doubt a trial whose answers lay unread in the generator's queues."""
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


def generator_busy(evidence: TrialEvidence) -> Reason | None:
    """Doubt a trial whose busiest worker had no time left."""
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


def throttled(evidence: TrialEvidence) -> Reason | None:
    """Doubt a trial whose generator, or whose origin as pods, was held back by a quota."""
    load = evidence.load
    if load is None:
        return None
    throttled_s, who = max(_held_back(evidence, load))
    if throttled_s <= THROTTLED_FRACTION_LIMIT * load.window_s:
        return None
    return Reason(
        "environment.throttled",
        f"{who} was held back by its CPU quota for {throttled_s:.2f} s of {load.window_s:g} s",
        "raise or remove the cgroup's cpu.max (of pods: their CPU limit), or add workers",
        direction_of_delay(load),
    )


def _held_back(evidence: TrialEvidence, load: LoadResult) -> Iterator[tuple[float, str]]:
    """Yield for how long who was, of the load's window."""
    yield load.generator.throttled_s, "the generator"
    # Pods have a quota each; workers of one machine are all held back with their parent.
    for worker in evidence.workers:
        yield worker.throttled_s, f"worker {worker.worker}"
    # The testbed's. A system's limit is its own, and is remarked.
    for pods in evidence.pods:
        for one in pods.throttled if pods.role in {"generator", "origin"} else ():
            who = f"the origin's {one.member}" if pods.role == "origin" else one.member
            yield one.throttled_s, who


def stolen(evidence: TrialEvidence) -> Reason | None:
    """Doubt a trial on a machine whose CPUs were given to others."""
    if evidence.steal_fraction is None or evidence.steal_fraction <= STEAL_FRACTION_LIMIT:
        return None
    return Reason(
        "environment.steal",
        f"the hypervisor gave {evidence.steal_fraction:.1%} of this machine's CPU time to others",
        "use a machine that is not shared, or run again when its neighbours are quiet",
        direction_of_delay(evidence.load),
    )


def machine_busy(evidence: TrialEvidence) -> Reason | None:
    """Doubt a trial beside other programs that kept the machine busy."""
    cpu = evidence.cpu
    if cpu is None or cpu.others <= OTHERS_FRACTION_LIMIT or cpu.idle >= IDLE_FRACTION_ENOUGH:
        return None
    return Reason(
        "environment.busy",
        f"other programs took {cpu.others:.0%} of this machine's CPU time, and {cpu.idle:.0%} of it was idle",
        "end what else runs on this machine, or take another one",
        direction_of_delay(evidence.load),
    )


def network_near_capacity(evidence: TrialEvidence) -> Reason | None:
    """Doubt a trial whose bodies came near to what the network itself carries."""
    for direction, carried in evidence.capacity.carried.items():
        carries = evidence.capacity.carries.get(direction)
        if carries is not None and carried > CAPACITY_FRACTION * carries:
            return Reason(
                "environment.network",
                f"{direction} took {format_bytes_per_s(carried)} of the network, {carried / carries:.0%} of the"
                f" {format_bytes_per_s(carries)} that were measured of it, and {CAPACITY_FRACTION:.0%} is allowed",
                "ask the network for less (a lower rate, smaller bodies), or take a machine whose network carries more",
                direction_of_delay(evidence.load),
            )
    return None
