"""A list of objects, and every change of it: what is missed while the API server is away shows when it is listed again.

A watch that ends in order goes on where it was (``resourceVersion``). After anything else, 410 first of all, the list
is read anew and compared with what was known: what has come, changed or gone meanwhile is reported as such.
"""

from __future__ import annotations

import asyncio
import json
import random
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from seatrial.cluster.client import METADATA_LIST, METADATA_ONLY
from seatrial.errors import ClusterFault

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator, Mapping

    from seatrial.cluster.client import Client

PAGE = 500
TURN_S = 60
"""How long one request watches. A connection that died without a word is noticed when that and a bit are over."""
_QUIET_MARGIN_S = 15.0
OUTAGE_LIMIT_S = 120.0
_PAUSE_FIRST_S = 0.2
_PAUSE_LIMIT_S = 2.0
_TOO_OLD = 410
Key = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Change:
    """One object that came, changed or went; ``seen_s`` is CLOCK_MONOTONIC.

    ``was_missed`` where it was found by listing again: it happened at some time before. A deleted object is as it was
    seen last then. The first list is all ``added``, and ``was_missed`` is false.
    """

    kind: Literal["added", "modified", "deleted"]
    object: Mapping[str, Any]
    seen_s: float
    was_missed: bool = False


@dataclass(frozen=True, slots=True)
class Listed:
    """A list is complete, with so many objects; ``because`` says why it was read again, empty for the first time."""

    count: int
    seen_s: float
    because: str = ""


