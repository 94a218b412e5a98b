"""``seatrial run``: a plan, from preflight to report."""

from __future__ import annotations

import asyncio
import signal
from pathlib import Path
from typing import TYPE_CHECKING

import click

from seatrial.cli.documents import json_option
from seatrial.cli.errors import print_error
from seatrial.cli.results import show_results
from seatrial.errors import ExitCode, SeatrialError
from seatrial.report.files import require_writable

if TYPE_CHECKING:
    from seatrial.plan.load import GivenPlan
    from seatrial.run.plan import PlanRun


@click.command(short_help="Run a plan and report its verdict.")
@click.argument("plan", metavar="PLAN", type=click.Path(path_type=Path))
@click.option(
    "--runs", type=click.Path(path_type=Path), default="runs", show_default=True, help="Where records go."
)
@json_option
@click.option("-q", "--quiet", is_flag=True, help="No progress on stderr.")
def run(plan: Path, runs: Path, json_target: str | None, *, quiet: bool) -> int:
    """Run PLAN: every case on every system, in random order, and print results, verdicts and the report's path.

    Ctrl-C once ends the load, puts everything back and reports what was measured. Exits with 0 if every
    objective holds, 1 if one does not, 3 if a trial cannot be believed.
    """
    from seatrial.plan.load import read_given_plan

    require_writable((json_target,))
    # Before there is an event loop: a pipe may keep its reader waiting, and Ctrl-C should end that at once.
    given = read_given_plan(plan)
    outcome = asyncio.run(_run(given, runs, quiet=quiet))
    if outcome.fault is not None:
        return _show_what_there_is(outcome.path, outcome.fault, json_target)
    code = show_results(outcome.path, json_target, every_path=False)
    return ExitCode.INTERRUPTED if outcome.interrupted else code


def _show_what_there_is(run: Path, fault: SeatrialError, json_target: str | None) -> int:
    """Show what was measured before a fault ended the run; the fault decides how the command ends."""
    try:
        show_results(run, json_target, every_path=False)
    except SeatrialError as error:
        print_error(error)
    click.echo(f"record: {run}", err=True)
    print_error(fault)
    return fault.exit_code


async def _run(plan: GivenPlan, runs: Path, *, quiet: bool) -> PlanRun:
    from seatrial.live.terminal import TerminalView
    from seatrial.run.ending import Ending
    from seatrial.run.judgement import recorded_validity
    from seatrial.run.plan import run_plan

    ending = Ending()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, ending.stop.set)
    with TerminalView(judge=lambda run_id, trial: recorded_validity(runs / run_id, trial)) as view:
        return await run_plan(plan, runs, [] if quiet else [view], ending)
