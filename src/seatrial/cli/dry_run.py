"""What ``seatrial run --dry-run`` prints: what would be run, in which order, for how long, and whether it fits."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import click

from seatrial.cli.check import settings_line
from seatrial.cli.console.findings import findings_text
from seatrial.errors import ExitCode
from seatrial.preflight.findings import Finding, fits

if TYPE_CHECKING:
    from collections.abc import Sequence

    from seatrial.cluster.connection.kubeconfig import Where
    from seatrial.machine.facts import Machine
    from seatrial.plan.cases import Case
    from seatrial.plan.model.plan import Plan
    from seatrial.run.resume import Resumption


def print_dry_run(plan: Plan, where: Where | None = None) -> int:
    """Print it; return the exit code: 4 where the plan does not fit on this machine, or on the cluster of its place."""
    from seatrial.machine.facts import probe_machine
    from seatrial.plan.cases import compile_cases
    from seatrial.plan.shown.text import schedule_text
    from seatrial.run.observed.check import observed_or_refused

    cases = compile_cases(plan)
    text = f"{schedule_text(plan, cases)}\n{_network_text(plan, cases)}"
    observed = asyncio.run(observed_or_refused(plan, cases))
    if plan.place == "kubernetes":
        return _print(text, (*asyncio.run(_found_on(plan, where))[0], *observed), "")
    machine = probe_machine()
    return _print(text, (*_findings(cases, machine), *observed), _shortage(cases, machine))


def print_dry_resume(resumption: Resumption, where: Where | None = None, *, allow_changes: bool) -> int:
    """Print what is left of a run, and whether it may go on at its place; return the exit code: 4 where it may not."""
    from seatrial.run.observed.check import observed_or_refused

    plan, cases = resumption.given.plan, resumption.cases
    if plan.place == "kubernetes":
        (findings, environment), shortage = asyncio.run(_found_on(plan, where)), ""
    else:
        findings, environment, shortage = _found_here(cases)
    changed = _changed(resumption, environment, allow_changes=allow_changes)
    observed = asyncio.run(observed_or_refused(plan, cases))
    return _print(_rest(resumption, environment), (*findings, *changed, *observed), shortage)


async def _found_on(plan: Plan, where: Where | None) -> tuple[tuple[Finding, ...], dict[str, Any] | None]:
    """Return what every check says of a plan on a cluster and, where none refuses it, the environment.

    Nothing is made there. Raises as ``open_cluster`` does.
    """
    from seatrial.cluster.access import open_cluster
    from seatrial.run.places.kubernetes import OnKubernetes

    async with open_cluster(where) as client:
        place = OnKubernetes.of(plan, client)
        findings = await place.findings()
        return findings, await place.environment() if fits(findings) else None


def _found_here(cases: Sequence[Case]) -> tuple[tuple[Finding, ...], dict[str, Any] | None, str]:
    """Return the same of this machine, and which of its settings fall short."""
    from seatrial.machine.facts import probe_machine
    from seatrial.record.environment import describe
    from seatrial.run.programs import programs_of

    machine = probe_machine()
    findings = _findings(cases, machine)
    return findings, describe(programs_of(cases)) if fits(findings) else None, _shortage(cases, machine)


def _changed(
    resumption: Resumption, environment: dict[str, Any] | None, *, allow_changes: bool
) -> tuple[Finding, ...]:
    from seatrial.run.resume import ALLOW

    return tuple(
        Finding(
            "environment",
            "warn" if allow_changes else "refuse",
            f"not as it was: {change}",
            "" if allow_changes else f"go on where it is as it was, or give {ALLOW}",
        )
        for change in (() if environment is None else resumption.changes(environment))
    )


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
    return ExitCode.PASS if fits(findings) else ExitCode.ENVIRONMENT
