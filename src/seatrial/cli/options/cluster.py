"""``--on kubernetes``, and which cluster is meant: the same words for every command."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from seatrial.cluster.connection.kubeconfig import Where
from seatrial.errors import PlanError

if TYPE_CHECKING:
    from collections.abc import Callable

_OPTIONS = (
    click.option("--on", type=click.Choice(["kubernetes"]), help="Where: on a Kubernetes cluster."),
    click.option(
        "--kubeconfig",
        metavar="FILE",
        help="Of a cluster: how to reach it; as for kubectl, else KUBECONFIG, else ~/.kube/config.",
    ),
    click.option("--context", metavar="NAME", help="Of a cluster: a context of the kubeconfig."),
)


def cluster_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command the three options, which :func:`where_of` takes."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


def where_of(
    on: str | None,
    kubeconfig: str | None,
    context: str | None,
    place: str | None = None,
    *,
    discovers: bool = False,
) -> Where | None:
    """Return which cluster is meant by ``--on kubernetes``, or by a plan whose ``place`` is one; else None.

    A plan that ``discovers`` leads into one, wherever it runs.

    Raises ``PlanError`` for words that need a cluster where there is none.
    """
    if on is not None or place == "kubernetes" or discovers:
        return Where(kubeconfig, context)
    if kubeconfig is not None or context is not None:
        raise PlanError(
            "--kubeconfig and --context go with --on kubernetes, or a plan with `discovery`",
            next_step="add --on kubernetes, or leave them out",
        )
    return None
