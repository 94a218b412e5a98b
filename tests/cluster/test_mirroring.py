"""Kubernetes' own controller as a discoverer: what it mirrors is there, and its queue is on its page."""

from __future__ import annotations

import asyncio
import json
import uuid
from pathlib import Path
from typing import Any

import pytest
from tests.support.api_server import ApiServer, binary

from seatrial.cluster.access import open_cluster
from seatrial.cluster.client import Client
from seatrial.cluster.connection.kubeconfig import Where
from seatrial.cluster.labels import RUN, labelled
from seatrial.cluster.objects import Objects
from seatrial.cluster.resources import Resource
from seatrial.discovery.facts import QueueSample
from seatrial.discovery.page import QueuePage
from seatrial.machine.place import ThisMachine
from seatrial.systems.base import Launch
from seatrial.systems.discoverers.mirroring import MirroringOptions
from seatrial.systems.discovering import Wiring
from seatrial.topology.expand import NOWHERE

pytestmark = pytest.mark.cluster
SLICES = Resource("discovery.k8s.io/v1", "EndpointSlice", "endpointslices", is_namespaced=True)
COUNT = 5
LIMIT_S = 60.0


def service(name: str, number: int) -> list[dict[str, Any]]:
    """Return a Service without a selector and its Endpoints, which it is known by."""
    metadata = {"name": name, "namespace": "default"}
    address = {"ip": f"172.16.7.{number}"}
    return [
        {"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": {"ports": [{"port": 80}]}},
        {"apiVersion": "v1", "kind": "Endpoints", "metadata": metadata,
         "subsets": [{"addresses": [address], "ports": [{"port": 80}]}]},
    ]  # fmt: skip


async def mirrored(client: Client, run: str) -> dict[str, str]:
    """Return the address of each mirrored service of a run by its name."""
    page = await client.get(SLICES.path("default"), {"labelSelector": f"{RUN}={run}"})
    return {
        one["metadata"]["labels"]["kubernetes.io/service-name"]: one["endpoints"][0]["addresses"][0]
        for one in page.body["items"]
    }


def test_endpoints_become_slices_and_the_queue_is_read_over_tls_that_is_verified(
    server: ApiServer, where: Where, tmp_path: Path
) -> None:
    if (program := binary("kube-controller-manager")) is None:
        pytest.skip("kube-controller-manager is not built: `make cluster` does")
    run = f"mirror-{uuid.uuid4().hex[:8]}"
    manifests = [labelled(one, run) for n in range(1, COUNT + 1) for one in service(f"{run}-{n}", n)]
    expected = {f"{run}-{n}": f"172.16.7.{n}" for n in range(1, COUNT + 1)}
    system = MirroringOptions(binary=str(program), concurrency=2).create()

    async def test() -> None:
        async with open_cluster(where) as client, asyncio.timeout(LIMIT_S):
            await system.start(Launch(tmp_path, tmp_path, NOWHERE, 1, ThisMachine(), "mirror"))
            begun = await system.begin(Wiring("kubernetes", {}, server.kubeconfig))
            await Objects(client).apply(manifests)
            # The API server is the judge of what has been written.
            while await mirrored(client, run) != expected:
                assert system.failure() is None
                await asyncio.sleep(0.1)
            samples: asyncio.Queue[QueueSample] = asyncio.Queue()
            reading = asyncio.create_task(QueuePage(begun, 0.1, samples.put_nowait).run())
            last = await samples.get()
            while last.depth != 0 or last.done != last.enqueued:
                last = await samples.get()
            reading.cancel()
            assert last.done is not None
            # It has looked at each of them once at least; of what it has given up it says nothing.
            assert (last.done >= COUNT, last.retries is not None, last.dropped) == (True, True, None)
            assert [member.role for member in system.members()] == ["system"]

    async def all_of_it() -> None:
        try:
            await test()
        finally:
            await system.stop()

    asyncio.run(all_of_it())
    assert system.members() == ()
    assert f"v{system.version().version}" in program.name
    written = json.loads((tmp_path / "mirror-command.json").read_text())
    assert "--mirroring-concurrent-service-endpoint-syncs=2" in written["argv"]
