"""``seatrial run``: a plan, from preflight to report."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING

import click

from seatrial.cli.console.documents import json_option
from seatrial.cli.console.errors import print_error
from seatrial.cli.console.signals import Signals
from seatrial.cli.dry_run import print_dry_run
from seatrial.cli.options.scale import scale_option
from seatrial.cli.options.share import share_option
from seatrial.cli.results import show_results
from seatrial.errors import ExitCode, SeatrialError
from seatrial.report.files import require_writable

if TYPE_CHECKING:
    from seatrial.plan.read import GivenPlan
    from seatrial.run.plan import PlanRun

WHILE_IT_RUNS = (
    "interrupted: the trial is ended in order, then what was measured is reported; once more to cut that short",
    "interrupted again: the trial is cut short; everything is put back, then what there is is reported",
    "everything is being put back; the report follows",
)
"""What the first, the second and any further Ctrl-C is answered with."""


@click.command(short_help="Run a plan and report its verdict.")
@click.argument("plan", metavar="PLAN", type=click.Path(path_type=Path))
@click.option(
    "--runs", type=click.Path(path_type=Path), default="runs", show_default=True, help="Where records go."
)
@scale_option
@click.option("--dry-run", is_flag=True, help="Print cases, order, time and needs; run nothing.")
@json_option
@share_option
@click.option("-q", "--quiet", is_flag=True, help="No progress on stderr.")
def run(
    plan: Path,
    runs: Path,
    scale: str | None,
    json_target: str | None,
    *,
    dry_run: bool,
    **how: bool,
) -> int:
    """Run PLAN: every case on every system, in random order, and print results, verdicts and the report's path.

    Ctrl-C once ends the load, puts everything back and reports what was measured. Twice it waits for no answers, counts
    or drains any more; everything is put back and reported even so. Exits with 0 if every
    objective holds, 1 if one does not, 3 if a trial cannot be believed.
    """
    from seatrial.plan.read import read_given_plan

    require_writable((json_target,))
    # Before there is an event loop: a pipe may keep its reader waiting, and Ctrl-C should end that at once.
    given = read_given_plan(plan, scale)
    if dry_run:
        return print_dry_run(given.plan)
    with Signals() as signals:
        signals.announce(*WHILE_IT_RUNS)
        outcome = asyncio.run(_run(given, runs, signals, **how))
        signals.announce(f"the reports of {outcome.path} are being written; that takes seconds")
        code = _show(outcome, json_target)
        return ExitCode.INTERRUPTED if signals.count and outcome.fault is None else code


def _show(outcome: PlanRun, json_target: str | None) -> int:
    if outcome.fault is not None:
        return _show_what_there_is(outcome.path, outcome.fault, json_target)
    try:
        return show_results(outcome.path, json_target, every_path=False)
    except SeatrialError:
        click.echo(f"record: {outcome.path}", err=True)
        raise


def _show_what_there_is(run: Path, fault: SeatrialError, json_target: str | None) -> int:
    """Show what was measured before a fault ended the run; the fault decides how the command ends."""
    try:
        show_results(run, json_target, every_path=False)
    except SeatrialError as error:
        print_error(error)
    click.echo(f"record: {run}", err=True)
    print_error(fault)
    return fault.exit_code


async def _run(
    given: GivenPlan, runs: Path, signals: Signals, *, quiet: bool, share_machine: bool
) -> PlanRun:
    from seatrial.live.feed import Feed
    from seatrial.live.terminal import TerminalView
    from seatrial.run.ending import Ending
    from seatrial.run.judgement import recorded_outcome
    from seatrial.run.plan import run_plan

    ending = Ending(*signals.events())
    with (
        TerminalView(judge=lambda run_id, trial: recorded_outcome(runs / run_id, trial)) as view,
        Feed(view) as feed,
    ):
        listeners = [] if quiet else [feed]
        outcome = await run_plan(given, runs, listeners, ending, share_machine=share_machine)
    if feed.error is not None:
        click.echo(f"warning: progress could not be shown: {feed.error}", err=True)
    return outcome