class Watch:
    """Follows the objects below a path, such as ``Resource.path("namespace")``; one that iterates at a time.

    ``known`` is what there is, by namespace and name: after a list all of it, a little before its changes are yielded.
    ``lists`` and ``turns`` count what it took. ``form`` gives the form in which objects are kept and yielded, for those
    who need little of many: it keeps ``namespace``, ``name``, ``uid`` and ``resourceVersion`` of the metadata.
    """

    def __init__(  # noqa: PLR0913 - what is seldom said is named
        self,
        client: Client,
        path: str,
        *,
        labels: str = "",
        fields: str = "",
        metadata_only: bool = False,
        outage_limit_s: float = OUTAGE_LIMIT_S,
        form: Callable[[Mapping[str, Any]], Mapping[str, Any]] | None = None,
    ) -> None:
        self.known: dict[Key, Mapping[str, Any]] = {}
        self.lists = 0
        self.turns = 0
        self._client = client
        self._path = path
        self._chosen = {
            name: value for name, value in (("labelSelector", labels), ("fieldSelector", fields)) if value
        }
        self._metadata_only = metadata_only
        self._outage_limit_s = outage_limit_s
        self._form = form or (lambda one: one)
        self._version = ""

    async def changes(self) -> AsyncIterator[Change | Listed]:
        """Yield every change, and a ``Listed`` whenever a list was completed.

        Raises ``ClusterFault`` where it is refused, or the API server has been away for ``outage_limit_s``.
        """
        because, away_since_s, pauses = "", None, _pauses()
        while True:
            try:
                if not self._version:
                    for change in await self._list(because):
                        yield change
                    away_since_s, pauses = None, _pauses()
                async for change in self._watch():
                    yield change
                    away_since_s, pauses = None, _pauses()
            except ClusterFault as fault:
                if not _is_passing(fault):
                    raise
                self._version, because = "", fault.what
                away_since_s = away_since_s or time.monotonic()
                if time.monotonic() - away_since_s > self._outage_limit_s:
                    raise
                await asyncio.sleep(next(pauses))

    async def _list(self, because: str) -> list[Change | Listed]:
        """Read the whole list; return what differs from what was known."""
        found, version = await self._pages()
        seen_s, missed = time.monotonic(), self.lists > 0
        self.lists += 1
        changes: list[Change | Listed] = []
        for key, one in self.known.items():
            if key not in found or _uid(found[key]) != _uid(one):
                changes.append(Change("deleted", one, seen_s, missed))
        for key, one in found.items():
            before = self.known.get(key)
            if before is None or _uid(before) != _uid(one):
                changes.append(Change("added", one, seen_s, missed))
            elif _version(before) != _version(one):
                changes.append(Change("modified", one, seen_s, missed))
        self.known, self._version = found, version
        return [*changes, Listed(len(found), seen_s, because)]

    async def _pages(self) -> tuple[dict[Key, Mapping[str, Any]], str]:
        accept = METADATA_LIST if self._metadata_only else "application/json"
        found: dict[Key, Mapping[str, Any]] = {}
        params = {**self._chosen, "limit": str(PAGE)}
        while True:
            page = (await self._client.get(self._path, params, accept=accept)).body
            # Those in a list do not say their kind.
            kind = {"apiVersion": page["apiVersion"], "kind": str(page["kind"]).removesuffix("List")}
            found |= {_key(one): self._form({**kind, **one}) for one in page["items"] or ()}
            if not (more := page["metadata"].get("continue")):
                return found, str(page["metadata"]["resourceVersion"])
            params = {**params, "continue": str(more)}

    async def _watch(self) -> AsyncIterator[Change]:
        """Watch for one turn; an end in order keeps the version that it came to."""
        params = {
            **self._chosen,
            "watch": "true",
            "allowWatchBookmarks": "true",
            "resourceVersion": self._version,
            "timeoutSeconds": str(TURN_S),
        }
        accept = METADATA_ONLY if self._metadata_only else "application/json"
        self.turns += 1
        following = self._client.lines(
            self._path,
            params,
            quiet_limit_s=TURN_S + _QUIET_MARGIN_S,
            accept=accept,
            asked=f"watch {self._path}",
        )
        async with following as lines:
            async for line in lines:
                change = self._taken(line)
                if change is not None:
                    yield change
            if lines.rest:
                raise _cut_off(self._path)

    def _taken(self, line: bytes) -> Change | None:
        """Take one event; return the change that it is, None for a bookmark."""
        try:
            event = json.loads(line)
            kind, one = event["type"], event["object"]
            if kind == "ERROR":
                raise ClusterFault(
                    f"cannot watch {self._path}: {one.get('code')} {one.get('reason', '')}".rstrip(),
                    cause=one.get("message"),
                    status=int(one.get("code") or 0),
                    reason=str(one.get("reason") or ""),
                )
            version = str(one["metadata"]["resourceVersion"])
        except (ValueError, KeyError, TypeError):
            raise _cut_off(self._path) from None
        self._version = version
        if kind == "BOOKMARK":
            return None
        one = self._form(one)
        key, seen_s = _key(one), time.monotonic()
        if kind == "DELETED":
            self.known.pop(key, None)
            return Change("deleted", one, seen_s)
        was_known = key in self.known
        self.known[key] = one
        return Change("modified" if was_known else "added", one, seen_s)


def _is_passing(fault: ClusterFault) -> bool:
    """Whether to try again: it broke, it is too old, or the API server is not itself."""
    return fault.status in {0, _TOO_OLD, 429} or fault.status >= 500


def _cut_off(path: str) -> ClusterFault:
    return ClusterFault(f"cannot watch {path}: what came is no whole event")


def _key(one: Mapping[str, Any]) -> Key:
    return str(one["metadata"].get("namespace") or ""), str(one["metadata"]["name"])


def _uid(one: Mapping[str, Any]) -> Any:
    return one["metadata"].get("uid")


def _version(one: Mapping[str, Any]) -> Any:
    return one["metadata"].get("resourceVersion")


def _pauses() -> Iterator[float]:
    pause_s = _PAUSE_FIRST_S
    while True:
        yield pause_s * (0.5 + random.random())
        pause_s = min(2 * pause_s, _PAUSE_LIMIT_S)
