"""``seatrial gate``: stands before an API server, in the foreground, until Ctrl-C. Seatrial itself starts it."""

from __future__ import annotations

import asyncio
import json
import os
from typing import TYPE_CHECKING, Any

import click

from seatrial.machine.address import Address

if TYPE_CHECKING:
    from pathlib import Path

    from seatrial.cluster.connection.kubeconfig import Where


@click.command(hidden=True, short_help="Count the calls to an API server until Ctrl-C.")
@click.option("--kubeconfig", metavar="FILE", help="How to reach the API server; as for kubectl.")
@click.option("--context", metavar="NAME", help="A context of the kubeconfig.")
@click.option(
    "--seed", type=click.IntRange(0), default=1, show_default=True, help="Of faults that have a share."
)
@click.option("--with-parent", is_flag=True, help="End when stdin ends.")
def gate(kubeconfig: str | None, context: str | None, seed: int, *, with_parent: bool) -> None:
    """Pass calls on to an API server, count each, and have some go wrong on demand, until Ctrl-C.

    Where it is, and the kubeconfig that leads to it, goes to stdout as one line of JSON.
    """
    from seatrial.cluster.connection.kubeconfig import Where

    asyncio.run(_serve(Where(kubeconfig, context), seed, with_parent=with_parent))


async def _serve(where: Where, seed: int, *, with_parent: bool) -> None:
    from seatrial.cluster.access import open_cluster
    from seatrial.gate.gate import Gate, kubeconfig
    from seatrial.live.serve import Listening, asked_to_stop, serving

    anywhere_here = Address("127.0.0.1", 0)
    async with open_cluster(where) as client:
        made = Gate(client.session, seed)
        sites = [Listening(made.server, anywhere_here), Listening(made.control, anywhere_here)]
        async with serving(sites) as ports:
            url, control_url = (f"http://127.0.0.1:{port}" for port in ports)
            with kubeconfig(url, made.secret) as path:
                stop = asked_to_stop(with_parent=with_parent)
                click.echo(json.dumps(_document(url, control_url, path)))
                await stop.wait()


def _document(url: str, control_url: str, kubeconfig: Path) -> dict[str, Any]:
    from seatrial.gate.control import PREFIX, SCHEMA

    return {
        "schema": SCHEMA,
        "url": url,
        "kubeconfig": str(kubeconfig),
        "control_url": f"{control_url}{PREFIX}",
        "pid": os.getpid(),
    }
