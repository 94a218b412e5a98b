"""The rules of validity that are about what the kernel counted and reported in the window.

Whatever the kernel drops takes work away from the system for a moment and gives it more later: the others may be served
faster meanwhile. So these doubts can move the numbers either way. Where the kernel only took time from everybody, the
direction is that of a delay.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from seatrial.analysis.reasons import Reason
from seatrial.analysis.validity.direction import direction_of_delay
from seatrial.analysis.wording import listed

if TYPE_CHECKING:
    from collections.abc import Iterator

    from seatrial.analysis.kernel import InterfaceUse, NetworkUse, QueueUse
    from seatrial.analysis.validity.evidence import TrialEvidence

# A lost packet or connection attempt costs a request 200 ms or more, the least time after which TCP sends again. One in
# 10,000 requests moves a p99.9 by a tenth of its tail at most; of fewer requests a single loss is too many.
LOST_FRACTION_LIMIT = 1e-4
# A queue that holds every connection of the load is never too short, and one as long as this is not either: it is the
# procedure's, half a minute of connections at the 2,000/s that it opens. A system that leaves those waiting is slow.
QUEUE_ENOUGH = 65_535
# Interfaces that carried less than half of what the load sent and received are of other traffic.
CARRIES_FRACTION = 0.5
# A CPU above this part of its time queues packets as a worker queues requests: see GENERATOR_CORES_LIMIT.
SOFTIRQ_LIMIT = 0.9
# One look is made a second, so this part of a core is as long a pause in each for who shares the core with Seatrial.
LOOKING_CORES_LIMIT = 0.05
COUNTED_KINDS = frozenset({"syn_flood", "conntrack_full", "tcp_memory", "oom_kill"})
"""Messages of the kernel that a counter tells, too, of which a rule here is."""


def lost_too_many(evidence: TrialEvidence, count: float) -> bool:
    """Return whether so many losses show in the latencies."""
    requests = 0 if evidence.load is None else evidence.load.requests.intended
    return count > 0 and count > LOST_FRACTION_LIMIT * requests


def listen_queue_full(evidence: TrialEvidence) -> Reason | None:
    """Doubt a trial in which connections were dropped before the origin, or for a limit of the machine."""
    for role, queue in _queues(evidence):
        if not lost_too_many(evidence, queue.drops) or not is_of_environment(evidence, role, queue):
            continue
        # The origin belongs to the testbed: what it is too slow for, the system is not measured by.
        remedy = "raise net.core.somaxconn: `seatrial check` says to what"
        if not is_too_short(evidence, queue):
            remedy = "give the origin more CPU or more processes: it accepts connections more slowly than they come"
        return Reason(
            "environment.listen_queue",
            f"{queue.drops:,} connections were dropped because the {role}'s listen queue was full: it holds"
            f" {queue.limit:,}",
            remedy,
        )
    return None


def is_of_environment(evidence: TrialEvidence, role: str, queue: QueueUse) -> bool:
    """Return whether a full queue says nothing of the system: that accepts slowly by itself, and fails by itself."""
    return role == "origin" or is_too_short(evidence, queue)


def is_too_short(evidence: TrialEvidence, queue: QueueUse) -> bool:
    """Return whether the machine keeps a queue shorter than the connections of the load may need."""
    connections = evidence.held.requested + evidence.active.requested
    return queue.is_cut and queue.limit < min(QUEUE_ENOUGH, connections)


def syn_cookies(evidence: TrialEvidence) -> Reason | None:
    """Doubt a trial whose connections were made with SYN cookies, because the machine keeps the queue short."""
    # A queue of the system's own length is the system's: that it was full is remarked.
    if not any(is_too_short(evidence, queue) for _, queue in _queues(evidence)):
        return None
    sent = _counted(evidence, "tcp_syncookies_sent")
    if not lost_too_many(evidence, sent):
        return None
    return Reason(
        "environment.syn_cookies",
        f"{sent:,.0f} connections were made with SYN cookies, which leave out what the sides would agree on",
        "raise net.core.somaxconn: `seatrial check` says to what",
    )


def tcp_memory(evidence: TrialEvidence) -> Reason | None:
    """Doubt a trial in which the kernel had too little memory for TCP."""
    pressures, aborts = (
        _counted(evidence, "tcp_memory_pressures"),
        _counted(evidence, "tcp_aborts_for_memory"),
    )
    if not pressures and not aborts:
        return None
    return Reason(
        "environment.tcp_memory",
        f"TCP ran short of memory: under pressure {pressures:,.0f} times, {aborts:,.0f} connections aborted for it",
        "raise net.ipv4.tcp_mem: `seatrial check` says to what; or hold fewer connections",
    )


def packets_dropped(evidence: TrialEvidence) -> Reason | None:
    """Doubt a trial in which packets were dropped on their way."""
    dropped = drops(evidence)
    if not lost_too_many(evidence, max(dropped.values(), default=0)):
        return None
    where = ", ".join(f"{count:,.0f} {place}" for place, count in dropped.items() if count)
    return Reason(
        "environment.packets_dropped",
        f"packets were dropped: {where}",
        "raise net.core.netdev_max_backlog or the interface's ring (`ethtool -G`), or lower the rate",
    )


def drops(evidence: TrialEvidence) -> dict[str, float]:
    """Return how many packets were dropped where; a drop on its way to a CPU is counted at its interface, too."""
    kernel = evidence.kernel
    if kernel is None:
        return {}
    found = {"before a CPU took them (softnet)": kernel.counted.get("softnet_drops", 0.0)}
    for network in kernel.networks:
        if network.node:
            place = f"on node {network.node} before a CPU took them (softnet)"
            found[place] = network.counted.get("softnet_drops", 0.0)
        for name, interface in network.interfaces.items():
            lost = interface.drops + interface.errors
            if network.pod:
                # All that goes through a pod's own interface is the trial's, and a part of it that is its own.
                place = f"at the pods of the {' and '.join(network.roles)}"
                found[place] = found.get(place, 0.0) + lost
            elif _carries(evidence, interface):
                found[f"at {_place(name, network, kernel.networks)}"] = lost
    return found


def conntrack_full(evidence: TrialEvidence) -> Reason | None:
    """Doubt a trial in which the table of tracked connections was full."""
    dropped = _counted(evidence, "conntrack_drops")
    if not lost_too_many(evidence, dropped):
        return None
    full = [network for network in _networks(evidence) if network.counted.get("conntrack_drops")]
    limit = max(network.highest.get("conntrack_max", 0) for network in full)
    nodes = [network.node for network in full if network.node]
    where = f" of node{'s' if nodes[1:] else ''} {listed(nodes)}" if nodes else ""
    return Reason(
        "environment.conntrack",
        f"{dropped:,.0f} packets were dropped because the table of tracked connections{where} was full"
        + (f": it holds {limit:,.0f}" if limit else ""),
        "raise net.netfilter.nf_conntrack_max, or take the load's traffic out of connection tracking (NOTRACK)",
    )


def oom_killed(evidence: TrialEvidence) -> Reason | None:
    """Doubt a trial in which the kernel killed a process for want of memory."""
    counted = {} if evidence.kernel is None else evidence.kernel.counted
    killed = counted.get("oom_kills", counted.get("group_oom_kills", 0))
    if evidence.kernel is None or not killed:
        return None
    said = next((message.text for message in evidence.kernel.messages if message.kind == "oom_kill"), None)
    return Reason(
        "environment.oom_kill",
        f"the kernel killed {killed:,.0f} process{'es' if killed > 1 else ''} because memory ran out"
        + (f": {said}" if said else ""),
        "give the machine or its control group more memory, or plan fewer connections (see `seatrial check`)",
    )


def softirq_busy(evidence: TrialEvidence) -> Reason | None:
    """Doubt a trial in which a CPU had hardly time for anything but packets."""
    busiest = None if evidence.kernel is None else evidence.kernel.softirq_busiest
    if busiest is None or busiest < SOFTIRQ_LIMIT:
        return None
    return Reason(
        "environment.softirq",
        f"a CPU spent {busiest:.0%} of its time on packets (softirq); limit {SOFTIRQ_LIMIT:.0%}",
        "spread the interrupts of the interface over more CPUs (RSS, RPS), or lower the rate",
        direction_of_delay(evidence.load),
    )


def kernel_reported(evidence: TrialEvidence) -> Reason | None:
    """Doubt a trial in which the kernel reported what no counter tells: a CPU that hung, a clock that jumped."""
    messages = () if evidence.kernel is None else evidence.kernel.messages
    found = [message for message in messages if message.kind not in COUNTED_KINDS]
    if not found:
        return None
    others = f" (and {len(found) - 1} more)" if len(found) > 1 else ""
    return Reason(
        "environment.kernel_log",
        f"the kernel reported in the measure window: {found[0].text}{others}",
        "read the kernel's log (`dmesg`), remove the cause, run again",
    )


def reconfigured(evidence: TrialEvidence) -> Reason | None:
    """Doubt a trial whose system did not run the same before and after."""
    # A plan that changes the system on purpose says so.
    if evidence.disturbed is not None or evidence.changes:
        return None
    changed = [
        f"{running.member} ({', '.join(running.changed)})"
        for running in evidence.facts.configurations
        if running.changed
    ]
    if not changed:
        return None
    return Reason(
        "system.reconfigured",
        f"what the system runs was changed during the trial: {'; '.join(changed)}",
        "find out who else configures the system; a measurement must see one configuration",
    )


def looking_dear(evidence: TrialEvidence) -> Reason | None:
    """Doubt a trial whose samplers took a part of a core themselves."""
    looking = evidence.facts.looking
    if looking is None or looking.cores <= LOOKING_CORES_LIMIT:
        return None
    return Reason(
        "generator.looking",
        f"looking at the processes took {looking.cores:.1%} of a core; limit {LOOKING_CORES_LIMIT:.0%}",
        "use a machine with more cores, or fewer proxies: every process is looked at once a second",
        direction_of_delay(evidence.load),
    )


def _networks(evidence: TrialEvidence) -> tuple[NetworkUse, ...]:
    return () if evidence.kernel is None else evidence.kernel.networks


def _queues(evidence: TrialEvidence) -> Iterator[tuple[str, QueueUse]]:
    for network in _networks(evidence):
        yield from network.listeners.items()


def _counted(evidence: TrialEvidence, name: str) -> float:
    return sum(network.counted.get(name, 0) for network in _networks(evidence))


def _carries(evidence: TrialEvidence, interface: InterfaceUse) -> bool:
    load = evidence.load
    carried = interface.received_bytes + interface.sent_bytes
    return load is not None and carried >= CARRIES_FRACTION * (load.bytes.sent + load.bytes.received) > 0


def _place(name: str, network: NetworkUse, networks: tuple[NetworkUse, ...]) -> str:
    if network.node:
        return f"{name} of node {network.node}"
    return name if len(networks) == 1 else f"{name} of {' and '.join(network.roles)}"
