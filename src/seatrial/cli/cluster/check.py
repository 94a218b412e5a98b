"""``seatrial check --on kubernetes``: which rights are there, before anything is made; and the least role, as YAML."""

from __future__ import annotations

import asyncio
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

import click
import yaml

from seatrial.cli.console.documents import write_document
from seatrial.cli.console.findings import findings_text
from seatrial.cli.console.network import measured_capacities
from seatrial.cluster.rights import ROLE, is_enough, least_roles, missing_rights
from seatrial.errors import ExitCode, PlanError
from seatrial.plan.cases import compile_cases
from seatrial.preflight.capacity import capacity_findings
from seatrial.preflight.findings import fits
from seatrial.preflight.places.cluster import network_not_measured
from seatrial.run.cluster.rights import every_right, rights_of_plan
from seatrial.run.places.kubernetes import OnKubernetes

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from seatrial.cluster.connection.kubeconfig import Where
    from seatrial.cluster.rights import Right
    from seatrial.plan.model.plan import Plan
    from seatrial.plan.read import GivenPlan
    from seatrial.preflight.capacity import Capacity
    from seatrial.preflight.findings import Finding

SCHEMA = "seatrial.check/1"
_ADVICE = (
    "remedy: ask who owns the cluster for the role that `seatrial check{plan} --on kubernetes --rbac` prints, "
    "and a binding of it"
)
_HEADER = f"""\
# The least that Seatrial needs{{of}}, and nothing else. To have it:
#   seatrial check{{plan}} --on kubernetes --rbac | kubectl apply -f -
#   kubectl create clusterrolebinding {ROLE} --clusterrole={ROLE} --user=NAME
# Each role of that name replaces the one before: with several plans, have one of each under a name of its own.
"""


def print_roles(plan: Plan | None = None) -> int:
    """Print the least role that has every right, with those that the systems of a plan take."""
    documents = yaml.safe_dump_all(least_roles(_rights(plan)), sort_keys=False)
    header = _HEADER.format(of=f" for the plan {plan.name}" if plan else "", plan=" PLAN" if plan else "")
    click.echo(header + documents, nl=False)
    return ExitCode.PASS


def check_cluster(
    where: Where, json_target: str | None, given: GivenPlan | None = None, network: Path | None = None
) -> int:
    """Print what is missing; return the exit code. With ``network`` that is measured, too, and recorded below there.

    Raises what :func:`open_cluster` and :func:`measured_capacities` do, and ``PlanError`` where it cannot be measured.
    """
    plan = None if given is None else given.plan
    if given is not None and network is not None:
        _require_ways(given.plan)
    found = asyncio.run(_asked(where, _rights(plan), plan))
    if given is not None and network is not None and found.fits:
        found = _with_network(found, given, measured_capacities(given, network, where))
    if json_target:
        write_document(_document(found), json_target)
    if json_target != "-":
        click.echo("\n".join(_lines(found)))
    return ExitCode.PASS if found.fits else ExitCode.ENVIRONMENT


@dataclass(frozen=True, slots=True)
class _Found:
    """A cluster, which rights there are to be, and what checks of a plan say."""

    reference: dict[str, Any]
    version: str
    rights: Sequence[Right]
    missing: Sequence[Right]
    plan_name: str | None
    findings: Sequence[Finding] = ()
    capacities: Sequence[Capacity] = ()

    @property
    def fits(self) -> bool:
        return is_enough(self.missing) and fits(self.findings)


def _rights(plan: Plan | None) -> tuple[Right, ...]:
    return every_right() if plan is None else rights_of_plan(compile_cases(plan))


async def _asked(where: Where, rights: Sequence[Right], plan: Plan | None) -> _Found:
    from seatrial.cluster.access import open_cluster
    from seatrial.run.observed.check import observed_or_refused

    async with open_cluster(where) as client:
        missing = await missing_rights(client, rights)
        if plan is None:
            return _Found(client.reference, client.version, rights, missing, None)
        findings = [one for one in await OnKubernetes.of(plan, client).findings() if one.code != "rights"]
        findings += await observed_or_refused(plan, compile_cases(plan))
        return _Found(client.reference, client.version, rights, missing, plan.name, findings)


def _require_ways(plan: Plan) -> None:
    if why := network_not_measured(plan):
        raise PlanError(
            f"--network: {why}", next_step="leave it out, or label the nodes and leave out `nodes: any`"
        )


def _with_network(found: _Found, given: GivenPlan, capacities: Sequence[Capacity]) -> _Found:
    findings = (*found.findings, *capacity_findings(compile_cases(given.plan), capacities))
    return replace(found, findings=findings, capacities=capacities)


def _lines(found: _Found) -> list[str]:
    reference, missing = found.reference, found.missing
    context = f"context {reference['context']}, " if "context" in reference else ""
    there = len(found.rights) - len(missing)
    word = "refuse" if not is_enough(missing) else "warn" if missing else "ok"
    lines = [
        f"ok      cluster  {context}{reference['server']}, Kubernetes {found.version}",
        f"{word:6}  rights   {there} of {len(found.rights)} are there",
    ]
    lines += [f"{'':6}  missing  {right}{f': {right.why}' if right.why else ''}" for right in missing]
    if missing:
        lines.append(f"{'':6}  {_ADVICE.format(plan=' PLAN' if found.plan_name else '')}")
    return [*lines, *([findings_text(found.findings)] if found.findings else [])]


def _document(found: _Found) -> dict[str, Any]:
    absent = set(found.missing)
    return {
        "schema": SCHEMA,
        "plan": found.plan_name,
        "fits": found.fits,
        "cluster": {**found.reference, "version": found.version},
        "rights": [{**asdict(right), "is_there": right not in absent} for right in found.rights],
        "findings": [asdict(finding) for finding in found.findings],
        "network": [capacity.document() for capacity in found.capacities],
    }
