"""``seatrial rules``: a plan's objectives as alerts."""

from __future__ import annotations

import click


@click.command(short_help="Print a plan's objectives as Prometheus alerting rules.")
@click.argument("file", metavar="PLAN")
def rules(file: str) -> None:
    """Print the objectives of PLAN as alerting rules of Prometheus (YAML), on what `seatrial run --metrics` exposes.

    An alert for each objective of each system. Where none can be written exactly a comment says why, and the alert is
    on the verdict, after each trial.
    """
    from seatrial.plan.read import read_plan
    from seatrial.report.rules.rules import rules_text

    click.echo(rules_text(read_plan(file)), nl=False)
