"""``seatrial check --on kubernetes``: which rights are there, before anything is made; and the least role, as YAML."""

from __future__ import annotations

import asyncio
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click
import yaml

from seatrial.cli.console.documents import write_document
from seatrial.cluster.rights import ROLE, least_roles, missing_rights
from seatrial.errors import ExitCode
from seatrial.run.cluster.rights import every_right

if TYPE_CHECKING:
    from collections.abc import Sequence

    from seatrial.cluster.connection.kubeconfig import Where
    from seatrial.cluster.rights import Right

SCHEMA = "seatrial.check/1"
_ADVICE = (
    "remedy: ask who owns the cluster for the role that `seatrial check --on kubernetes --rbac` prints, "
    "and a binding of it"
)
_HEADER = f"""\
# The least that Seatrial needs, and nothing else. To have it:
#   seatrial check --on kubernetes --rbac | kubectl apply -f -
#   kubectl create clusterrolebinding {ROLE} --clusterrole={ROLE} --user=NAME
"""


def print_roles() -> int:
    """Print the least role that has every right."""
    documents = yaml.safe_dump_all(least_roles(every_right()), sort_keys=False)
    click.echo(_HEADER + documents, nl=False)
    return ExitCode.PASS


def check_cluster(where: Where, json_target: str | None) -> int:
    """Print what is missing; return the exit code. Raises what :func:`open_cluster` does."""
    rights = every_right()
    reference, version, missing = asyncio.run(_asked(where, rights))
    if json_target:
        write_document(_document(reference, version, rights, missing), json_target)
    if json_target != "-":
        click.echo("\n".join(_lines(reference, version, rights, missing)))
    return ExitCode.ENVIRONMENT if missing else ExitCode.PASS


async def _asked(where: Where, rights: Sequence[Right]) -> tuple[dict[str, Any], str, tuple[Right, ...]]:
    from seatrial.cluster.access import open_cluster

    async with open_cluster(where) as client:
        return client.reference, client.version, await missing_rights(client, rights)


def _lines(
    reference: dict[str, Any], version: str, rights: Sequence[Right], missing: Sequence[Right]
) -> list[str]:
    context = f"context {reference['context']}, " if "context" in reference else ""
    there = len(rights) - len(missing)
    lines = [
        f"ok      cluster  {context}{reference['server']}, Kubernetes {version}",
        f"{'refuse' if missing else 'ok':6}  rights   {there} of {len(rights)} are there",
    ]
    lines += [f"{'':6}  missing  {right}{f': {right.why}' if right.why else ''}" for right in missing]
    return [*lines, f"{'':6}  {_ADVICE}"] if missing else lines


def _document(
    reference: dict[str, Any], version: str, rights: Sequence[Right], missing: Sequence[Right]
) -> dict[str, Any]:
    absent = set(missing)
    return {
        "schema": SCHEMA,
        "fits": not missing,
        "cluster": {**reference, "version": version},
        "rights": [{**asdict(right), "is_there": right not in absent} for right in rights],
    }
