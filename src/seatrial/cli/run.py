"""``seatrial run``: a plan, from preflight to report."""

from __future__ import annotations

import asyncio
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import click

from seatrial.cli.console.documents import json_option
from seatrial.cli.console.errors import print_error
from seatrial.cli.console.signals import Signals
from seatrial.cli.dry_run import print_dry_resume, print_dry_run
from seatrial.cli.options.cluster import cluster_options, where_of
from seatrial.cli.options.scale import scale_option
from seatrial.cli.options.share import share_option
from seatrial.cli.options.views import Views, ViewsCommand, views_options
from seatrial.cli.results import show_results
from seatrial.errors import ExitCode, PlanError, SeatrialError
from seatrial.report.files import require_writable

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterator

    from seatrial.cluster.connection.kubeconfig import Where
    from seatrial.machine.address import Address
    from seatrial.plan.model.plan import PlaceName, Plan
    from seatrial.plan.read import GivenPlan
    from seatrial.run.companion import Companion
    from seatrial.run.plan import Audience, PlanRun
    from seatrial.run.resume import Resumption

WHILE_IT_RUNS = (
    "interrupted: the trial is ended in order, then what was measured is reported; once more to cut that short",
    "interrupted again: the trial is cut short; everything is put back, then what there is is reported",
    "everything is being put back; the report follows",
)
"""What the first, the second and any further Ctrl-C is answered with."""


@click.command(cls=ViewsCommand, short_help="Run a plan and report its verdict.")
@click.argument("plan", metavar="[PLAN]", type=click.Path(path_type=Path), required=False)
@click.option(
    "--runs", type=click.Path(path_type=Path), default="runs", show_default=True, help="Where records go."
)
@click.option(
    "--resume",
    metavar="DIR",
    type=click.Path(path_type=Path),
    help="Go on with the run in this directory, which was cut off: what is finished is kept.",
)
@click.option(
    "--allow-changed-environment",
    "allow_changes",
    is_flag=True,
    help="Resume on another machine, kernel or program, too; every output names what differs.",
)
@scale_option
@click.option("--dry-run", is_flag=True, help="Print cases, order, time and needs; run nothing.")
@cluster_options
@views_options
@json_option
@share_option
@click.option("-q", "--quiet", is_flag=True, help="No progress on stderr.")
@click.pass_context
def run(context: click.Context, /, plan: Path | None, **flags: Any) -> int:
    """Run PLAN: every case on every system, in random order, and print results, verdicts and the report's path.

    With --resume DIR a run that was cut off is gone on with: the trials that it lacks are run into its record, in the
    order that they would have had. PLAN may be left out then: it is that of the run.

    With --on kubernetes the plan runs on a cluster, whatever its place says: systems, origins and workers are pods.

    Ctrl-C once ends the load, puts everything back and reports what was measured. Twice it waits for no answers, counts
    or drains any more; everything is put back and reported even so. Exits with 0 if every
    objective holds, 1 if one does not, 3 if a trial cannot be believed.
    """
    from seatrial.plan.read import read_given_plan

    given_flags = _Flags(**flags)
    require_writable((given_flags.json_target,))
    if given_flags.resume is not None:
        _require_no_other_place(context)
        return _resume(given_flags.resume, plan, given_flags)
    if plan is None:
        raise click.UsageError("Missing argument 'PLAN': a plan file, or --resume DIR.", context)
    if given_flags.allow_changes:
        raise click.UsageError("--allow-changed-environment is of --resume.", context)
    # Before there is an event loop: a pipe may keep its reader waiting, and Ctrl-C should end that at once.
    given = read_given_plan(plan, given_flags.scale, given_flags.on)
    where = given_flags.where(given.plan)
    if given_flags.dry_run:
        return print_dry_run(given.plan, where)
    return _run_and_show(lambda shown: _run(given, given_flags, where, shown), given_flags.runs, given_flags)


@dataclass(frozen=True, slots=True)
class _Flags:
    """What is given beside the plan."""

    runs: Path
    resume: Path | None
    scale: str | None
    json_target: str | None
    allow_changes: bool
    dry_run: bool
    share_machine: bool
    quiet: bool
    serve: Address | None
    metrics: Address | None
    remote_write: str | None
    native_histograms: bool
    on: Literal["kubernetes"] | None
    kubeconfig: str | None
    context: str | None

    def where(self, plan: Plan) -> Where | None:
        """Return the cluster of a plan; raises ``PlanError`` where words of one stand without it."""
        discovers = plan.discovery is not None
        return where_of(self.on, self.kubeconfig, self.context, plan.place, discovers=discovers)

    @property
    def views(self) -> Views:
        """What shows the run in a process of its own."""
        return Views(self.serve, self.metrics, self.remote_write, self.native_histograms)


