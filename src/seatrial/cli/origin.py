"""``seatrial origin``: the built-in target, in the foreground, until Ctrl-C."""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import click

from seatrial import _boot
from seatrial.cli.console.documents import json_option, write_document
from seatrial.cli.options.origin_faults import DELAY, FAULT, STALL, require_possible
from seatrial.cli.options.origin_tls import OriginTls, origin_tls_options
from seatrial.cli.options.quantities import POSITIVE_COUNT, RATE, SIZE
from seatrial.errors import EnvironmentFault, PlanError
from seatrial.machine.processes.child import Child

STOP_LIMIT_S = 10.0
SHOWN_ROUTES = 20
LOOPBACK = ("127.", "::1", "localhost")


@dataclass(frozen=True, slots=True)
class OriginOptions:
    """The flags of ``seatrial origin``; the size in bytes, delays, faults and stalls as the engine wants them."""

    listen: str
    port: int
    anywhere: bool
    body: float
    status: int
    delay: dict[str, Any]
    faults: tuple[dict[str, Any], ...]
    stalls: tuple[dict[str, Any], ...]
    close_after: float | None
    capacity: float | None
    processes: float
    seed: int
    tls: OriginTls

    def specs(self) -> list[dict[str, Any]]:
        """Return the engine's spec for each process; raises ``PlanError`` for what cannot be served."""
        if not self.listen.startswith(LOOPBACK) and not self.anywhere:
            raise PlanError(
                f"{self.listen} is not a loopback address",
                cause="an origin answers whoever asks, so it stays on this machine unless a flag says otherwise",
                next_step="add --anywhere if other machines should reach it",
            )
        if self.processes > 1 and not self.port:
            raise PlanError("several processes need a port to share", next_step="give one: --port 8080")
        require_possible(self.faults, int(self.body), self.status)
        host = "127.0.0.1" if self.listen == "localhost" else self.listen
        spec = {
            "listen": [{"host": host, "port": self.port, "tls": self.tls.engine_spec(host)}],
            "body_bytes": int(self.body),
            "status": self.status,
            "delay": self.delay,
            "faults": self.faults,
            "stalls": self.stalls,
            "close_after": int(self.close_after) if self.close_after else None,
            "capacity_per_s": self.capacity / self.processes if self.capacity else None,
            "reuse_port": self.processes > 1,
        }
        return [spec | {"seed": self.seed + index} for index in range(int(self.processes))]


@click.command(short_help="Serve the built-in target until Ctrl-C.")
@click.option("--listen", default="127.0.0.1", show_default=True, metavar="ADDRESS", help="Where to listen.")
@click.option(
    "-p", "--port", type=click.IntRange(0, 65535), default=0, help="The port; a free one if not given."
)
@click.option("--anywhere", is_flag=True, help="Allow an address that other machines reach.")
@click.option("--body", type=SIZE, default="600 B", show_default=True, help="Size of an answer's body.")
@click.option(
    "--status", type=click.IntRange(200, 599), default=200, show_default=True, help="Status of an answer."
)
@click.option(
    "--delay",
    type=DELAY,
    default="0s",
    show_default=True,
    help="Time before an answer: 5ms, uniform:1ms..9ms, exponential:5ms or lognormal:p50=5ms,p99=40ms.",
)
@click.option(
    "--fault",
    "faults",
    type=FAULT,
    multiple=True,
    help="What goes wrong, and with which share of the answers: reset:1%, half:1%, garbage:1%, long-length:1%, "
    "short-length:1% or slow:1%:200ms. May be repeated.",
)
@click.option(
    "--stall",
    "stalls",
    type=STALL,
    multiple=True,
    help="2s@10s: answer nothing for 2 s, beginning 10 s after the first request. May be repeated.",
)
@click.option(
    "--close-after", type=POSITIVE_COUNT, help="Close each connection with so many answers, having said so."
)
@click.option("--capacity", type=RATE, help="Answers per second at most, one after another.")
@click.option(
    "--processes", type=POSITIVE_COUNT, default="1", show_default=True, help="Processes that share the port."
)
@click.option(
    "--seed", type=click.IntRange(0), default=0, show_default=True, help="Of the random delays and faults."
)
@origin_tls_options
@json_option
def origin(json_target: str | None, **options: Any) -> None:
    """Serve answers of any size, after any delay, at any capacity, with faults on demand, until Ctrl-C.

    Then print what was asked for, and which faults were done.

    The addresses go to stderr as soon as all are open, the counts to stdout at the end.
    """
    counts = asyncio.run(_serve(OriginOptions(tls=OriginTls.take(options), **options).specs()))
    document = {
        "schema": "seatrial.origin/1",
        "requests": sum(one["requests"] for one in counts),
        "connections_accepted": sum(one["connections_accepted"] for one in counts),
        "routes": _summed(one["routes"] for one in counts),
        "errors": _summed(one["errors"] for one in counts),
        "faults": _summed(one["faults"] for one in counts),
    }
    if json_target is not None:
        write_document(document, json_target)
    if json_target != "-":
        click.echo(f"{document['requests']:,} requests over {document['connections_accepted']:,} connections")
        _echo_routes(document["routes"])
        for fault, count in sorted(document["faults"].items()):
            click.echo(f"  {count:>12,}  faults: {fault}")


