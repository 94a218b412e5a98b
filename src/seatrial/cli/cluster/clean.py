"""``seatrial clean --on kubernetes``: what runs have left on a cluster, found by its label from whichever machine."""

from __future__ import annotations

import asyncio
import itertools
import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import click

from seatrial.cli.console.documents import write_document
from seatrial.cluster.labels import run_of
from seatrial.cluster.leftovers import Found, find, remove
from seatrial.errors import ExitCode, PlanError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from seatrial.cluster.connection.kubeconfig import Where
    from seatrial.cluster.leftovers import Removed

_NAMED_LIMIT = 3


@dataclass(frozen=True, slots=True)
class Left:
    """Objects of a run of one kind in one namespace: how many, and what came of them."""

    run: str
    kind: str
    name: str
    put_back: str = ""
    problem: str = ""


def clean_cluster(where: Where, run_id: str | None, json_target: str | None, *, is_sure: bool) -> int:
    """List them, ask, and delete them; return the exit code. Raises what :func:`open_cluster` does."""
    return asyncio.run(_clean(where, run_id, json_target, is_sure=is_sure))


async def _clean(where: Where, run_id: str | None, json_target: str | None, *, is_sure: bool) -> int:
    from seatrial.cluster.access import open_cluster

    async with open_cluster(where) as client:
        found = await find(client, run_id)
        server = client.reference["server"]
        _say(_listing(found, server), json_target)
        removed: Removed | None = None
        if found.objects and _may_delete(len(found.objects), server, is_sure=is_sure):
            removed = await remove(client, found.objects)
        _say(_outcome(found, removed), json_target)
        if json_target:
            write_document(_document(client.reference, found, removed), json_target)
    return ExitCode.ENVIRONMENT if removed is not None and removed.left else ExitCode.PASS


def _may_delete(count: int, server: str, *, is_sure: bool) -> bool:
    if is_sure:
        return True
    if sys.stdin is None or not sys.stdin.isatty():
        raise PlanError(
            "nothing was deleted: nobody is there to be asked",
            next_step="look at the list, and give --yes (and --run ID for those of one run only)",
        )
    return click.confirm(f"Delete {_objects(count)} on {server}?", err=True)


def _listing(found: Found, server: str) -> Iterable[str]:
    if not found.objects:
        yield f"nothing left on {server}"
    for run in found.runs:
        objects = found.of_run(run)
        since = min(str(one["metadata"].get("creationTimestamp") or "") for one in objects)
        yield f"run {run}: {_objects(len(objects))}, the first of {since}"
        for kind, group in _groups(objects):
            yield f"  {kind}: {_named([_name(one) for one in group])}"
    if found.unread:
        yield f"not looked at, for want of the right to list them: {', '.join(found.unread)}"


def _outcome(found: Found, removed: Removed | None) -> Iterable[str]:
    if removed is None:
        if found.objects:
            yield "nothing was deleted"
        return
    yield f"deleted {_objects(len(removed.gone))}"
    for ref, why in removed.left:
        yield f"cannot delete {ref}: {why}"


def _say(lines: Iterable[str], json_target: str | None) -> None:
    for line in lines:
        # With the document on stdout, what is asked about is still to be seen.
        click.echo(line, err=json_target == "-")


def _groups(objects: Sequence[Mapping[str, Any]]) -> Iterable[tuple[str, list[Mapping[str, Any]]]]:
    ordered = sorted(objects, key=lambda one: (str(one["kind"]), _name(one)))
    for kind, group in itertools.groupby(ordered, key=lambda one: str(one["kind"])):
        yield kind, list(group)


def _document(reference: Mapping[str, Any], found: Found, removed: Removed | None) -> dict[str, Any]:
    problems = {str(ref): why for ref, why in (removed.left if removed else ())}
    left = []
    for one in found.objects:
        named = f"{one['kind']} {_name(one)}"
        problem = problems.get(named, "")
        done = "deleted" if removed is not None and not problem else ""
        run = str(run_of(one))
        left.append(asdict(Left(run, "object", named, done, problem)))
    return {
        "schema": "seatrial.clean/1",
        "cluster": dict(reference),
        "runs": len(found.runs),
        "unreadable": list(found.unread),
        "leftovers": left,
    }


def _name(one: Mapping[str, Any]) -> str:
    metadata = one["metadata"]
    return (
        f"{metadata['namespace']}/{metadata['name']}" if metadata.get("namespace") else str(metadata["name"])
    )


def _named(names: list[str]) -> str:
    more = len(names) - _NAMED_LIMIT
    return ", ".join(names[:_NAMED_LIMIT]) + (f" and {more} more" if more > 0 else "")


def _objects(count: int) -> str:
    return f"{count} {'object' if count == 1 else 'objects'}"
