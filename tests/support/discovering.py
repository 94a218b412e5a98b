"""A discoverer under way, what it has made in its destination, and sources that a test changes."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Callable, Coroutine, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar
from urllib.error import HTTPError

from tests.support.api_server import ApiServer
from tests.support.program import Outcome, wait_until

from seatrial.cluster.access import open_cluster
from seatrial.cluster.client import Client
from seatrial.cluster.connection.kubeconfig import Where
from seatrial.cluster.objects import in_window

Came = TypeVar("Came")
LIMIT_S = 40.0
Version = tuple[str, str, str]
"""Kind, namespace/name, resourceVersion."""
_PATHS = {"Service": "/api/v1/services", "EndpointSlice": "/apis/discovery.k8s.io/v1/endpointslices"}


def on(server: ApiServer, work: Callable[[Client], Coroutine[Any, Any, Came]]) -> Came:
    """Do something with an API server."""

    async def done() -> Came:
        async with open_cluster(Where(str(server.kubeconfig))) as client:
            return await work(client)

    return asyncio.run(done())


@dataclass(frozen=True, slots=True)
class Backend:
    """What a discoverer has made of its backend, in a destination that others may use, too."""

    server: ApiServer
    name: str

    def objects(self) -> list[dict[str, Any]]:
        """Return all of them."""

        async def listed(client: Client) -> list[dict[str, Any]]:
            found: list[dict[str, Any]] = []
            for kind, path in _PATHS.items():
                body = (await client.get(path, {"labelSelector": f"seatrial.dev/backend={self.name}"})).body
                found += [{"kind": kind, **one} for one in body["items"]]
            return found

        return on(self.server, listed)

    def remove(self) -> None:
        """Remove all of them: the names are wanted by the next, too."""

        async def removed(client: Client) -> None:
            async def one(found: Mapping[str, Any]) -> None:
                metadata = found["metadata"]
                root, _, plural = _PATHS[found["kind"]].rpartition("/")
                await client.delete(f"{root}/namespaces/{metadata['namespace']}/{plural}/{metadata['name']}")

            await in_window(objects, one, 16)

        objects = self.objects()
        on(self.server, removed)

    def addresses(self) -> dict[str, list[str]]:
        """Return the addresses with ports of each service, empty for one that has none, by ``namespace/name``."""
        found: dict[str, set[str]] = {}
        objects = self.objects()
        for one in objects:
            metadata = one["metadata"]
            if one["kind"] == "Service":
                found.setdefault(f"{metadata['namespace']}/{metadata['name']}", set())
        for one in objects:
            if one["kind"] == "EndpointSlice":
                metadata = one["metadata"]
                key = f"{metadata['namespace']}/{metadata['labels']['kubernetes.io/service-name']}"
                # One without its Service is no replica, and a test should see it.
                ends = found.setdefault(f"{key}" if key in found else f"{key} (no Service)", set())
                ends.update(
                    f"{address}:{port['port']}"
                    for end in one["endpoints"] or ()
                    for address in end["addresses"]
                    for port in one["ports"]
                )
        return {key: sorted(ends) for key, ends in found.items()}

    def versions(self) -> set[Version]:
        """Return which objects there are in which versions: equal for two moments between which nothing was written."""
        return {
            (
                one["kind"],
                f"{one['metadata']['namespace']}/{one['metadata']['name']}",
                one["metadata"]["resourceVersion"],
            )
            for one in self.objects()
        }

    def becomes(self, wanted: Mapping[str, Iterable[str]], limit_s: float = LIMIT_S) -> None:
        """Fail unless the services become exactly these."""
        expected = {key: sorted(ends) for key, ends in wanted.items()}
        if not wait_until(lambda: self.addresses() == expected, limit_s, 0.1):
            assert self.addresses() == expected


@dataclass(slots=True)
class RunningDiscoverer:
    """A discoverer, under way."""

    process: subprocess.Popen[str]
    metrics_url: str

    def metric(self, name: str, **labels: str) -> float:
        """Return a metric of its page, summed over what has these labels; 0 where there is none."""
        with urllib.request.urlopen(self.metrics_url, timeout=30) as answer:
            text = answer.read().decode()
        total = 0.0
        for line in text.splitlines():
            found = re.fullmatch(rf"seatrial_discoverer_{name}\{{([^}}]*)\}} (\S+)", line)
            if found and all(f'{key}="{value}"' in found[1] for key, value in labels.items()):
                total += float(found[2])
        return total

    def health(self) -> tuple[int, str]:
        """Return status and text of ``/healthz``."""
        try:
            with urllib.request.urlopen(
                self.metrics_url.replace("/metrics", "/healthz"), timeout=30
            ) as answer:
                return answer.status, answer.read().decode()
        except HTTPError as error:
            with error:
                return error.code, error.read().decode()

    def cycles(self) -> float:
        """Return how many cycles are over."""
        return self.metric("cycle_seconds_count")

    def after_cycles(self, count: int, limit_s: float = LIMIT_S) -> None:
        """Wait until so many more cycles are over."""
        until = self.cycles() + count
        assert wait_until(lambda: self.cycles() >= until, limit_s, 0.05)

    def writes(self) -> float:
        """Return how many calls it has counted that change something."""
        return sum(
            self.metric("api_calls_total", verb=verb) for verb in ("create", "update", "patch", "delete")
        )

    def assert_conserved(self) -> None:
        """Fail unless all that was put into the queue came out of it."""
        assert wait_until(lambda: self.metric("queue_depth") == 0, LIMIT_S)
        assert self.metric("enqueued_total") == self.metric("done_total") + self.metric("dropped_total")

    def finish(self) -> Outcome:
        """End it as a parent does that goes away."""
        stdout, stderr = self.process.communicate(timeout=20)
        assert "Traceback" not in stderr, stderr
        return Outcome(self.process.returncode, stdout, stderr)


@contextmanager
def discovering(
    *flags: str, relative: str = "", environment: Mapping[str, str] | None = None
) -> Iterator[RunningDiscoverer]:
    """Have a discoverer run, or a relative of it; ``flags`` say from where and into what."""
    module = ["tests.support.discoverers", relative] if relative else ["seatrial", "discoverer"]
    process = subprocess.Popen(
        [sys.executable, "-m", *module, *flags, "--metrics", "127.0.0.1:0", "--with-parent"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[2],
        env={**os.environ, **(environment or {})},
    )
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        assert line, process.communicate()[1]
        yield RunningDiscoverer(process, json.loads(line)["metrics_url"])
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            _, stderr = process.communicate(timeout=20)
        except (subprocess.TimeoutExpired, ValueError):
            process.kill()
            raise
        assert "Traceback" not in stderr, stderr[-4000:]
        assert process.returncode == 0, stderr[-4000:]


@dataclass(slots=True)
class ClusterSource:
    """Services and their slices in a second API server, in namespaces of a test."""

    server: ApiServer
    prefix: str
    ends: dict[str, list[str]] = field(default_factory=dict)
    """What there should be, by ``namespace/name``."""
    _made: int = 0

    def flags(self) -> tuple[str, ...]:
        """Return how a discoverer gets at it."""
        return "--from", "kubernetes", "--source-kubeconfig", str(self.server.kubeconfig)

    def fill(self, count: int, namespaces: int = 1) -> None:
        """Make services."""
        names = [f"{self.prefix}-{number % namespaces}/service-{number:05}" for number in range(count)]
        on(self.server, lambda client: self._create(client, names))

    def add(self, name: str) -> None:
        """Make one, ``namespace/name``."""
        on(self.server, lambda client: self._create(client, [name]))

    def update(self, name: str) -> None:
        """Give one other endpoints."""
        namespace, _, service = name.partition("/")
        self.ends[name] = [f"{self._address()}:8080"]
        patch = {"endpoints": [{"addresses": [self.ends[name][0].partition(":")[0]]}]}
        path = f"/apis/discovery.k8s.io/v1/namespaces/{namespace}/endpointslices/{service}"
        on(self.server, lambda client: client.patch(path, patch))

    def remove(self, *names: str) -> None:
        """Remove some, with their slices."""

        async def removed(client: Client) -> None:
            async def one(name: str) -> None:
                namespace, _, service = name.partition("/")
                await client.delete(f"/api/v1/namespaces/{namespace}/services/{service}")
                await client.delete(
                    f"/apis/discovery.k8s.io/v1/namespaces/{namespace}/endpointslices/{service}"
                )
                del self.ends[name]

            await in_window(names, one, 16)

        on(self.server, removed)

    async def _create(self, client: Client, names: list[str]) -> None:
        for namespace in sorted({name.partition("/")[0] for name in names}):
            body = (await client.get("/api/v1/namespaces")).body
            if namespace not in {one["metadata"]["name"] for one in body["items"]}:
                await client.post("/api/v1/namespaces", {"metadata": {"name": namespace}})

        async def one(name: str) -> None:
            namespace, _, service = name.partition("/")
            self.ends[name] = [f"{self._address()}:8080"]
            port = {"name": "http", "port": 80}
            spec = {"clusterIP": "None", "ports": [port]}
            metadata = {"name": service, "namespace": namespace}
            await client.post(
                f"/api/v1/namespaces/{namespace}/services", {"metadata": metadata, "spec": spec}
            )
            made = {
                "metadata": {**metadata, "labels": {"kubernetes.io/service-name": service}},
                "addressType": "IPv4",
                "endpoints": [{"addresses": [self.ends[name][0].partition(":")[0]]}],
                "ports": [{"name": "http", "port": 8080}],
            }
            await client.post(f"/apis/discovery.k8s.io/v1/namespaces/{namespace}/endpointslices", made)

        await in_window(names, one, 16)

    def _address(self) -> str:
        self._made += 1
        return f"172.{16 + (self._made >> 16)}.{self._made >> 8 & 255}.{self._made & 255}"
