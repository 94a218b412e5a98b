"""``seatrial discoverer``: carries services from a source of truth into a cluster, in the foreground, until Ctrl-C."""

from __future__ import annotations

import asyncio
import json
import os
import re
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Any

import click

from seatrial.cli.options.listening import ListenAddress
from seatrial.cli.options.quantities import COUNT, DURATION, POSITIVE_COUNT
from seatrial.errors import PlanError, SeatrialError
from seatrial.machine.address import Address

if TYPE_CHECKING:
    from seatrial.discoverer.discoverer import Discoverer
    from seatrial.discoverer.sources.base import Source

SCHEMA = "seatrial.discoverer/1"
_LABEL_VALUE = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?")


@click.command(short_help="Carry services from a source into a cluster until Ctrl-C.")
@click.option(
    "--from",
    "kind",
    type=click.Choice(["openstack", "kubernetes", "http"]),
    required=True,
    help="What the source is. Where an OpenStack cloud is, and who asks it, say OS_AUTH_URL and its relatives.",
)
@click.option("--source-kubeconfig", metavar="FILE", help="Of the cluster that is the source.")
@click.option("--source-context", metavar="NAME", help="Its context, in place of the current one.")
@click.option("--source-url", metavar="URL", help="Of the JSON list that is the source.")
@click.option(
    "--source-timeout",
    type=DURATION,
    default="10s",
    show_default=True,
    help="How long OpenStack or a list may take.",
)
@click.option("--into", metavar="KUBECONFIG", required=True, help="Of the cluster that is the destination.")
@click.option("--into-context", metavar="NAME", help="Its context, in place of the current one.")
@click.option(
    "--backend",
    default="seatrial",
    show_default=True,
    metavar="NAME",
    help="What the source is called in the destination: the label seatrial.dev/backend of all that is made there.",
)
@click.option(
    "--period",
    type=DURATION,
    default="5s",
    show_default=True,
    help="How often the source is read; a cluster is watched, and compared that often.",
)
@click.option(
    "--workers", type=POSITIVE_COUNT, default="2", show_default=True, help="Services carried at a time."
)
@click.option(
    "--qps",
    type=click.FloatRange(0),
    default=50.0,
    show_default=True,
    help="Calls to the destination per second; 0 is no limit.",
)
@click.option(
    "--burst", type=POSITIVE_COUNT, default="100", show_default=True, help="Calls at once after a rest."
)
@click.option(
    "--retries",
    type=COUNT,
    default="3",
    show_default=True,
    help="How often a service that failed is tried again before it waits for the next period.",
)
@click.option(
    "--metrics",
    type=ListenAddress(),
    metavar="ADDRESS:PORT",
    help="Serve /metrics and /healthz there; port 0 is any that is free.",
)
@click.option(
    "--with-parent", is_flag=True, hidden=True, help="End when stdin ends; one line goes to stdout."
)
def discoverer(metrics: Address | None, *, with_parent: bool, **options: Any) -> None:
    """Keep services of a source as objects in a cluster, until Ctrl-C.

    Each service becomes a Service without selector and its EndpointSlices, in the namespace of its project or of its
    namespace. What is gone from the source is deleted; what others made is left alone. What goes wrong goes to stderr.
    """
    from seatrial.cluster.connection.credentials import require_kubernetes

    require_kubernetes()
    asyncio.run(_run(_made(options), metrics, with_parent=with_parent))


def _made(options: dict[str, Any]) -> Discoverer:
    from seatrial.cluster.connection.kubeconfig import Where
    from seatrial.discoverer import discoverer as package

    if not _LABEL_VALUE.fullmatch(options["backend"]):
        raise PlanError(
            f"--backend {options['backend']!r} cannot be the value of a label",
            next_step="give letters, digits, '-', '_' and '.', 63 at most, a letter or digit at both ends",
        )
    if not options["period"]:
        raise PlanError("a period has to take a while", next_step="give a --period above 0")
    settings = package.Settings(
        into=Where(options["into"], options["into_context"]),
        backend=options["backend"],
        period_s=options["period"],
        workers=int(options["workers"]),
        qps=options["qps"],
        burst=int(options["burst"]),
        retries=int(options["retries"]),
    )
    # Looked up here: a test has a relative of it run in its place.
    return package.Discoverer(settings, _source(options), lambda text: click.echo(text, err=True))


def _source(options: dict[str, Any]) -> Source:
    if options["kind"] == "kubernetes":
        from seatrial.cluster.connection.kubeconfig import Where
        from seatrial.discoverer.sources.kubernetes import KubernetesSource

        path = _needed(options, "source_kubeconfig", "FILE")
        return KubernetesSource(Where(path, options["source_context"]), options["period"])
    from seatrial.discoverer.sources.base import Polled

    if options["kind"] == "http":
        from seatrial.discoverer.sources.http import HttpSource

        url = _needed(options, "source_url", "URL")
        if not url.startswith(("http://", "https://")):
            raise PlanError(
                f"--source-url {url} is no URL of HTTP", next_step="give one with http:// or https://"
            )
        return Polled(HttpSource(url, options["source_timeout"]), options["period"])
    from seatrial.discoverer.sources.openstack.cloud import Cloud
    from seatrial.discoverer.sources.openstack.login import login_of
    from seatrial.discoverer.sources.openstack.source import OpenStackSource

    cloud = Cloud(login_of(os.environ), options["source_timeout"])
    return Polled(OpenStackSource(cloud), options["period"])


def _needed(options: dict[str, Any], name: str, what: str) -> str:
    if not options[name]:
        flag = f"--{name.replace('_', '-')}"
        raise PlanError(f"--from {options['kind']} needs {flag}", next_step=f"add {flag} {what}")
    return str(options[name])


async def _run(one: Discoverer, metrics: Address | None, *, with_parent: bool) -> None:
    from seatrial.discoverer.metrics import Page
    from seatrial.live.serve import Listening, asked_to_stop, serving

    async with AsyncExitStack() as stack:
        url = None
        if metrics is not None:
            sites = [Listening(Page(one).application(), metrics)]
            (port,) = await stack.enter_async_context(serving(sites))
            url = f"http://{Address(metrics.host, port)}/metrics"
        stop = asked_to_stop(with_parent=with_parent)
        if url is not None:
            click.echo(f"metrics are at {url}", err=True)
        if with_parent:
            click.echo(json.dumps({"schema": SCHEMA, "metrics_url": url, "pid": os.getpid()}))
        carrying = asyncio.create_task(one.run())
        stopping = asyncio.create_task(stop.wait())
        await asyncio.wait([carrying, stopping], return_when=asyncio.FIRST_COMPLETED)
        for task in (stopping, carrying):
            task.cancel()
        await asyncio.gather(stopping, return_exceptions=True)
        await _ended(carrying)


async def _ended(carrying: asyncio.Task[None]) -> None:
    """Wait for its end; raise what a person should see of why it ended."""
    try:
        await carrying
    except asyncio.CancelledError:
        return
    except BaseExceptionGroup as group:
        found: BaseException = group
        while isinstance(found, BaseExceptionGroup):
            found = found.exceptions[0]
        if isinstance(found, SeatrialError):
            raise found from None
        raise
