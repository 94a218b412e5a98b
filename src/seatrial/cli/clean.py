"""``seatrial clean``: put back what a run that was killed could not."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import click

from seatrial.cli.documents import json_option, write_document
from seatrial.cli.errors import print_error
from seatrial.errors import ExitCode, RecordError

if TYPE_CHECKING:
    from seatrial.record.rows import Change


@dataclass(frozen=True, slots=True)
class Leftover:
    """A change that a run had not put back: what it is, and the processes that were ended or could not be."""

    run: str
    kind: str
    name: str
    ended: tuple[int, ...]
    left: tuple[int, ...]


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
@json_option
def clean(runs: Path, json_target: str | None) -> None:
    """End what runs that were killed have left behind. Runs that are still going on are left alone."""
    findings = Findings()
    for run in _run_directories(runs):
        _look_at(run, findings)
    if json_target:
        write_document({"schema": "seatrial.clean/1", **asdict(findings)}, json_target)
    if json_target != "-":
        for line in _lines(findings):
            click.echo(line)
    if any(leftover.left or leftover.kind != "process" for leftover in findings.leftovers):
        raise SystemExit(ExitCode.ENVIRONMENT)


def _run_directories(runs: Path) -> tuple[Path, ...]:
    databases = (*runs.glob("record.db"), *sorted(runs.glob("*/record.db")))
    return tuple(database.parent for database in databases)


def _look_at(run: Path, findings: Findings) -> None:
    from seatrial.record.changes import open_changes
    from seatrial.record.lock import is_live

    findings.runs += 1
    if is_live(run):
        findings.live.append(str(run))
        return
    try:
        for change in open_changes(run):
            _put_back(run, change, findings)
    except RecordError as error:
        # One broken record must not keep the others from being cleaned.
        findings.unreadable.append(str(run))
        print_error(error)


def _put_back(run: Path, change: Change, findings: Findings) -> None:
    from seatrial.record.changes import mark_undone
    from seatrial.systems import leftovers

    if change.kind != "process":
        # Written by a later version of Seatrial, which knows how to put it back.
        findings.leftovers.append(Leftover(str(run), change.kind, str(dict(change.detail)), (), ()))
        return
    found = leftovers.find(change.detail, run)
    left = leftovers.end(found)
    if not left:
        mark_undone(run, change.id)
    if found:
        ended = tuple(pid for pid in found if pid not in left)
        findings.leftovers.append(Leftover(str(run), change.kind, str(change.detail["name"]), ended, left))


def _lines(findings: Findings) -> list[str]:
    lines = [f"{run} is still going on; left alone" for run in findings.live]
    for leftover in findings.leftovers:
        lines += [f"ended {leftover.name} (process {pid}) of {leftover.run}" for pid in leftover.ended]
        lines += [f"cannot end {leftover.name} (process {pid}) of {leftover.run}" for pid in leftover.left]
        if leftover.kind != "process":
            lines.append(f"cannot put back {leftover.kind} {leftover.name} of {leftover.run}")
    return lines if findings.leftovers else [*lines, "nothing left"]
