"""What a probe has read of a node of the load: how many files a worker pod may open, and which settings fall short.

Nothing is set there: a node belongs to others, and a pod of ours has no right over it.
"""

from __future__ import annotations

import dataclasses
import math
from typing import TYPE_CHECKING

from seatrial.machine.settings import Reading
from seatrial.preflight.cases import needs_of_case
from seatrial.preflight.places.cluster import workers_of
from seatrial.preflight.tuning.rules import RULES
from seatrial.preflight.tuning.survey import setting_of, shortage_text

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from seatrial.plan.cases import Case
    from seatrial.preflight.needs import Needs
    from seatrial.probe.facts import Facts

READ_OF_NODE = tuple(rule.name for rule in RULES if rule.scope != "process")
"""All of them: what no check looks at may still be why two nodes differ."""

OF_LOAD = frozenset(
    {
        "net.ipv4.ip_local_port_range",
        "net.ipv4.tcp_tw_reuse",
        "net.ipv4.tcp_max_tw_buckets",
        "net.ipv4.tcp_wmem",
        "net.ipv4.tcp_rmem",
        "net.netfilter.nf_conntrack_max",
        "net.netfilter.nf_conntrack_buckets",
    }
)
"""Those that the end of a connection needs where it leaves from. The others are reckoned for both ends on one machine,
or are of who listens."""
_TRACKING = "net.netfilter."
"""The table of connections is the node's; everything else of these is of each pod's own network."""


def descriptors_of(facts: Facts) -> int:
    """Return how many files a worker pod on that node may have open: it raises its own limit as far as it may."""
    return min(facts.machine.nofile_hard, facts.machine.nr_open)


def node_notes(cases: Sequence[Case], facts: Facts, node: str, nodes: int) -> Iterator[str]:
    """Yield what of a node falls short of what the workers of a plan need of it, for a record.

    It is one of so many ``nodes`` of the load, which have about as many of its workers each.
    """
    descriptors = descriptors_of(facts)
    in_pod = {case.id: _of_pods(case, 1, descriptors) for case in cases}
    on_node = {
        case.id: _of_pods(case, math.ceil(workers_of(case, descriptors) / nodes), descriptors)
        for case in cases
    }
    rules = [rule for rule in RULES if rule.name in OF_LOAD]
    found = (
        setting_of(
            rule,
            on_node if rule.name.startswith(_TRACKING) else in_pod,
            facts.machine,
            Reading(facts.settings.get(rule.name)),
            "it is the node's",
        )
        for rule in rules
    )
    if shortage := shortage_text([one for one in found if one is not None]):
        yield (
            f"node {node}, of the load: {shortage}; from here they are not to be set: who owns the nodes of the load"
            " does it on all of them"
        )


def _of_pods(case: Case, count: int, descriptors: int) -> Needs:
    """Return what so many of a case's worker pods need where they are."""
    needs, of = needs_of_case(case), max(1, workers_of(case, descriptors))
    share = count / of

    def part(rate_per_s: float) -> float:
        return rate_per_s * share

    return dataclasses.replace(
        needs,
        held=math.ceil(part(needs.held)),
        active=math.ceil(part(needs.active)),
        rate_per_s=None if needs.rate_per_s is None else part(needs.rate_per_s),
        connect_rate_per_s=part(needs.connect_rate_per_s),
        reopened_per_s=part(needs.reopened_per_s),
        workers=count,
        sources=count,
        proxied=False,
        origin_processes=None,
        pools=0,
        endpoints=1,
        loopback=False,
    )
