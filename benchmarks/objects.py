"""How fast a real API server is given objects, beside aiohttp that does nothing else: `python -m benchmarks.objects`.

Both have one process and as many calls in flight. What the API server can do is what the bare loop gets of it; ours
knows of failures, retries and order, and answers with metadata only. Needs etcd and kube-apiserver (`make cluster`).
"""

from __future__ import annotations

import argparse
import asyncio
import json
import ssl
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import aiohttp
from tests.support.api_server import ADMIN, ApiServer, api_server, config_map

from benchmarks.bars import Bar, print_bars, spread
from seatrial.cluster.access import open_cluster
from seatrial.cluster.connection.kubeconfig import Where
from seatrial.cluster.objects import WINDOW, Objects

LEAST_OF_BARE = 0.9
"""Of what a bare loop gets, so that the API server is what limits, and not its client."""
CONFIG_MAPS = "/api/v1/namespaces/default/configmaps"


def main() -> None:
    """Take turns, in rounds; each makes its objects, and deletes them again unmeasured."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.objects", description=__doc__)
    parser.add_argument("--objects", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, api_server(Path(folder)) as server:
        asyncio.run(_measure(server, arguments.objects, arguments.rounds))


async def _measure(server: ApiServer, count: int, rounds: int) -> None:
    async with open_cluster(Where(str(server.kubeconfig))) as client:
        objects = Objects(client)
        ways: dict[str, Callable[[list[dict[str, Any]]], Awaitable[object]]] = {
            "bare aiohttp, create": lambda manifests: _bare(server, manifests),
            "create": objects.create,
            "apply": objects.apply,
        }
        rates: dict[str, list[float]] = {way: [] for way in ways}
        cores: dict[str, list[float]] = {way: [] for way in ways}
        for number in range(rounds):
            for way, make in ways.items():
                manifests = [config_map(f"r{number}-{one}", key="v" * 200) for one in range(count)]
                started_s, cpu_s = time.monotonic(), time.process_time()
                await make(manifests)
                took_s = time.monotonic() - started_s
                rates[way].append(count / took_s)
                cores[way].append((time.process_time() - cpu_s) / took_s)
                await objects.delete(manifests)
        for way in ways:
            print(f"{way:22} {spread(rates[way], '.0f')} objects/s, {spread(cores[way], '.2f')} of a core")
        if text := client.counts.text:
            print(text)
    bare = statistics.median(rates["bare aiohttp, create"])
    print_bars(
        Bar(
            "create, of what a bare loop gets",
            statistics.median(rates["create"]) / bare,
            "at least",
            LEAST_OF_BARE,
        )
    )


async def _bare(server: ApiServer, manifests: list[dict[str, Any]]) -> None:
    tls = ssl.create_default_context(cafile=str(server.pem.ca))
    headers = {"Authorization": f"Bearer {server.token(ADMIN)}", "Content-Type": "application/json"}
    left = iter(manifests)

    async def work(session: aiohttp.ClientSession) -> None:
        for manifest in left:
            async with session.post(server.url + CONFIG_MAPS, data=json.dumps(manifest), ssl=tls) as response:
                await response.read()
                if response.status != 201:
                    raise RuntimeError(f"the API server answers {response.status}")

    async with aiohttp.ClientSession(headers=headers, connector=aiohttp.TCPConnector(limit=0)) as session:
        await asyncio.gather(*(work(session) for _ in range(WINDOW)))


if __name__ == "__main__":
    main()
