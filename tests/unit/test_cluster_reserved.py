"""What pods reserve of their nodes: the sums are those of Kubernetes' own documentation, done by hand."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from aiohttp import web
from tests.support.fake_api import fake_client, refuses

from seatrial.cluster.nodes import NodeFacts
from seatrial.cluster.pods.reserved import reserved_by, with_reserved

MIB = 1 << 20


def container(cpu: str, memory: str = "", **more: Any) -> dict[str, Any]:
    requests = {"cpu": cpu, **({"memory": memory} if memory else {})}
    return {"resources": {"requests": requests}, **more}


@pytest.mark.parametrize(
    ("spec", "cpus", "memory_bytes"),
    [
        ({"containers": [{}, {"resources": {}}, {"resources": {"limits": {"cpu": "1"}}}]}, 0.0, 0),
        ({"containers": [container("250m", "64Mi"), container("1", "1Gi")]}, 1.25, 1_088 * MIB),
        # One after the other before the others: the largest of them, or all that follow.
        (
            {"initContainers": [container("2"), container("3")], "containers": [container("1")]},
            3.0,
            0,
        ),
        ({"initContainers": [container("500m")], "containers": [container("1")]}, 1.0, 0),
        # A sidecar goes on beside what comes after it.
        (
            {
                "initContainers": [container("1", restartPolicy="Always"), container("3"), container("1")],
                "containers": [container("2")],
            },
            4.0,
            0,
        ),
        ({"containers": [container("1")], "overhead": {"cpu": "250m", "memory": "120Mi"}}, 1.25, 120 * MIB),
        # What the pod says as a whole takes the place of what its containers say.
        ({"containers": [container("1", "1Gi")], "resources": {"requests": {"cpu": "2"}}}, 2.0, 1_024 * MIB),
    ],
)
def test_a_pod_reserves_what_the_scheduler_counts(
    spec: dict[str, Any], cpus: float, memory_bytes: int
) -> None:
    assert reserved_by({"spec": spec}) == (cpus, memory_bytes)


def test_what_is_free_leaves_out_the_run_s_own_pods_and_those_on_their_way_out() -> None:
    asked = []

    def pod(cpu: str, **more: Any) -> dict[str, Any]:
        return {"metadata": {"name": "p", **more}, "spec": {"containers": [container(cpu, "1Gi")]}}

    async def answer(request: web.Request) -> web.StreamResponse:
        asked.append((request.query["fieldSelector"].split(",")[0], request.query.get("labelSelector")))
        if request.query["fieldSelector"].startswith("spec.nodeName=b"):
            return web.json_response({"items": None})
        return web.json_response({"items": [pod("1500m"), pod("4", deletionTimestamp="now"), pod("500m")]})

    async def run() -> list[NodeFacts]:
        nodes = [NodeFacts(name, {}, 4.0, 16 << 30) for name in "ab"]
        async with fake_client() as (api, client):
            api.otherwise = answer
            found = await with_reserved(client, nodes, "own-0")
            api.otherwise = refuses(403, "Forbidden", "may not list pods")
            # What may not be known is taken to be nothing: the scheduler has the last word.
            assert await with_reserved(client, nodes) == nodes
        return found

    first, second = asyncio.run(run())
    assert (first.free_cpus, first.free_memory_bytes) == (2.0, 14 << 30)
    assert (second.free_cpus, second.free_memory_bytes) == (4.0, 16 << 30)
    assert asked == [(f"spec.nodeName={name}", "seatrial.dev/run!=own-0") for name in "ab"]
