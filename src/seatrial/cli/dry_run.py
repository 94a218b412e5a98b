"""What ``seatrial run --dry-run`` prints: what would be run, in which order, for how long, and whether it fits."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from seatrial.cli.check import findings_text
from seatrial.errors import ExitCode

if TYPE_CHECKING:
    from seatrial.plan.model.plan import Plan


def print_dry_run(plan: Plan) -> int:
    """Print it; return the exit code: 4 where the plan does not fit on this machine."""
    from seatrial.machine.facts import probe_machine
    from seatrial.plan.cases import compile_cases
    from seatrial.plan.shown.text import schedule_text
    from seatrial.preflight.checks import check_cases
    from seatrial.run.capacity.ways import plan_text
    from seatrial.run.programs import check_programs

    cases = compile_cases(plan)
    findings = (*check_cases(cases, probe_machine()), *check_programs(cases))
    network = f"network     {plan_text(plan, cases)}"
    click.echo(f"{schedule_text(plan, cases)}\n{network}\n\n{findings_text(findings)}")
    fits = all(finding.severity != "refuse" for finding in findings)
    return ExitCode.PASS if fits else ExitCode.ENVIRONMENT
