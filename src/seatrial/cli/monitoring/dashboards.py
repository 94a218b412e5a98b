"""``seatrial dashboards``: dashboards for Grafana, and what it is provisioned with."""

from __future__ import annotations

from pathlib import Path

import click

from seatrial.cli.options.quantities import Quantity
from seatrial.cli.options.urls import HttpUrl
from seatrial.units import parse_duration_s


@click.command(short_help="Write dashboards for Grafana, and its provisioning files.")
@click.argument("directory", metavar="DIR", type=click.Path(path_type=Path, file_okay=False))
@click.option(
    "--prometheus",
    "url",
    metavar="URL",
    type=HttpUrl("http://localhost:9090"),
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

    for path in write_dashboards(directory, url, scrape_interval_s):
        click.echo(path)