def _require_no_other_place(context: click.Context) -> None:
    source = context.get_parameter_source("runs")
    if source is not None and source.name != "DEFAULT":
        raise click.UsageError(
            "--runs says where a new record goes; --resume goes on with the one there is.", context
        )


def _resume(directory: Path, plan: Path | None, flags: _Flags) -> int:
    from seatrial.run.resume import resumption_of

    # Programs are started in folders of their own, where a relative path would mean something else.
    resumption = resumption_of(directory.resolve(), plan, flags.scale)
    place = resumption.given.plan.place
    _require_place(directory, place, flags)
    where = flags.where(resumption.given.plan)
    if resumption.is_complete:
        click.echo(f"{directory} is complete: {resumption.text}, and none is left to run", err=True)
        return (
            ExitCode.PASS if flags.dry_run else show_results(directory, flags.json_target, every_path=False)
        )
    if flags.dry_run:
        return print_dry_resume(resumption, where, allow_changes=flags.allow_changes)
    runs = resumption.directory.parent
    return _run_and_show(lambda shown: _go_on(resumption, flags, where, shown), runs, flags)


def _require_place(directory: Path, place: PlaceName, flags: _Flags) -> None:
    """Raise ``PlanError`` where a run is to go on somewhere else."""
    if flags.on is not None and place != flags.on:
        raise PlanError(
            f"{directory} was not made on a cluster",
            cause="trials of different places are not of one run",
            next_step=f"leave out --on kubernetes, or run its plan anew: seatrial run {directory / 'plan.yaml'} --on"
            " kubernetes",
        )


@dataclass(frozen=True, slots=True)
class _Shown:
    """What ends a run early, and what shows it."""

    signals: Signals
    companion: Companion


def _run_and_show(start: Callable[[_Shown], Coroutine[Any, Any, PlanRun]], runs: Path, flags: _Flags) -> int:
    from seatrial.run.companion import Companion

    with (
        Signals() as signals,
        Companion(runs, flags.views.arguments(), lambda: signals.count > 0) as companion,
    ):
        signals.announce(*WHILE_IT_RUNS)
        outcome = asyncio.run(start(_Shown(signals, companion)))
        companion.end()
        signals.announce(f"the reports of {outcome.path} are being written; that takes seconds")
        code = _show(outcome, flags.json_target)
        if outcome.interrupted:
            click.echo(f"the rest of it: seatrial run --resume {outcome.path}", err=True)
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


async def _run(given: GivenPlan, flags: _Flags, where: Where | None, shown: _Shown) -> PlanRun:
    from seatrial.run.ending import Ending
    from seatrial.run.plan import run_plan

    with _watched(flags.runs, shown.companion, quiet=flags.quiet) as audience:
        return await run_plan(
            given,
            flags.runs,
            audience,
            Ending(*shown.signals.events()),
            share_machine=flags.share_machine,
            where=where,
        )


async def _go_on(resumption: Resumption, flags: _Flags, where: Where | None, shown: _Shown) -> PlanRun:
    from seatrial.run.ending import Ending
    from seatrial.run.plan import resume_plan

    with _watched(resumption.directory.parent, shown.companion, quiet=flags.quiet) as audience:
        return await resume_plan(
            resumption,
            audience,
            Ending(*shown.signals.events()),
            allow_changes=flags.allow_changes,
            share_machine=flags.share_machine,
            where=where,
        )


@contextmanager
def _watched(runs: Path, companion: Companion, *, quiet: bool) -> Iterator[Audience]:
    """Yield who watches: what shows progress, unless it is to be quiet, and what shows the run elsewhere."""
    from seatrial.live.feed import Feed
    from seatrial.live.terminal import TerminalView
    from seatrial.record.events import Noted
    from seatrial.run.judgement import recorded_outcome
    from seatrial.run.plan import Audience

    with (
        TerminalView(judge=lambda run_id, trial: recorded_outcome(runs / run_id, trial)) as view,
        Feed(view) as feed,
    ):
        note, show = companion.note, companion.show
        if not quiet:
            companion.note, companion.show = (lambda text: feed(Noted("seatrial", text))), view.pin
        yield Audience([companion] if quiet else [feed, companion], companion.members)
        companion.note, companion.show = note, show
    if feed.error is not None:
        click.echo(f"warning: progress could not be shown: {feed.error}", err=True)
        companion.remark(f"progress could not be shown: {feed.error}")
    elif feed.left_out:
        companion.remark(
            f"the terminal did not keep up: {feed.left_out:,} intervals and looks were not shown"
        )
