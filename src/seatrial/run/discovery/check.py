"""The clusters of a plan with ``discovery`` before the run: each answers, and lets do what a trial has to."""

from __future__ import annotations

from typing import TYPE_CHECKING

from seatrial.cluster.access import open_cluster
from seatrial.cluster.connection.kubeconfig import Where
from seatrial.cluster.rights import missing_rights, rights_to
from seatrial.errors import SeatrialError
from seatrial.plan.cases import compile_cases
from seatrial.preflight.findings import Finding

if TYPE_CHECKING:
    from collections.abc import Iterator

    from seatrial.cluster.client import Client
    from seatrial.plan.model.plan import Plan

CODE = "cluster"
_WHY = "services and their endpoints are made, seen and removed in namespaces of the trial"
RIGHTS = (
    *rights_to("create delete", "namespaces", why=_WHY),
    *rights_to("list watch create patch delete deletecollection", "services endpoints", why=_WHY),
    *rights_to(
        "list watch create patch delete deletecollection",
        "endpointslices",
        group="discovery.k8s.io",
        why=_WHY,
    ),
)
"""What Seatrial does at the source and at the destination; a discoverer goes in with the same kubeconfig."""
_NAMED_LIMIT = 6


async def discovery_findings(plan: Plan, where: Where | None) -> tuple[Finding, ...]:
    """Return what is to be said of the clusters that a plan's discoverers lead into and from; nothing without any.

    One that cannot be used is a refusal.
    """
    if plan.discovery is None:
        return ()
    where = where or Where()
    sides = [("destination", where)]
    sources = {case.discovery.source for case in compile_cases(plan) if case.discovery is not None}
    if "kubernetes" in sources:
        sides.append(("source", Where(where.kubeconfig, plan.discovery.source_context)))
    return tuple([await _finding(side, one) for side, one in sides])


async def _finding(side: str, where: Where) -> Finding:
    code = f"{CODE}-{side}"
    try:
        async with open_cluster(where) as client:
            missing = await missing_rights(client, RIGHTS)
            said = "; ".join(_said(client))
    except SeatrialError as fault:
        return Finding(code, "refuse", f"the {side}: {fault.line}", fault.next_step or "")
    if missing:
        named = ", ".join(map(str, missing[:_NAMED_LIMIT]))
        more = f" and {len(missing) - _NAMED_LIMIT} more" if len(missing) > _NAMED_LIMIT else ""
        text = f"the {side}, {said}, does not allow this user: {named}{more}"
        return Finding(
            code, "refuse", text, "give the user a role with these rights, or name another context"
        )
    return Finding(code, "ok", f"the {side} is {said}, and allows what a trial does there")


def _said(client: Client) -> Iterator[str]:
    reference = client.reference
    yield f"context {reference['context']}" if "context" in reference else "the cluster of this pod"
    yield f"{reference['server']} ({client.version})"
