"""``seatrial clean``: put back what a run that was killed could not, by its record, or on a cluster by its label."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import click

from seatrial.cli.console.documents import json_option, write_document
from seatrial.cli.console.errors import print_error
from seatrial.cli.options.cluster import cluster_options, where_of
from seatrial.errors import EnvironmentFault, ExitCode, PlanError, RecordError, SeatrialError
from seatrial.machine.undoers import CHANGES_THE_GROUND, Undoer, Undone
from seatrial.record.changes import UNDOERS
from seatrial.report.files import require_writable

if TYPE_CHECKING:
    from seatrial.record.tables.rows import Change


@dataclass(frozen=True, slots=True)
class Leftover:
    """A change that a run had not put back: what it is, and what of it was ended or put back, or could not be.

    ``ended`` and ``left`` are processes, ``put_back`` and ``problem`` words about anything else.
    """

    run: str
    kind: str
    name: str
    ended: tuple[int, ...] = ()
    left: tuple[int, ...] = ()
    put_back: str = ""
    problem: str = ""


@dataclass(slots=True)
class Findings:
    """What was looked at, and what was found."""

    runs: int = 0
    live: list[str] = field(default_factory=list)
    unreadable: list[str] = field(default_factory=list)
    leftovers: list[Leftover] = field(default_factory=list)


@click.command()
@click.option(
    "--runs",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("runs"),
    show_default=True,
    metavar="DIR",
    help="Where the run directories are, or one of them.",
)
@cluster_options
@click.option("--run", "run_id", metavar="ID", help="With --on kubernetes: only what this run has made.")
@click.option("--yes", is_flag=True, help="With --on kubernetes: delete without asking.")
@json_option
def clean(
    runs: Path,
    run_id: str | None,
    json_target: str | None,
    *,
    yes: bool,
    **cluster: str | None,
) -> int | None:
    """End what runs that were killed have left behind, and put back what else they had changed.

    Runs that are still going on are left alone.

    A record that cannot be read is skipped, and said. Exits with 4 if one was, or if something could not be put back.

    With --on kubernetes it needs no record: it lists what runs have made on that cluster, from whichever machine, also
    runs that are still going on, and asks before it deletes them.
    """
    require_writable((json_target,))
    where = where_of(cluster["on"], cluster["kubeconfig"], cluster["context"])
    if where is not None:
        from seatrial.cli.cluster.clean import clean_cluster

        return clean_cluster(where, run_id, json_target, is_sure=yes)
    if run_id or yes:
        raise PlanError(
            "--run and --yes go with --on kubernetes", next_step="seatrial clean --on kubernetes --yes"
        )
    findings = Findings()
    for run in _run_directories(runs):
        _look_at(run, findings)
    if json_target != "-":
        for line in _lines(findings) if findings.runs else [f"no runs in {runs}"]:
            click.echo(line)
    if json_target:
        write_document({"schema": "seatrial.clean/1", **asdict(findings)}, json_target)
    if findings.unreadable or any(
        leftover.left or leftover.problem or leftover.kind not in UNDOERS for leftover in findings.leftovers
    ):
        raise SystemExit(ExitCode.ENVIRONMENT)
    return None


def _run_directories(runs: Path) -> tuple[Path, ...]:
    # The last first, as each change of a run: what was changed twice is to be what it was at first.
    databases = (*runs.glob("record.db"), *sorted(runs.glob("*/record.db"), reverse=True))
    return tuple(database.parent for database in databases)


def _look_at(run: Path, findings: Findings) -> None:
    from seatrial.record.changes import open_changes
    from seatrial.record.lock import is_live

    findings.runs += 1
    try:
        if is_live(run):
            findings.live.append(str(run))
            return
        changes, damage = open_changes(run)
    except (RecordError, OSError) as error:
        # One broken record must not keep the others from being cleaned.
        _skip(run, error if isinstance(error, RecordError) else RecordError(f"{run} cannot be read: {error}"))
        findings.unreadable.append(str(run))
        return
    for change in reversed(changes):
        _put_back(run, change, findings)
    if damage:
        _skip(run, RecordError(f"{run} is damaged", cause="; ".join(str(one) for one in damage)))
        findings.unreadable.append(str(run))


def _skip(run: Path, error: RecordError) -> None:
    print_error(
        RecordError(
            error.what,
            cause=error.cause,
            next_step=f"look for processes that name {run} yourself (pgrep -af); other records are gone on with",
        )
    )


def _put_back(run: Path, change: Change, findings: Findings) -> None:
    from seatrial.record.changes import mark_undone

    undo = UNDOERS.get(change.kind)
    if undo is None:
        # Written by a later version of Seatrial, which knows how to put it back.
        findings.leftovers.append(Leftover(str(run), change.kind, str(dict(change.detail))))
        return
    try:
        found = _undone(undo, change, run)
    except (KeyError, TypeError, ValueError):
        cause = f"row {change.id} of the table changes names no {change.kind}"
        _skip(run, RecordError(f"{run} is damaged", cause=cause))
        findings.unreadable.append(str(run))
        return
    if found.ended or found.put_back or not found.is_done:
        findings.leftovers.append(Leftover(str(run), change.kind, **asdict(found)))
    if found.is_done:
        try:
            mark_undone(run, change.id)
        except SeatrialError as error:
            # What matters is done; the next clean will look for it again and find nothing.
            click.echo(f"warning: {error.what}: {error.cause}", err=True)


def _undone(undo: Undoer, change: Change, run: Path) -> Undone:
    if change.kind not in CHANGES_THE_GROUND:
        return undo(change.detail, run)
    from seatrial.run.others import OtherLoads

    try:
        with OtherLoads("seatrial clean", share=False):
            return undo(change.detail, run)
    except EnvironmentFault as fault:
        return Undone(str(change.detail["name"]), problem=f"{fault.what}; clean again when that has ended")


def _lines(findings: Findings) -> list[str]:
    lines = [f"{run} is still going on; left alone" for run in findings.live]
    for leftover in findings.leftovers:
        lines += [f"ended {leftover.name} (process {pid}) of {leftover.run}" for pid in leftover.ended]
        lines += [f"cannot end {leftover.name} (process {pid}) of {leftover.run}" for pid in leftover.left]
        if leftover.put_back:
            lines.append(f"put back {leftover.name} ({leftover.put_back}) of {leftover.run}")
        if leftover.problem:
            lines.append(f"cannot put back {leftover.name} of {leftover.run}: {leftover.problem}")
        if leftover.kind not in UNDOERS:
            lines.append(f"cannot put back {leftover.kind} {leftover.name} of {leftover.run}")
    lines += [f"skipped {run}: its record cannot be read" for run in findings.unreadable]
    return lines if findings.leftovers or findings.unreadable else [*lines, "nothing left"]
