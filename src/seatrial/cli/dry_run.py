"""What ``seatrial run --dry-run`` prints: what would be run, in which order, for how long, and whether it fits."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from seatrial.cli.check import findings_text, settings_line
from seatrial.errors import ExitCode

if TYPE_CHECKING:
    from seatrial.plan.model.plan import Plan


def print_dry_run(plan: Plan) -> int:
    """Print it; return the exit code: 4 where the plan does not fit on this machine."""
    from seatrial.machine.facts import probe_machine
    from seatrial.plan.cases import compile_cases
    from seatrial.plan.shown.text import schedule_text
    from seatrial.preflight.checks import check_cases
    from seatrial.preflight.tuning.survey import settings_of_cases
    from seatrial.run.programs import check_programs

    cases, machine = compile_cases(plan), probe_machine()
    findings = (*check_cases(cases, machine), *check_programs(cases))
    click.echo(f"{schedule_text(plan, cases)}\n\n{findings_text(findings)}")
    if shortage := settings_line(settings_of_cases(cases, machine)):
        click.echo(f"\n{shortage}")
    fits = all(finding.severity != "refuse" for finding in findings)
    return ExitCode.PASS if fits else ExitCode.ENVIRONMENT
