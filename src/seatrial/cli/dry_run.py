"""What ``seatrial run --dry-run`` prints: what would be run, in which order, for how long, and whether it fits."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import click

from seatrial.cli.check import settings_line
from seatrial.cli.console.findings import findings_text
from seatrial.errors import ExitCode

if TYPE_CHECKING:
    from collections.abc import Sequence

    from seatrial.cluster.connection.kubeconfig import Where
    from seatrial.machine.facts import Machine
    from seatrial.plan.cases import Case
    from seatrial.plan.model.plan import Plan
    from seatrial.preflight.findings import Finding
    from seatrial.run.resume import Resumption


def print_dry_run(plan: Plan, where: Where | None = None) -> int:
    """Print it; return the exit code: 4 where the plan does not fit on this machine, or on the cluster of its place."""
    from seatrial.machine.facts import probe_machine
    from seatrial.plan.cases import compile_cases
    from seatrial.plan.shown.text import schedule_text

    cases = compile_cases(plan)
    text = f"{schedule_text(plan, cases)}\n{_network_text(plan, cases)}"
    if plan.place == "kubernetes":
        from seatrial.run.places.kubernetes import findings_on

        findings = asyncio.run(findings_on(plan, where))
        return _print(text, findings, "")
    machine = probe_machine()
    return _print(text, _findings(cases, machine), _shortage(cases, machine))


def print_dry_resume(resumption: Resumption, *, allow_changes: bool) -> int:
    """Print what is left of a run, and whether it may go on here; return the exit code: 4 where it may not."""
    from seatrial.machine.facts import probe_machine
    from seatrial.preflight.findings import Finding
    from seatrial.record.environment import describe
    from seatrial.run.programs import programs_of
    from seatrial.run.resume import ALLOW

    cases, machine = resumption.cases, probe_machine()
    findings, shortage = _findings(cases, machine), _shortage(cases, machine)
    if any(finding.severity == "refuse" for finding in findings):
        return _print(_rest(resumption, None), findings, shortage)
    environment = describe(programs_of(cases))
    changed = tuple(
        Finding(
            "environment",
            "warn" if allow_changes else "refuse",
            f"not as it was: {change}",
            "" if allow_changes else f"go on where it is as it was, or give {ALLOW}",
        )
        for change in resumption.changes(environment)
    )
    return _print(_rest(resumption, environment), (*findings, *changed), shortage)


def _rest(resumption: Resumption, environment: dict[str, Any] | None) -> str:
    from seatrial.plan.shown.text import rest_text

    what_there_is = f"{resumption.directory}: {resumption.text}"
    rest = [(trial.order, trial.case) for trial in resumption.rest(environment)]
    plan = resumption.given.plan
    text = rest_text(plan, what_there_is, resumption.sanity(environment).left, rest)
    return f"{text}\n{_network_text(plan, resumption.cases)}"


def _network_text(plan: Plan, cases: Sequence[Case]) -> str:
    from seatrial.run.capacity.ways import plan_text

    return f"network     {plan_text(plan, cases)}"


def _findings(cases: Sequence[Case], machine: Machine) -> tuple[Finding, ...]:
    from seatrial.preflight.checks import check_cases
    from seatrial.run.programs import check_programs

    return (*check_cases(cases, machine), *check_programs(cases))


def _shortage(cases: Sequence[Case], machine: Machine) -> str:
    from seatrial.preflight.tuning.survey import settings_of_cases

    return settings_line(settings_of_cases(cases, machine))


def _print(text: str, findings: Sequence[Finding], shortage: str) -> int:
    click.echo(f"{text}\n\n{findings_text(findings)}")
    if shortage:
        click.echo(f"\n{shortage}")
    fits = all(finding.severity != "refuse" for finding in findings)
    return ExitCode.PASS if fits else ExitCode.ENVIRONMENT
