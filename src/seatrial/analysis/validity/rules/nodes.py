"""The rules of validity that are about the nodes of a cluster."""

from __future__ import annotations

from typing import TYPE_CHECKING

from seatrial.analysis.load.answered import error_count
from seatrial.analysis.reasons import Reason
from seatrial.analysis.validity.direction import direction_of_delay
from seatrial.analysis.validity.rules.kernel import lost_too_many

if TYPE_CHECKING:
    from seatrial.analysis.validity.evidence import TrialEvidence


def node_away(evidence: TrialEvidence) -> Reason | None:
    """Doubt a trial in which requests failed, or workers or counts were lost, while a node was out of reach."""
    away, what = evidence.nodes_away, _what_broke(evidence)
    if not away or not what:
        return None
    named = ", ".join(
        f"{one.node} (with pods of the {' and the '.join(one.roles)}) for up to {one.to_s - one.from_s:.0f} s"
        for one in away
    )
    return Reason(
        "environment.node_away",
        f"a node could not be reached during the measure phase: {named}; {what}",
        "see to the node and to the network between the nodes: kubectl describe node",
    )


def run_beside(evidence: TrialEvidence) -> Reason | None:
    """Doubt a trial whose nodes had pods of another run: what those took of them, and when, nobody measured."""
    runs = evidence.facts.runs_beside
    if not runs:
        return None
    return Reason(
        "environment.run_beside",
        f"another run of Seatrial had pods on the same nodes: {'; '.join(runs)}",
        "wait for its end, or give each run nodes of its own; of one that was killed: seatrial clean --on kubernetes"
        f" --run {runs[0].partition(' ')[0]}",
        direction_of_delay(evidence.load),
    )


def _what_broke(evidence: TrialEvidence) -> str:
    """Return what came of it, in words; empty where nothing did."""
    roles = {role for one in evidence.nodes_away for role in one.roles}
    # What workers on it had still to report nobody has heard, and it counts nowhere. A worker's name has its node.
    of_workers = [one.node for one in evidence.nodes_away if "generator" in one.roles]
    if any(f" on node {node})" in line for node in of_workers for line in evidence.lost_workers):
        return "workers were lost with it"
    broken = 0 if evidence.load is None else error_count(evidence.load)
    if lost_too_many(evidence, broken):
        return f"{broken:,} requests or connections failed"
    # Pods of a node whose kubelet is gone may live on, and answer, while nobody can ask what they have counted.
    return "what was counted there is not known" if roles - {"generator"} and evidence.facts.uncounted else ""
