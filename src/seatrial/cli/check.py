"""``seatrial check``: what this machine can do, and whether a plan fits on it."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from seatrial.cli.console.documents import json_option, write_document
from seatrial.cli.options.scale import scale_option
from seatrial.errors import ExitCode, PlanError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from seatrial.machine.facts import Machine
    from seatrial.preflight.capacity import Capacity
    from seatrial.preflight.findings import Finding

SCHEMA = "seatrial.check/1"
NETWORK_USAGE = "seatrial check PLAN --network"


@click.command()
@click.argument("plan_file", metavar="[PLAN]", required=False)
@scale_option
@click.option(
    "--network", is_flag=True, help="Measure what the network between the roles of PLAN carries, too."
)
@click.option(
    "--runs",
    type=click.Path(path_type=Path),
    default="runs",
    show_default=True,
    metavar="DIR",
    help="Where --network keeps its record.",
)
@json_option
def check(
    plan_file: str | None, scale: str | None, runs: Path, json_target: str | None, *, network: bool
) -> None:
    """Check limits, ports, memory and CPU, and the programs if a plan is named; exits with 4 if it does not fit."""
    from seatrial.machine.facts import probe_machine
    from seatrial.plan.cases import compile_cases
    from seatrial.plan.read import read_given_plan
    from seatrial.preflight.capacity import check_capacity, ways_found
    from seatrial.preflight.checks import check_cases
    from seatrial.preflight.load import check_needs
    from seatrial.preflight.needs import Needs
    from seatrial.run.capacity.before import capacities_of
    from seatrial.run.programs import check_programs

    if network and not plan_file:
        raise PlanError(
            "--network needs a plan: its systems say which ways there are", next_step=NETWORK_USAGE
        )
    given = read_given_plan(plan_file, scale) if plan_file else None
    plan = given.plan if given else None
    machine = probe_machine()
    # Without a plan the least is asked for, so that every limit is shown.
    cases = compile_cases(plan) if plan else ()
    findings = (
        (*check_cases(cases, machine), *check_programs(cases)) if cases else check_needs(Needs(), machine)
    )
    capacities: tuple[Capacity, ...] = ()
    if network and given is not None and not any(finding.severity == "refuse" for finding in findings):
        capacities = capacities_of(given, runs)
        findings = (*findings, *ways_found(capacities), *check_capacity(cases, capacities))
    if json_target:
        write_document(_document(plan.name if plan else None, machine, findings, capacities), json_target)
    if json_target != "-":
        click.echo(findings_text(findings))
    if any(finding.severity == "refuse" for finding in findings):
        raise SystemExit(ExitCode.ENVIRONMENT)


def findings_text(findings: Sequence[Finding]) -> str:
    """Return the findings as a plain table, each remedy under its finding."""
    width = max(len(finding.code) for finding in findings)
    lines: list[str] = []
    for finding in findings:
        lines.append(f"{finding.severity:6}  {finding.code:{width}}  {finding.text}")
        if finding.remedy:
            lines.append(f"{'':6}  {'':{width}}  remedy: {finding.remedy}")
    return "\n".join(lines)


def _document(
    plan_name: str | None, machine: Machine, findings: Sequence[Finding], capacities: Sequence[Capacity]
) -> dict[str, Any]:
    facts = {**asdict(machine), "listening": sorted(f"{host}:{port}" for host, port in machine.listening)}
    return {
        "schema": SCHEMA,
        "plan": plan_name,
        "fits": all(finding.severity != "refuse" for finding in findings),
        "findings": [asdict(finding) for finding in findings],
        "network": [capacity.document() for capacity in capacities],
        "machine": facts,
    }
