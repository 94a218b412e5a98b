"""``seatrial observe``: a local Prometheus for those who have none, that follows the runs of a directory."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from seatrial.cli.console.documents import json_option, write_document
from seatrial.cli.options.listening import ListenAddress
from seatrial.cli.options.views import METRICS, MetricsCommand
from seatrial.errors import ExitCode, PlanError

if TYPE_CHECKING:
    from seatrial.run.observer.local import Standing

SCHEMA = "seatrial.observe/1"
runs_option = click.option(
    "--runs",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("runs"),
    show_default=True,
    metavar="DIR",
    help="Where the run directories are that it follows.",
)


@click.group()
def observe() -> None:
    """Start and end a local Prometheus that scrapes what runs measure."""


@observe.command(cls=MetricsCommand, short_help="Start one.")
@click.argument("run", metavar="[RUN]", required=False, type=click.Path(path_type=Path))
@runs_option
@click.option(
    "--port", type=click.IntRange(0, 65535), default=9090, show_default=True, help="0 is any that is free."
)
@click.option("--interval", default="1s", show_default=True, metavar="DURATION", help="How often it scrapes.")
@click.option(
    "--metrics",
    metavar="[HOST:PORT]",
    type=ListenAddress(),
    help=f"Scrape what `seatrial run --metrics` shows, too: at {METRICS}, or here.",
)
@click.option("--no-machine", is_flag=True, help="No node exporter, also where there is one.")
@json_option
def up(run: Path | None, runs: Path, json_target: str | None, **asked: Any) -> None:
    """Start a Prometheus on loopback, and a node exporter where there is one; both go on after this command.

    It keeps its data in RUN: of the run that goes on if none is named, and in a directory of its own where none does.
    It scrapes the proxies of every run below DIR while they stand, this machine, and itself. `seatrial observe down`
    ends it, and so does `seatrial clean` once the run is over.
    """
    from seatrial.run.observer import local
    from seatrial.run.observer.programs import Wanted
    from seatrial.run.observer.record import directory_for

    _require_duration(asked["interval"])
    wanted = Wanted(asked["port"], asked["interval"], asked["metrics"], machine=not asked["no_machine"])
    # Before there is a directory for it.
    local.require_possible(runs if run is None else run.resolve().parent, wanted.port)
    standing = local.start(directory_for(run, runs), wanted)
    if json_target:
        write_document({"schema": SCHEMA, "up": local.documents(standing)}, json_target)
    if json_target != "-":
        for line in _lines(standing):
            click.echo(line)


@observe.command(short_help="End it.")
@click.argument("run", metavar="[RUN]", required=False, type=click.Path(exists=True, path_type=Path))
@runs_option
@json_option
def down(run: Path | None, runs: Path, json_target: str | None) -> int:
    """End what `observe up` has started, for RUN or for every run below DIR; its data stays."""
    from seatrial.run.observer import local

    ended = local.stop(run or runs)
    if json_target:
        document = [
            {"run": str(where), "name": one.name, "ended": list(one.ended), "left": list(one.left)}
            for where, one in ended
        ]
        write_document({"schema": SCHEMA, "down": document}, json_target)
    if json_target != "-":
        lines = [f"ended {one.name} (process {pid}) of {where}" for where, one in ended for pid in one.ended]
        lines += [
            f"cannot end {one.name} (process {pid}) of {where}" for where, one in ended for pid in one.left
        ]
        for line in lines or ["nothing is up"]:
            click.echo(line)
    return ExitCode.PASS if all(one.is_done for _, one in ended) else ExitCode.ENVIRONMENT


def _require_duration(interval: str) -> None:
    """Raise ``PlanError`` for what Prometheus would not start with, and for 0, which it takes for its default."""
    from seatrial.observe.prometheus.intervals import seconds_of

    try:
        is_one = seconds_of(interval) > 0
    except ValueError:
        is_one = False
    if not is_one:
        raise PlanError(f"`--interval {interval}` is no duration", next_step="such as 1s, 500ms or 1m30s")


def _lines(standing: tuple[Standing, ...]) -> list[str]:
    first = standing[0]
    lines = [f"{one.name} at {one.url} (process {one.pid})" for one in standing]
    if len(standing) == 1:
        lines.append("no node exporter: nothing of this machine is scraped")
    return [
        *lines,
        f"its data is in {first.run}; it scrapes the proxies of every run in {first.run.parent}",
        f"in a plan: `observe: {{prometheus: {first.url}, queries: ...}}`; to end it: seatrial observe down",
    ]