def _echo_routes(routes: dict[str, int]) -> None:
    """Print the routes that were asked for most; thousands of lines would hide the rest."""
    most = sorted(routes.items(), key=lambda item: (-item[1], item[0]))
    for route, count in most[:SHOWN_ROUTES]:
        click.echo(f"  {count:>12,}  {route}")
    if len(most) > SHOWN_ROUTES:
        rest = sum(count for _, count in most[SHOWN_ROUTES:])
        click.echo(f"  {rest:>12,}  {len(most) - SHOWN_ROUTES:,} more routes; --json has them all")


def _summed(counts: Any) -> dict[str, int]:
    total: dict[str, int] = {}
    for one in counts:
        for key, count in one.items():
            total[key] = total.get(key, 0) + count
    return total


async def _serve(specs: list[dict[str, Any]]) -> list[dict[str, Any]]:
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    # Together: each takes its time to start.
    started = await asyncio.gather(*(_start(spec) for spec in specs))
    # Not before all of them listen: a load that began then would fill the first ones.
    sys.stderr.write("".join(where for *_, where in started))
    ended = [asyncio.ensure_future(child.wait()) for child, *_ in started]
    stopping = asyncio.ensure_future(stop.wait())
    await asyncio.wait([stopping, *ended], return_when=asyncio.FIRST_COMPLETED)
    stopping.cancel()
    return [await _finish(child, messages) for child, messages, _ in started]


async def _start(spec: dict[str, Any]) -> tuple[Child, AsyncIterator[dict[str, Any]], str]:
    """Start one process; return it, what it will say, and the line that names its addresses."""
    child = await Child.start(_boot.argv("origin"))
    child.send(spec)
    messages = child.messages()
    ready = await anext(messages, None)
    if ready is None:
        raise EnvironmentFault(
            f"the origin did not start: {await child.words()}",
            next_step="choose another --port or --listen",
        )
    scheme = "https" if any(listen["tls"] for listen in spec["listen"]) else "http"
    where = ", ".join(f"{scheme}://{address['host']}:{address['port']}/" for address in ready["addresses"])
    return child, messages, f"origin {ready['pid']} listens on {where}\n"


async def _finish(child: Child, messages: AsyncIterator[dict[str, Any]]) -> dict[str, Any]:
    child.send({"cmd": "stop"})
    counts: dict[str, Any] = {
        "requests": 0,
        "connections_accepted": 0,
        "routes": {},
        "errors": {},
        "faults": {},
    }
    async with asyncio.timeout(STOP_LIMIT_S):
        async for message in messages:
            counts = message
        await child.wait()
    return counts
