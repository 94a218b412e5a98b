"""``seatrial load``: one load against one URL, with wrk2's flags."""

from __future__ import annotations

import asyncio
import signal
from typing import Any

import click

from seatrial.analysis.document import to_json
from seatrial.analysis.result import LoadResult
from seatrial.cli.documents import json_option, write_document
from seatrial.cli.load_options import LoadOptions
from seatrial.cli.quantities import COUNT, DURATION, POSITIVE_COUNT, POSITIVE_DURATION, RATE
from seatrial.errors import ExitCode
from seatrial.load.spec import LoadSpec


@click.command(short_help="Drive a load against a URL and judge it.")
@click.argument("url")
@click.option(
    "-t",
    "--workers",
    "--threads",
    type=POSITIVE_COUNT,
    help="Worker processes; as many as needed if not given.",
)
@click.option(
    "-c", "--connections", type=COUNT, default="10", show_default=True, help="Connections carrying requests."
)
@click.option(
    "-d", "--duration", type=POSITIVE_DURATION, default="10s", show_default=True, help="How long to measure."
)
@click.option("-R", "--rate", type=RATE, help="Requests per second over all connections (open loop).")
@click.option("--closed", is_flag=True, help="Closed loop: each connection sends when its last answer is in.")
@click.option("--arrival", type=click.Choice(["uniform", "poisson"]), default="uniform", show_default=True)
@click.option("-H", "--header", "headers", multiple=True, metavar="'NAME: VALUE'", help="A request header.")
@click.option("--method", default="GET", show_default=True, help="The request's method.")
@click.option("--body", default="", help="The request's body.")
@click.option(
    "--hold", type=COUNT, default="0", show_default=True, help="Idle connections held beside the load."
)
@click.option(
    "--connect-rate", type=RATE, default="2k", show_default=True, help="Connections opened per second."
)
@click.option(
    "--warmup", type=DURATION, default="0s", show_default=True, help="Load before measuring begins."
)
@click.option(
    "--timeout", type=POSITIVE_DURATION, default="2s", show_default=True, help="How long an answer may take."
)
@click.option("--source", "sources", multiple=True, metavar="CIDR", help="Local addresses to connect from.")
@click.option(
    "--interval",
    type=POSITIVE_DURATION,
    default="1s",
    show_default=True,
    help="Length of the time series' steps.",
)
@click.option(
    "--resolution", default="auto", show_default=True, metavar="auto|fine|TIME", help="Grid of send times."
)
@click.option(
    "--seed", type=click.IntRange(0, 2**63 - 1), default=1, show_default=True, help="Of everything random."
)
@click.option("--latency", is_flag=True, help="Accepted for wrk2's sake: the latencies are always shown.")
@json_option
@click.option("-q", "--quiet", is_flag=True, help="No progress on stderr.")
def load(json_target: str | None, *, quiet: bool, **options: Any) -> int:
    """Drive a load against URL, then print its latencies, judged for validity.

    With --rate the loop is open: requests leave at times that were fixed before, and latency counts from those
    times. With --closed each connection waits for its answer first.
    """
    spec = LoadOptions(**options).spec()
    result, interrupted = asyncio.run(_run(spec, quiet=quiet))
    if json_target is not None:
        write_document(to_json(result), json_target)
    if json_target != "-":
        from seatrial.report.load_text import load_text

        click.echo(load_text(result))
    if interrupted:
        return ExitCode.INTERRUPTED
    return ExitCode.INVALID_MEASUREMENT if result.validity.reasons else ExitCode.PASS


async def _run(spec: LoadSpec, *, quiet: bool) -> tuple[LoadResult, bool]:
    from seatrial.run.load import LoadHooks, judged_load

    hooks = LoadHooks()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, hooks.stop.set)
    if quiet:
        return await judged_load(spec, hooks), hooks.stop.is_set()
    from seatrial.live.terminal import TerminalView
    from seatrial.record.events import FrameRecorded, PhaseStarted

    with TerminalView() as view:
        hooks.on_frame = lambda frame: view(FrameRecorded(1, frame))
        hooks.on_phase = lambda phase, at_ns, expected_s: view(
            PhaseStarted(1, phase, at_ns / 1e9, expected_s)
        )
        return await judged_load(spec, hooks), hooks.stop.is_set()
