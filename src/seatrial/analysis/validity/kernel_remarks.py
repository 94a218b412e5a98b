"""What a reader should know of the kernel's evidence that is no reason to doubt a trial."""

from __future__ import annotations

from typing import TYPE_CHECKING

from seatrial.analysis.validity.pod_remarks import COVERED_FRACTION
from seatrial.analysis.validity.rules.kernel import (
    COUNTED_KINDS,
    LOOKING_CORES_LIMIT,
    drops,
    is_of_environment,
    lost_too_many,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from seatrial.analysis.kernel import KernelUse, NetworkUse
    from seatrial.analysis.validity.evidence import TrialEvidence

# Once a second the kernel had packets left when its time for them was over: they wait their turn among the processes.
SQUEEZES_PER_S = 1.0
# A table that is nearly full drops nothing yet.
CONNTRACK_FRACTION = 0.9
# Less than this is what a handful of processes take: a pause of 20 ms a second at most, beside those who measure.
LOOKING_CORES_REMARKED = 0.02


def kernel_remarks(evidence: TrialEvidence) -> Iterator[str]:
    """Yield them; nothing where the kernel had nothing to say."""
    kernel, report, looking = evidence.kernel, evidence.facts.kernel, evidence.facts.looking
    if kernel is not None:
        yield from _queues(evidence, kernel)
        yield from _losses(evidence)
        yield from _packets(kernel, 0.0 if evidence.load is None else evidence.load.window_s)
        for message in kernel.messages:
            if message.kind in COUNTED_KINDS:
                yield f"the kernel reported in the measure window: {message.text}"
    if looking is not None and LOOKING_CORES_REMARKED < looking.cores <= LOOKING_CORES_LIMIT:
        yield f"looking at the processes took {looking.cores:.1%} of a core"
    if report is not None and report.unreadable is not None:
        yield f"not known: what the kernel reported, for its log cannot be read ({report.unreadable})"
    if report is not None and report.lost:
        yield "not known: all that the kernel reported, for it overwrote messages before they were read"


def _queues(evidence: TrialEvidence, kernel: KernelUse) -> Iterator[str]:
    for network in kernel.networks:
        for role, queue in network.listeners.items():
            # Too few losses for a doubt are remarked, whoever's they are.
            is_doubt = is_of_environment(evidence, role, queue) and lost_too_many(evidence, queue.drops)
            if queue.drops and not is_doubt:
                yield (
                    f"{queue.drops:,} connections were dropped because the {role}'s listen queue, which holds"
                    f" {queue.limit:,}, was full: it accepted them more slowly than they came"
                )
        if not network.listeners:
            yield from _unattributed(network)


def _unattributed(network: NetworkUse) -> Iterator[str]:
    # Whose queue it was is not known here, but for a namespace of one role.
    count = network.counted.get("tcp_listen_drops", 0)
    if count:
        yield f"{count:,.0f} connections were dropped at listeners in the network of {' and '.join(network.roles)}"


def _losses(evidence: TrialEvidence) -> Iterator[str]:
    dropped = drops(evidence)
    if not lost_too_many(evidence, max(dropped.values(), default=0)):
        for place, count in dropped.items():
            if count:
                yield f"packets were dropped: {count:,.0f} {place}, too few to show in the latencies"


def _packets(kernel: KernelUse, window_s: float) -> Iterator[str]:
    squeezes = kernel.counted.get("softnet_squeezes", 0)
    if kernel.covers_s and squeezes > SQUEEZES_PER_S * kernel.covers_s:
        yield f"the kernel ran out of time for packets {squeezes:,.0f} times (softnet time_squeeze)"
    for network in kernel.networks:
        if network.node:
            yield from _of_node(network, window_s)
        entries, limit = network.highest.get("conntrack_entries", 0), network.highest.get("conntrack_max", 0)
        if limit and entries > CONNTRACK_FRACTION * limit:
            where = f" on node {network.node}" if network.node else ""
            yield f"{entries:,.0f} connections were tracked{where}, and the table holds {limit:,.0f}"


def _of_node(network: NetworkUse, window_s: float) -> Iterator[str]:
    squeezes = network.counted.get("softnet_squeezes", 0)
    if squeezes > SQUEEZES_PER_S * network.covers_s:
        yield (
            f"the kernel of node {network.node} ran out of time for packets {squeezes:,.0f} times (softnet"
            " time_squeeze)"
        )
    # The first probe of a node may run only once the phase has begun.
    if network.covers_s < COVERED_FRACTION * window_s:
        yield (
            f"what the kernel of node {network.node} counts is known of {network.covers_s:.1f} of the"
            f" {window_s:g} s of the measure phase"
        )
    if "conntrack_max" in network.highest and "conntrack_drops" not in network.counted:
        # A kernel that was built without these counters (CONFIG_NF_CONNTRACK_PROCFS) says how large its table is.
        yield f"not known: whether connections were dropped at the table of tracked ones of node {network.node}"
