"""What a run is shown by while it goes on: the page, the metrics, remote-write."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import click

from seatrial.cli.options.listening import AddressOptional, ListenAddress, address_text

if TYPE_CHECKING:
    from collections.abc import Callable

PAGE, METRICS = "127.0.0.1:8765", "127.0.0.1:9464"
"""9464 is what OpenTelemetry's exporters for Prometheus listen on."""

Address = tuple[str, int]


class MetricsCommand(AddressOptional):
    """A command with ``--metrics``."""

    defaults = {"--metrics": METRICS}  # noqa: RUF012 - of the class


class ViewsCommand(AddressOptional):
    """A command with ``--metrics`` and ``--serve``."""

    defaults = {"--metrics": METRICS, "--serve": PAGE}  # noqa: RUF012 - of the class


def metrics_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add ``--metrics`` and ``--remote-write``; the command is a ``MetricsCommand``."""
    command = click.option(
        "--native-histograms",
        is_flag=True,
        help="Send native histograms, too: the receiver has to take them.",
    )(command)
    command = click.option(
        "--remote-write",
        metavar="URL",
        callback=_receiver,
        help="Send the run's metrics to this receiver (remote-write 1.0).",
    )(command)
    return click.option(
        "--metrics",
        metavar="[[HOST]:PORT]",
        type=ListenAddress(),
        help=f"Expose the run to a Prometheus: at {METRICS}, or here; `:9464` is every address of this machine.",
    )(command)


def views_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add what a run may be shown by; the command is a ``ViewsCommand``."""
    command = metrics_options(command)
    return click.option(
        "--serve",
        metavar="[HOST:PORT]",
        type=ListenAddress(),
        help=f"Show the run as a page while it goes on: at {PAGE}, or here.",
    )(command)


def _receiver(_context: click.Context, _option: click.Parameter, given: str | None) -> str | None:
    """Refuse what is no URL of a receiver: nothing would ever arrive there, and a run may take hours."""
    if given is None:
        return None
    try:
        parts = urlsplit(given)
        is_one = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        is_one = False
    if not is_one:
        # Not quoted: it may hold a password.
        raise click.BadParameter("it is no URL of a receiver, such as http://127.0.0.1:9090/api/v1/write")
    return given


@dataclass(frozen=True, slots=True)
class Views:
    """What was asked for."""

    serve: Address | None = None
    metrics: Address | None = None
    remote_write: str | None = None
    native_histograms: bool = False

    def arguments(self) -> tuple[str, ...]:
        """Return the arguments of ``seatrial serve`` that show this; nothing where nothing is asked for."""
        if not (self.serve or self.metrics or self.remote_write):
            return ()
        found = ["--no-page"] if self.serve is None else ["--listen", address_text(self.serve)]
        found += [] if self.metrics is None else ["--metrics", address_text(self.metrics)]
        found += [] if self.remote_write is None else ["--remote-write", self.remote_write]
        return (*found, *(["--native-histograms"] if self.native_histograms else []))
