"""``seatrial load``: one load against one URL, with wrk2's flags."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from seatrial.cli.console.documents import json_option, write_document
from seatrial.cli.console.signals import Signals
from seatrial.cli.options.load import connection_flags, output_flags, pace_flags, request_flags
from seatrial.cli.options.share import share_option
from seatrial.cli.options.tls import tls_options
from seatrial.errors import ExitCode
from seatrial.report.files import require_writable
from seatrial.workload.spec import LoadSpec
from seatrial.workload.words.options import LoadOptions

if TYPE_CHECKING:
    from seatrial.analysis.load.result import LoadResult
    from seatrial.run.load import LoadRun


@click.command(short_help="Drive a load against a URL and judge it.")
@click.argument("url")
@pace_flags
@connection_flags
@request_flags
@output_flags
@tls_options
@json_option
@share_option
@click.option("-q", "--quiet", is_flag=True, help="No progress on stderr.")
def load(
    json_target: str | None,
    hdr_log: str | None,
    csv: str | None,
    *,
    latency: bool,
    quiet: bool,
    share_machine: bool,
    **options: Any,
) -> int:
    """Drive a load against URL, then print its latencies, judged for validity.

    With --rate the loop is open: requests leave at times that were fixed before, and latency counts from those
    times. With --closed each connection waits for its answer first.
    """
    spec = LoadOptions(**options).spec()
    require_writable((hdr_log, csv, json_target))
    with Signals() as signals:
        run, result = asyncio.run(_run(spec, signals, quiet=quiet, share_machine=share_machine))
        return _show(run, result, (json_target, hdr_log, csv), latency=latency)


def _show(
    run: LoadRun,
    result: LoadResult,
    files: tuple[str | None, str | None, str | None],
    *,
    latency: bool,
) -> int:
    json_target, hdr_log, csv = files
    # Not before: they would make every load start later.
    from seatrial.report.load.files import write_hdr_log, write_series
    from seatrial.report.load.text import load_text, spectrum_text
    from seatrial.units import format_duration

    if result.driver_fallback is not None:
        click.echo(f"warning: epoll is used in place of io_uring: {result.driver_fallback}", err=True)
    if run.interrupted:
        asked = format_duration(run.load.measure_s)
        click.echo(
            f"note: stopped by you, {format_duration(result.window_s)} of {asked} were measured", err=True
        )
    # The text goes first: should a disk be full by now, what was measured has been seen.
    if json_target != "-":
        click.echo(load_text(result))
        if latency:
            click.echo(spectrum_text(run.frames))
    if json_target is not None:
        write_document(result.to_json(), json_target)
    if hdr_log is not None:
        write_hdr_log(Path(hdr_log), run.account, run.frames)
    if csv is not None:
        write_series(Path(csv), result)
    if run.interrupted:
        return ExitCode.INTERRUPTED
    if result.validity.reasons:
        return ExitCode.INVALID_MEASUREMENT
    # What was said to be expected is an objective; without a word of it, a page of errors may be what one loads.
    return ExitCode.OBJECTIVE_FAILED if run.load.expect and result.answers.unexpected else ExitCode.PASS


async def _run(
    spec: LoadSpec, signals: Signals, *, quiet: bool, share_machine: bool
) -> tuple[LoadRun, LoadResult]:
    from seatrial.run.load import LoadHooks, judged_load, shown_load

    stop, cut = signals.events()
    hooks = LoadHooks(stop=stop, cut=cut)
    return await (judged_load if quiet else shown_load)(spec, hooks, share_machine=share_machine)
