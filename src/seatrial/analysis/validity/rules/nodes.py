"""The rule of validity that is about the nodes of a cluster."""

from __future__ import annotations

from typing import TYPE_CHECKING

from seatrial.analysis.load.answered import error_count
from seatrial.analysis.reasons import Reason
from seatrial.analysis.validity.rules.kernel import lost_too_many

if TYPE_CHECKING:
    from seatrial.analysis.validity.evidence import TrialEvidence


def node_away(evidence: TrialEvidence) -> Reason | None:
    """Doubt a trial in which requests failed while a node of its pods could not be reached."""
    broken = 0 if evidence.load is None else error_count(evidence.load)
    away = evidence.nodes_away
    if not away or not lost_too_many(evidence, broken):
        return None
    named = ", ".join(
        f"{one.node} (with pods of the {' and the '.join(one.roles)}) for up to {one.to_s - one.from_s:.0f} s"
        for one in away
    )
    return Reason(
        "environment.node_away",
        f"a node could not be reached during the measure phase: {named}; {broken:,} requests or connections failed",
        "see to the node and to the network between the nodes: kubectl describe node",
    )
