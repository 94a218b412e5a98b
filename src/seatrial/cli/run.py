"""``seatrial run``: a plan, from preflight to report."""

from __future__ import annotations

import asyncio
import signal
from pathlib import Path
from typing import TYPE_CHECKING

import click

from seatrial.cli.documents import json_option, write_document
from seatrial.errors import ExitCode

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
    from seatrial.analysis.summary import summarise_run
    from seatrial.plan.load import read_given_plan
    from seatrial.record.reader import RunReader
    from seatrial.report.json import results_document
    from seatrial.report.terminal import print_summary, stdout_console
    from seatrial.report.write import write_reports

    # Before there is an event loop: a pipe may keep its reader waiting, and Ctrl-C should end that at once.
    given = read_given_plan(plan)
    outcome = asyncio.run(_run(given, runs, quiet=quiet))
    with RunReader.open(outcome.path) as reader:
        summary = summarise_run(reader)
    paths = write_reports(summary, outcome.path)
    if json_target is not None:
        write_document(results_document(summary), json_target)
    if json_target != "-":
        print_summary(summary, stdout_console())
        click.echo(f"report: {paths.html}")
    return ExitCode.INTERRUPTED if outcome.interrupted else summary.exit_code


async def _run(plan: GivenPlan, runs: Path, *, quiet: bool) -> PlanRun:
    from seatrial.live.terminal import TerminalView
    from seatrial.run.plan import run_plan

    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    with TerminalView() as view:
        return await run_plan(plan, runs, [] if quiet else [view], stop)
