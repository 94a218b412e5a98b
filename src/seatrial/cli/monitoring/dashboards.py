"""``seatrial dashboards``: dashboards for Grafana, and what it is provisioned with."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import urlsplit

import click

from seatrial.cli.options.quantities import Quantity
from seatrial.units import parse_duration_s


@click.command(short_help="Write dashboards for Grafana, and its provisioning files.")
@click.argument("directory", metavar="DIR", type=click.Path(path_type=Path, file_okay=False))
@click.option(
    "--prometheus",
    "url",
    metavar="URL",
    default="http://localhost:9090",
    show_default=True,
    help="The Prometheus that Grafana is to ask, as Grafana reaches it.",
)
@click.option(
    "--scrape-interval",
    "scrape_interval_s",
    type=Quantity("duration", parse_duration_s, positive=True),
    default="1s",
    show_default=True,
    help="How often that Prometheus scrapes: rates are taken over four times as long.",
)
def dashboards(directory: Path, url: str, scrape_interval_s: float) -> None:
    """Write dashboards for Grafana into DIR, with provisioning files and a README.md that says how to start one.

    There is one of the load, one for each kind of proxy, one of the control plane, one of the machine, and one of a
    macro-benchmark as a whole. Prints what was written.
    """
    from seatrial.report.dashboards.provisioning import write_dashboards

    for path in write_dashboards(directory, _url(url), scrape_interval_s):
        click.echo(path)


def _url(text: str) -> str:
    try:
        parts = urlsplit(text)
        is_one = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        is_one = False
    if not is_one or any(letter.isspace() for letter in text):
        raise click.BadParameter(
            f"{text!r} is no URL of a Prometheus, such as http://localhost:9090", param_hint="'--prometheus'"
        )
    return text
