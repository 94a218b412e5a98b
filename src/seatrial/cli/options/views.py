"""What a run is shown by while it goes on: the page, the metrics, remote-write."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import click

PAGE, METRICS = "127.0.0.1:8765", "127.0.0.1:9464"
"""9464 is what OpenTelemetry's exporters for Prometheus listen on."""
WITH_ADDRESS = {"--serve": PAGE, "--metrics": METRICS}

_ADDRESS = re.compile(r"(\[[0-9a-fA-F:.]+\]|[0-9A-Za-z.-]*)?:\d{1,5}")


class AddressOptional(click.Command):
    """A command whose ``--serve`` and ``--metrics`` may stand alone, also before an argument.

    click takes whatever follows an option with an optional value for that value. An address ends with a port.
    """

    def parse_args(self, context: click.Context, args: list[str]) -> list[str]:
        """Give those that stand alone their default."""
        return super().parse_args(context, list(_with_addresses(args)))


def _with_addresses(args: Sequence[str]) -> Iterator[str]:
    for at, argument in enumerate(args):
        default = WITH_ADDRESS.get(argument)
        if default is None or (at + 1 < len(args) and _ADDRESS.fullmatch(args[at + 1])):
            yield argument
        else:
            yield f"{argument}={default}"


def address_of(_context: click.Context, _parameter: click.Parameter, value: str | None) -> str | None:
    """Return an address as it is, or say what one is."""
    if value is not None and not (_ADDRESS.fullmatch(value) and int(value.rpartition(":")[2]) <= 65_535):
        raise click.BadParameter(f"{value!r} is no address: [HOST]:PORT, as in 127.0.0.1:9464 or :9464")
    return value


def metrics_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add ``--metrics`` and ``--remote-write``."""
    command = click.option(
        "--native-histograms",
        is_flag=True,
        help="Send native histograms, too; the receiver has to take them.",
    )(command)
    command = click.option(
        "--remote-write", metavar="URL", help="Send the run's metrics to this receiver (remote-write 1.0)."
    )(command)
    return click.option(
        "--metrics",
        metavar="[[HOST]:PORT]",
        callback=address_of,
        help=f"Expose the run to a Prometheus; {METRICS} without an address, `:9464` is every one of this machine.",
    )(command)


def views_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add what a run may be shown by."""
    command = metrics_options(command)
    return click.option(
        "--serve",
        metavar="[[HOST]:PORT]",
        callback=address_of,
        help=f"Show the run as a page while it goes on; at {PAGE} without an address.",
    )(command)


def arguments_of(
    serve: str | None, metrics: str | None, remote_write: str | None, *, native_histograms: bool
) -> tuple[str, ...]:
    """Return the arguments of ``seatrial serve`` that show this; nothing where nothing is asked for."""
    if not (serve or metrics or remote_write):
        return ()
    found = ["--no-page"] if serve is None else ["--listen", serve]
    found += [] if metrics is None else ["--metrics", metrics]
    found += [] if remote_write is None else ["--remote-write", remote_write]
    return (*found, *(["--native-histograms"] if native_histograms else []))
