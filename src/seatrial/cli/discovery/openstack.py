"""``seatrial openstack``: a simulated OpenStack cloud, in the foreground, until Ctrl-C."""

from __future__ import annotations

import asyncio
import json
import socket
from typing import TYPE_CHECKING, Any

import click

from seatrial.cli.console.documents import json_option, write_document
from seatrial.cli.options.listening import ListenAddress
from seatrial.cli.options.quantities import COUNT, DURATION, POSITIVE_COUNT, RATE
from seatrial.errors import PlanError
from seatrial.machine.address import Address

if TYPE_CHECKING:
    from seatrial.openstack.faults.fault import CloudFault
    from seatrial.openstack.simulation import Settings, Simulation

DEFAULT_ADDRESS = "127.0.0.1:5000"
SHOWN_PATHS = 20


@click.command(short_help="Simulate an OpenStack cloud until Ctrl-C.")
@click.option(
    "--listen",
    type=ListenAddress(),
    default=DEFAULT_ADDRESS,
    show_default=True,
    metavar="ADDRESS:PORT",
    help="Where to listen; port 0 is any that is free.",
)
@click.option("--anywhere", is_flag=True, help="Allow an address that other machines reach.")
@click.option(
    "--services", type=COUNT, default="100", show_default=True, help="Load balancers that are there at first."
)
@click.option(
    "--projects",
    type=POSITIVE_COUNT,
    default="10",
    show_default=True,
    help="Projects that have them in turns.",
)
@click.option(
    "--listeners",
    type=POSITIVE_COUNT,
    default="1",
    show_default=True,
    help="Listeners of each, with a pool each.",
)
@click.option("--members", type=COUNT, default="2", show_default=True, help="Members of each pool.")
@click.option(
    "--pending",
    type=DURATION,
    default="500ms",
    show_default=True,
    help="How long what a client changes is PENDING before it is ACTIVE, or gone.",
)
@click.option(
    "--token-life", type=DURATION, default="1h", show_default=True, help="After how long a token expires."
)
@click.option(
    "--page-limit", type=POSITIVE_COUNT, help="Items of a page at most, whatever a client asks for."
)
@click.option("--rate-limit", type=RATE, help="Calls per second of each token; what is more is answered 429.")
@click.option(
    "--fault",
    "faults",
    multiple=True,
    metavar="KIND [KEY=VALUE...]",
    help="What goes wrong, such as 'status status=503 share=10% path=/network/*' or 'latency p50=20ms p99=200ms'. "
    "May be repeated. Kinds: latency, status, reset, timeout, token, page.",
)
@click.option("--password", default="seatrial", show_default=True, help="Of every user.")
@click.option(
    "--seed",
    type=click.IntRange(0),
    default=1,
    show_default=True,
    help="Of ids, and of faults that have a share.",
)
@click.option(
    "--with-parent", is_flag=True, hidden=True, help="End when stdin ends; one line goes to stdout."
)
@json_option
def openstack(json_target: str | None, **options: Any) -> None:
    """Answer as Keystone v3, Neutron LBaaS v2 and Octavia do, for a cloud that is made from numbers, until Ctrl-C.

    Where it listens goes to stderr; --json writes it, with how one gets in, as soon as the cloud
    answers. At the end the
    calls are counted on stdout. A test changes the cloud and plants faults below /simulator.
    """
    from seatrial.openstack.simulation import Simulation

    _require_allowed(options["listen"].host, anywhere=options["anywhere"])
    simulation = Simulation(_settings(options))
    asyncio.run(_serve(simulation, options["listen"], json_target, with_parent=options["with_parent"]))
    if json_target != "-" and not options["with_parent"]:
        _echo_calls(simulation)


def _settings(options: dict[str, Any]) -> Settings:
    from seatrial.openstack.cloud.services import Shape
    from seatrial.openstack.faults.rates import Rate
    from seatrial.openstack.simulation import Settings

    if not options["token_life"]:
        raise PlanError("a token has to be good for a while", next_step="give a --token-life above 0")
    numbers = (int(options[name]) for name in ("services", "projects", "listeners", "members"))
    rate, page_limit = options["rate_limit"], options["page_limit"]
    return Settings(
        shape=Shape(*numbers),
        seed=options["seed"],
        password=options["password"],
        token_life_s=options["token_life"],
        pending_s=options["pending"],
        page_limit=None if page_limit is None else int(page_limit),
        rate=None if rate is None else Rate(rate, max(rate, 1.0)),
        faults=tuple(_fault(text) for text in options["faults"]),
    )


def _fault(text: str) -> CloudFault:
    from seatrial.faults.fault import read_words
    from seatrial.openstack.faults.fault import CloudFault

    try:
        return read_words(CloudFault, text)
    except ValueError as error:
        raise PlanError(f"--fault {text!r}: {error}", next_step="see docs/guides/openstack.md") from None


def _require_allowed(host: str, *, anywhere: bool) -> None:
    from seatrial.live.web.guard import is_loopback

    if not is_loopback(host) and not anywhere:
        raise PlanError(
            f"{host} is not a loopback address",
            cause="whoever reaches the simulator may change it, so it stays on this machine",
            next_step="add --anywhere if other machines should reach it",
        )


async def _serve(simulation: Simulation, at: Address, json_target: str | None, *, with_parent: bool) -> None:
    from seatrial.live.serve import Listening, asked_to_stop, serving
    from seatrial.openstack.control import state
    from seatrial.openstack.site import Site

    async with serving([Listening(Site(simulation).application(), at)]) as (port,):
        stop = asked_to_stop(with_parent=with_parent)
        # An address that means every one leads nowhere from elsewhere.
        host = socket.gethostname() if at.host in {"0.0.0.0", "::"} else at.host
        document = state(simulation, f"http://{Address(host, port)}")
        click.echo(
            f"OpenStack answers at {document['auth_url']}, the simulator at {document['control_url']}",
            err=True,
        )
        if with_parent:
            click.echo(json.dumps(document))
        elif json_target is not None:
            write_document(document, json_target)
        await stop.wait()


def _echo_calls(simulation: Simulation) -> None:
    paths = sorted(simulation.calls.by_path().items(), key=lambda item: (-item[1], item[0]))
    click.echo(f"{simulation.calls.total:,} calls, {simulation.cloud.changes.last:,} changes")
    for (method, path), count in paths[:SHOWN_PATHS]:
        click.echo(f"  {count:>12,}  {method} {path}")
    if len(paths) > SHOWN_PATHS:
        click.echo(
            f"  {sum(count for _, count in paths[SHOWN_PATHS:]):>12,}  of {len(paths) - SHOWN_PATHS} more paths"
        )
