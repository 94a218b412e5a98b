"""Our origin as pods, played by processes of this machine: it serves, is counted, and is named where it is lost."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable
from pathlib import Path
from urllib.request import urlopen

import pytest
from tests.support.pods import Faults, LocalPods, job

from seatrial.errors import SystemFault
from seatrial.machine.address import Endpoint
from seatrial.machine.place import ThisMachine
from seatrial.machine.sockets import free_address
from seatrial.pods.group import Group
from seatrial.systems.base import Launch
from seatrial.systems.origins import pods
from seatrial.systems.origins.options import OriginPlan
from seatrial.systems.origins.pods import PodOrigin
from seatrial.topology.expand import NOWHERE

PODS, LISTENS, REQUESTS = 2, 5, 12


@pytest.fixture(autouse=True)
def port(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have the pods, which share this machine's network here, listen where nobody else does."""
    monkeypatch.setattr(pods, "PORT", free_address("127.0.0.1").port)


Scene = Callable[[PodOrigin, tuple[Endpoint, ...], LocalPods], Awaitable[None]]


def served(scene: Scene, directory: Path) -> None:
    async def play() -> None:
        cluster = LocalPods(Faults(breaks_after=1, repeats=1))
        origin = PodOrigin(OriginPlan(body_bytes=321), Group(job(PODS, "origin"), cluster))
        launch = Launch(directory, directory, NOWHERE, 10, ThisMachine(), "origin", listens=LISTENS)
        endpoints = await origin.start(launch)
        try:
            await scene(origin, endpoints, cluster)
        finally:
            await origin.stop()

    asyncio.run(play())


def fetch(url: str) -> int:
    with urlopen(url, timeout=10) as answer:
        return len(answer.read())


def test_what_pods_have_answered_is_counted_exactly_and_kept(tmp_path: Path) -> None:
    async def scene(origin: PodOrigin, endpoints: tuple[Endpoint, ...], _: LocalPods) -> None:
        sizes = [await asyncio.to_thread(fetch, endpoints[0].url) for _ in range(REQUESTS)]
        assert sizes == [321] * REQUESTS
        counts = await origin.counts()
        assert counts.requests == REQUESTS
        assert sum(counts.by_route.values()) == REQUESTS
        assert origin.failure() is None
        await origin.stop()
        assert (await origin.counts()).requests == REQUESTS

    served(scene, tmp_path)


def test_addresses_are_dealt_to_the_pods_and_each_is_counted_by_itself(tmp_path: Path) -> None:
    async def scene(origin: PodOrigin, endpoints: tuple[Endpoint, ...], _: LocalPods) -> None:
        assert [endpoint.host for endpoint in endpoints] == [
            f"127.0.0.{1 + k % PODS}" for k in range(LISTENS)
        ]
        assert [endpoint.port - pods.PORT for endpoint in endpoints] == [0, 0, 1, 1, 2]
        for number, endpoint in enumerate(endpoints):
            for _again in range(number):
                await asyncio.to_thread(fetch, endpoint.url)
        assert (await origin.counts()).by_endpoint == tuple(range(LISTENS))
        await origin.stop()
        assert (await origin.counts()).by_endpoint == tuple(range(LISTENS))

    served(scene, tmp_path)


def test_those_of_its_addresses_stand_still_that_are_to(tmp_path: Path) -> None:
    async def scene(origin: PodOrigin, endpoints: tuple[Endpoint, ...], _: LocalPods) -> None:
        still = {1, 4}
        await origin.pause(still)
        waiting = []
        for number, endpoint in enumerate(endpoints):
            if number in still:
                waiting.append(socket.create_connection((endpoint.host, endpoint.port), 10))
                waiting[-1].sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
            else:
                assert await asyncio.to_thread(fetch, endpoint.url) == 321
        assert (await origin.counts()).by_endpoint == (1, 0, 1, 1, 0)
        await origin.pause(())
        for client in waiting:
            with client:
                assert (await asyncio.to_thread(client.recv, 65_536)).startswith(b"HTTP/1.1 200")
        assert (await origin.counts()).by_endpoint == (1,) * LISTENS

    served(scene, tmp_path)


@pytest.mark.parametrize(("processes", "addresses", "count"), [(4, 2, 2), (2, 4, 2), (1, 1, 1)])
def test_there_are_no_more_pods_than_addresses(processes: int, addresses: int, count: int) -> None:
    assert pods.pods_for(processes, addresses) == count


def test_a_pod_that_is_killed_is_named_and_its_counts_are_not_made_up(tmp_path: Path) -> None:
    async def scene(origin: PodOrigin, _: tuple[Endpoint, ...], cluster: LocalPods) -> None:
        process = cluster.pods["load-1"].process
        assert process is not None
        process.kill()
        with pytest.raises(
            SystemFault, match="pod load-1 on node node-1 has ended and taken its counts with it"
        ):
            await origin.counts()
        assert origin.failure() == "origin pod load-1 on node node-1 ended with exit status 137"

    served(scene, tmp_path)
