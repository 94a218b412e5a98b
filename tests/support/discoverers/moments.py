"""A discoverer that replicates each change a set time after it was visible in the source, and keeps a journal of it.

Its source is an HTTP list, polled every 10 ms. An item may say with ``visible_ns`` (CLOCK_MONOTONIC) since when it is
as it is, and the list since when it is without what has gone; otherwise the moment is that in which it was read. What
it finds in the destination when it begins stays.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, TextIO

from tests.support.discoverers.faulty import Relative

from seatrial.cli.options.quantities import DURATION
from seatrial.cluster.client import Client
from seatrial.discoverer.bucket import Bucket
from seatrial.discoverer.calls import Calls
from seatrial.discoverer.destination import Destination
from seatrial.discoverer.replicator import Replicator
from seatrial.discoverer.services import Key, Upstream, named
from seatrial.discoverer.sources.base import Polled
from seatrial.discoverer.sources.http import HttpSource

CHANGES = {"POST": "create", "PATCH": "update", "DELETE": "delete"}


class Moments(Relative):
    """See above. ``--after`` is the set time (500ms), ``--journal`` the file of its writes (stderr without one)."""

    after_ns = 500_000_000
    journal: TextIO = sys.stderr

    @classmethod
    def flags(cls, given: list[str]) -> list[str]:
        rest: list[str] = []
        words = iter(given)
        for word in words:
            if word == "--after":
                cls.after_ns = round(DURATION.convert(next(words), None, None) * 1e9)
            elif word == "--journal":
                cls.journal = Path(next(words)).open("a", buffering=1, encoding="utf-8")  # noqa: SIM115 - until it ends
            else:
                rest.append(word)
        return [*rest, "--period", "10ms", "--qps", "0", "--workers", "64"]

    def make_replicator(self, client: Client) -> Replicator:
        calls = _Journaled(client, Bucket(0, 1))
        calls.journal = self.journal
        return Replicator(Destination(client, self.settings.backend), calls)

    async def run(self) -> None:
        self._seen: dict[Key, Upstream] = {}
        source = self.source
        assert isinstance(source, Polled)
        assert isinstance(source._source, HttpSource), "--from http"
        source._source.fetch = self._fetching(source._source.fetch)  # type: ignore[method-assign]
        self._visible_ns: dict[Key, int] = {}
        self._list_ns: int | None = None
        await super().run()

    def replace(self, found: Iterable[Upstream]) -> None:
        services, read_ns = named(found), time.monotonic_ns()
        for key in self._seen.keys() - services.keys():
            self._at(key, None, self._list_ns or read_ns)
        for key, service in services.items():
            if self._seen.get(key) != service:
                self._at(key, service, self._visible_ns.get((service.namespace, service.name), read_ns))
        self._seen = services

    def compare(self) -> None:
        """Nothing is found but by its change, or it would come at another moment."""

    def _at(self, key: Key, service: Upstream | None, visible_ns: int) -> None:
        wait_s = (visible_ns + self.after_ns - time.monotonic_ns()) / 1e9

        def do() -> None:
            self.apply(key, service)
            self.look(key)

        asyncio.get_running_loop().call_later(max(wait_s, 0.0), do)

    def _fetching(self, fetch: Callable[[], Any]) -> Callable[[], Any]:
        async def fetched() -> Any:
            document = await fetch()
            if document is not None:
                self._list_ns = document.get("visible_ns")
                self._visible_ns = {
                    (one["namespace"], one["name"]): int(one["visible_ns"])
                    for one in document["services"]
                    if "visible_ns" in one
                }
            return document

        return fetched


class _Journaled(Calls):
    journal: TextIO = sys.stderr

    async def make(
        self,
        method: str,
        path: str,
        body: Mapping[str, Any] | None = None,
        content_type: str = "application/json",
    ) -> dict[str, Any]:
        sent_ns = time.monotonic_ns()
        answer = await super().make(method, path, body, content_type)
        answered_ns = time.monotonic_ns()
        if method in CHANGES:
            kind, namespace, name = _about(path, body)
            line = {"name": name, "namespace": namespace, "change": CHANGES[method], "kind": kind}
            self.journal.write(json.dumps(line | {"sent_ns": sent_ns, "answered_ns": answered_ns}) + "\n")
            self.journal.flush()
        return answer


def _about(path: str, body: Mapping[str, Any] | None) -> tuple[str, str, str]:
    """Return resource, namespace and name of the service that a call is about; of a namespace its own name twice."""
    parts = path.split("/")
    if parts[-1] == "namespaces" and body is not None:
        return "namespaces", body["metadata"]["name"], body["metadata"]["name"]
    at = parts.index("namespaces")
    name = parts[at + 3] if len(parts) > at + 3 else str((body or {})["metadata"]["name"])
    return parts[at + 2], parts[at + 1], name.partition(".")[0]
