"""A system of a test on the cluster of ``make cluster``, with an origin of the test's own behind it."""

from __future__ import annotations

import asyncio
import os
import time
import uuid
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from seatrial.cluster.access import open_cluster
from seatrial.cluster.client import Client
from seatrial.cluster.connection.kubeconfig import Where
from seatrial.cluster.leftovers import find
from seatrial.cluster.owned import Owned
from seatrial.machine.address import Endpoint
from seatrial.machine.members import Member
from seatrial.machine.namespace import Namespace
from seatrial.machine.place import ThisMachine
from seatrial.machine.processes.changes import Unrecorded
from seatrial.plan.read import ANY_HOST
from seatrial.pods.group import Group
from seatrial.pods.job import PodJob, PodRole
from seatrial.pods.on_cluster import OneNamespace
from seatrial.pods.probe import PodProbe
from seatrial.probe.asking import ENDPOINT_FIELD
from seatrial.probe.client import Client as HttpClient
from seatrial.run.testbed.proof import Asking, prove
from seatrial.systems.base import Launch
from seatrial.systems.installed.kinds.choice import recipe_of
from seatrial.systems.installed.manifests.objects import ROLE, Site
from seatrial.systems.installed.manifests.workloads import Container, Pod, Resources, deployment
from seatrial.systems.installed.pods import facts_in
from seatrial.systems.installed.system import Installed
from seatrial.systems.options import SystemOptions
from seatrial.topology.expand import Topology, expand
from seatrial.topology.options import TopologyPlan

NO_CLUSTER = "there is no cluster here: `make cluster`"
PORT, PORTS = 9000, 8
"""Each pod of the origin listens on so many ports: as many addresses may be dealt to services."""
READY_LIMIT_S = 90.0
ORIGIN = f"""
import http.server, threading
count, lock = 0, threading.Lock()
class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1
    def do_GET(self):
        global count
        with lock:
            count += self.path != "/count"
        body = str(count).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        if self.headers["Seatrial-Endpoint"]:
            host, port = self.connection.getsockname()
            self.send_header("Seatrial-Endpoint", f"{{host}}:{{port}}")
        self.end_headers()
        self.wfile.write(body)
    def log_message(self, *_): pass
class Server(http.server.ThreadingHTTPServer):
    daemon_threads, request_queue_size = True, 128
for port in range({PORT + 1}, {PORT + PORTS}):
    threading.Thread(target=Server(("0.0.0.0", port), Handler).serve_forever, daemon=True).start()
Server(("0.0.0.0", {PORT}), Handler).serve_forever()
"""


def images() -> dict[str, str]:
    """The images of the cluster's nodes, by the program in them."""
    catalogue = pytest.importorskip("tools.cluster.images.catalogue", reason=NO_CLUSTER)
    return {named.reference.rpartition("/")[2].partition(":")[0]: named.reference for named in catalogue.ALL}


def cluster_name() -> str:
    """Which cluster is meant."""
    return os.environ.get("SEATRIAL_CLUSTER", "seatrial")


def kubeconfig() -> Path:
    """The cluster's kubeconfig; skips the test, saying what to do, where there is no cluster."""
    layout = pytest.importorskip("tools.cluster.layout", reason=NO_CLUSTER)
    found: Path = layout.Cluster(cluster_name()).kubeconfig
    if not found.exists():
        pytest.skip(f"the cluster {cluster_name()} is not up: `make cluster`")
    return found


def network_of_load() -> Namespace | None:
    """Return the network of the load's node; None where the test itself is among the nodes."""
    name = f"lab-{cluster_name()}-load"
    return Namespace(name) if Path("/run/netns", name).exists() else None


