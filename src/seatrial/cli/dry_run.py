"""What ``seatrial run --dry-run`` prints: what would be run, in which order, for how long, and whether it fits."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from seatrial.cli.check import findings_text, settings_line
from seatrial.errors import ExitCode

if TYPE_CHECKING:
    from collections.abc import Sequence

    from seatrial.plan.cases import Case
    from seatrial.plan.model.plan import Plan
    from seatrial.preflight.findings import Finding
    from seatrial.run.resume import Resumption


def print_dry_run(plan: Plan) -> int:
    """Print it; return the exit code: 4 where the plan does not fit on this machine."""
    from seatrial.plan.cases import compile_cases
    from seatrial.plan.shown.text import schedule_text

    cases = compile_cases(plan)
    return _print(f"{schedule_text(plan, cases)}\n{_network_text(plan, cases)}", _findings(cases), cases)


def print_dry_resume(resumption: Resumption, *, allow_changes: bool) -> int:
    """Print what is left of a run, and whether it may go on here; return the exit code: 4 where it may not."""
    from seatrial.preflight.findings import Finding
    from seatrial.record.environment import describe
    from seatrial.run.programs import programs_of
    from seatrial.run.resume import ALLOW

    findings = _findings(resumption.cases)
    if any(finding.severity == "refuse" for finding in findings):
        return _print(_rest(resumption, None), findings, resumption.cases)
    environment = describe(programs_of(resumption.cases))
    changed = tuple(
        Finding(
            "environment",
            "warn" if allow_changes else "refuse",
            f"not as it was: {change}",
            "" if allow_changes else f"go on where it is as it was, or give {ALLOW}",
        )
        for change in resumption.changes(environment)
    )
    return _print(_rest(resumption, environment), (*findings, *changed), resumption.cases)


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


def _findings(cases: Sequence[Case]) -> tuple[Finding, ...]:
    from seatrial.machine.facts import probe_machine
    from seatrial.preflight.checks import check_cases
    from seatrial.run.programs import check_programs

    return (*check_cases(cases, probe_machine()), *check_programs(cases))


def _print(text: str, findings: Sequence[Finding], cases: Sequence[Case]) -> int:
    from seatrial.machine.facts import probe_machine
    from seatrial.preflight.tuning.survey import settings_of_cases

    click.echo(f"{text}\n\n{findings_text(findings)}")
    if shortage := settings_line(settings_of_cases(cases, probe_machine())):
        click.echo(f"\n{shortage}")
    fits = all(finding.severity != "refuse" for finding in findings)
    return ExitCode.PASS if fits else ExitCode.ENVIRONMENT
