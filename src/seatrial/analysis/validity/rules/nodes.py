"""The rule of validity that is about the nodes of a cluster."""

from __future__ import annotations

from typing import TYPE_CHECKING

from seatrial.analysis.load.answered import error_count
from seatrial.analysis.reasons import Reason
from seatrial.analysis.validity.rules.kernel import lost_too_many

if TYPE_CHECKING:
    from seatrial.analysis.validity.evidence import TrialEvidence


def node_away(evidence: TrialEvidence) -> Reason | None:
    """Doubt a trial in which requests failed, or workers were lost, while a node of their pods was out of reach."""
    broken = 0 if evidence.load is None else error_count(evidence.load)
    away = evidence.nodes_away
    # What workers on it had still to report nobody has heard, and it counts nowhere.
    has_lost = any("generator" in one.roles for one in away) and any(
        reason.code == "generator.lost" for reason in evidence.known_reasons
    )
    if not away or not (has_lost or lost_too_many(evidence, broken)):
        return None
    named = ", ".join(
        f"{one.node} (with pods of the {' and the '.join(one.roles)}) for up to {one.to_s - one.from_s:.0f} s"
        for one in away
    )
    what = "workers were lost with it" if has_lost else f"{broken:,} requests or connections failed"
    return Reason(
        "environment.node_away",
        f"a node could not be reached during the measure phase: {named}; {what}",
        "see to the node and to the network between the nodes: kubectl describe node",
    )