@dataclass(slots=True)
class Stage:
    """What a test has: a client of the cluster, the run, the origin; ``load`` is the network of the load's node.

    ``endpoints`` are the addresses of the origin, of one of its pods after another.
    """

    client: Client
    run: Owned
    endpoints: tuple[Endpoint, ...]
    directory: Path
    load: Namespace | None = field(default_factory=network_of_load)

    def launch(self, label: str, topology: Topology, **given: Any) -> Launch:
        """Return what a system gets to come up."""
        return Launch(self.directory, self.directory, topology, 100, ThisMachine(), label, **given)

    def topology(self, routes: int, services: int, **given: Any) -> Topology:
        """Return a topology over the origin's pods, in turns."""
        plan = TopologyPlan(routes=routes, services=services, **given)
        return expand(plan, self.endpoints[: plan.endpoints_in_all], any_host=ANY_HOST)

    def installed(self, label: str, options: SystemOptions) -> Installed:
        """Return a system at a site of its own, not started."""
        site = Site(f"st-{self.run.run_id}-{label}", label, {ROLE: "proxy"})
        return Installed(recipe_of(options, site), self.run)

    def group(self, role: PodRole, node: str, count: int, **given: Any) -> Group:
        """Return pods of ours on the node of a role, not started."""
        namespace = f"st-{self.run.run_id}-origin"
        job = PodJob(
            f"{role}-{uuid.uuid4().hex[:6]}", namespace, role, images()["seatrial"], count, 240.0, cpu="200m",
            memory_bytes=128 << 20, on_nodes={ROLE: node}, pull="Never", **given,
        )  # fmt: skip
        return Group(job, OneNamespace(self.client, namespace, self.run))

    @asynccontextmanager
    async def probing(self, **given: Any) -> AsyncIterator[PodProbe]:
        """Have a probe meanwhile, in a pod on the load's node."""
        probe = PodProbe(self.group("probe", "load", 1, **given))
        await probe.start(["net.ipv4.ip_local_port_range", "net.core.somaxconn"], READY_LIMIT_S)
        try:
            yield probe
        finally:
            await probe.close()

    async def proven(
        self, system: Installed, endpoints: tuple[Endpoint, ...], topology: Topology, **given: Any
    ) -> int:
        """Have a probe prove a topology through a system, as a testbed does."""
        members = tuple(member.name for member in proxies(system))
        async with self.probing() as probe:
            return await prove(
                topology, endpoints, Asking(200, probe, published=system, members=members, **given)
            )

    async def counted_at_origin(self) -> int:
        """Return how many requests the origin's pods have had."""
        counts = [await self._count(endpoint) for endpoint in self.endpoints if endpoint.port == PORT]
        return sum(counts)

    async def _count(self, endpoint: Endpoint) -> int:
        def asked() -> int:
            connection = HttpClient(endpoint, 5.0, self.load)
            try:
                connection.request("GET", "/count")
                return int(connection.getresponse().read())
            finally:
                connection.close()

        return await asyncio.to_thread(asked)

    async def ask(self, endpoint: Endpoint, asked: Sequence[tuple[str, str]]) -> list[int]:
        """Ask a proxy, from the load's node and over one connection, by hosts and paths; return the statuses."""

        def ask_all() -> list[int]:
            connection = HttpClient(endpoint, 5.0, self.load)
            statuses = []
            try:
                for host, path in asked:
                    connection.request("GET", path, headers={"Host": host})
                    response = connection.getresponse()
                    response.read()
                    statuses.append(response.status)
            finally:
                connection.close()
            return statuses

        return await asyncio.to_thread(ask_all)

    async def named(self, endpoint: Endpoint, times: int) -> list[str | None]:
        """Ask so often, from the load's node, which endpoint it is that answers."""

        def ask_all() -> list[str | None]:
            connection, found = HttpClient(endpoint, 5.0, self.load), []
            try:
                for _ in range(times):
                    connection.request("GET", "/", headers={ENDPOINT_FIELD: "wanted"})
                    response = connection.getresponse()
                    response.read()
                    found.append(response.getheader(ENDPOINT_FIELD))
            finally:
                connection.close()
            return found

        return await asyncio.to_thread(ask_all)


def proxies(system: Installed) -> tuple[Member, ...]:
    """Return the proxies of a system, without what programs them."""
    return tuple(member for member in system.members() if member.role == "system")


@asynccontextmanager
async def stage(directory: Path, origins: int = 1) -> AsyncIterator[Stage]:
    """Have origins stand meanwhile, on the origin's node; nothing of the run is on the cluster afterwards."""
    async with open_cluster(Where(str(kubeconfig()))) as client:
        run = Owned(client, f"t{uuid.uuid4().hex[:8]}", Unrecorded())
        try:
            yield Stage(client, run, await _origins(client, run, origins), directory)
        finally:
            await run.remove()
        left = await find(client, run.run_id)
        assert [one["metadata"]["name"] for one in left.objects] == []


async def _origins(client: Client, run: Owned, count: int) -> tuple[Endpoint, ...]:
    site = Site(f"st-{run.run_id}-origin", "origin", {ROLE: "origin"})
    await run.namespace(site.namespace)
    container = Container(
        name="origin",
        image=images()["seatrial"],
        command=("/usr/local/bin/python3", "-c"),
        args=(ORIGIN,),
        resources=Resources(0.1, 64 << 20),
        ready={"tcpSocket": {"port": PORT}},
    )
    await run.apply([deployment(site, "origin", count, Pod(container, nodes=site.nodes))])
    deadline_s = time.monotonic() + READY_LIMIT_S
    labels = {"app.kubernetes.io/name": "origin"}
    while True:
        found = [one for one in await facts_in(client, site.namespace, labels) if one.is_ready]
        if len(found) == count:
            return tuple(Endpoint(one.address, PORT + number) for number in range(PORTS) for one in found)
        assert time.monotonic() < deadline_s, found
        await asyncio.sleep(0.2)
