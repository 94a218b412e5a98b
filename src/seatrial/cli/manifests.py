"""``seatrial manifests``: what a plan is on a cluster, as YAML."""

from __future__ import annotations

import click

from seatrial._version import __version__

IMAGE = f"seatrial:{__version__}"


@click.command(short_help="Print a plan's objects on a cluster as YAML.")
@click.argument("file", metavar="PLAN")
@click.option("--case", "case_id", metavar="ID", help="Of this case; else of the first of each system.")
@click.option("--image", default=IMAGE, show_default=True, help="The image of the origin.")
@click.option(
    "--any-node",
    is_flag=True,
    help="Do not ask for nodes that are labelled seatrial.dev/role=proxy or origin.",
)
@click.option(
    "--definitions", is_flag=True, help="Print the definitions of the kinds that it needs, too, first."
)
def manifests(file: str, case_id: str | None, image: str, *, any_node: bool, definitions: bool) -> None:
    """Print what a run of PLAN would make on a cluster: the system, its routes and services, the origin.

    A stream of YAML documents for `kubectl apply -f -`, for GitOps, or to be read. Nothing is asked of a cluster. Where
    a plan's load speaks TLS, its certificate is made for each trial and is none of them.
    """
    from seatrial.plan.read import read_given_plan
    from seatrial.run.cluster.manifests import case_objects, chosen_cases, site_of
    from seatrial.systems.installed.definitions import definition
    from seatrial.systems.installed.kinds.choice import needs_of
    from seatrial.systems.installed.manifests.documents import documents
    from seatrial.systems.installed.manifests.services import CERTIFICATE

    cases = chosen_cases(read_given_plan(file, None, "kubernetes").plan, case_id)
    sites = {case.id: site_of(case, by_role=not any_node) for case in cases}
    for case in cases:
        # What there is not on a cluster is said before anything is printed.
        next(case_objects(case, sites[case.id], image=image), None)
    if definitions:
        needs = (kind for case in cases for kind in needs_of(case.system.options, sites[case.id]))
        for text in documents(definition(*kind) for kind in dict.fromkeys(needs)):
            click.echo(text, nl=False)
    for case in cases:
        site = sites[case.id]
        click.echo(f"# {case.system.label}: case {case.id}, namespace {site.namespace}")
        for text in documents(case_objects(case, site, image=image)):
            click.echo(text, nl=False)
        if case.load.tls is not None:
            click.echo(
                f"hint: its routes are over TLS: kubectl -n {site.namespace} create secret tls {CERTIFICATE} "
                "--cert FILE --key FILE",
                err=True,
            )
