"""``seatrial check``: what this machine can do, and whether a plan fits on it."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from seatrial.cli.console.documents import json_option, write_document
from seatrial.cli.options.scale import scale_option
from seatrial.errors import ExitCode

if TYPE_CHECKING:
    from collections.abc import Sequence

    from seatrial.machine.facts import Machine
    from seatrial.preflight.findings import Finding

SCHEMA = "seatrial.check/1"


@click.command()
@click.argument("plan_file", metavar="[PLAN]", required=False)
@scale_option
@json_option
def check(plan_file: str | None, scale: str | None, json_target: str | None) -> None:
    """Check limits, ports, memory and CPU, and the programs if a plan is named; exits with 4 if it does not fit."""
    from seatrial.machine.facts import probe_machine
    from seatrial.plan.cases import compile_cases
    from seatrial.plan.read import read_plan
    from seatrial.preflight.checks import check_cases
    from seatrial.preflight.load import check_needs
    from seatrial.preflight.needs import Needs
    from seatrial.run.programs import check_programs

    plan = read_plan(plan_file, scale) if plan_file else None
    machine = probe_machine()
    # Without a plan the least is asked for, so that every limit is shown.
    cases = compile_cases(plan) if plan else ()
    findings = (
        (*check_cases(cases, machine), *check_programs(cases)) if cases else check_needs(Needs(), machine)
    )
    if json_target:
        write_document(_document(plan.name if plan else None, machine, findings), json_target)
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


def _document(plan_name: str | None, machine: Machine, findings: Sequence[Finding]) -> dict[str, Any]:
    facts = {**asdict(machine), "listening": sorted(f"{host}:{port}" for host, port in machine.listening)}
    return {
        "schema": SCHEMA,
        "plan": plan_name,
        "fits": all(finding.severity != "refuse" for finding in findings),
        "findings": [asdict(finding) for finding in findings],
        "machine": facts,
    }
