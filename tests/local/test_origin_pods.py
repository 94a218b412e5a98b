"""Our origin as pods, played by processes of this machine: it serves, is counted, and is named where it is lost."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from urllib.request import urlopen

import pytest
from tests.support.pods import Faults, LocalPods, job

from seatrial.errors import SystemFault
from seatrial.machine.place import ThisMachine
from seatrial.machine.sockets import free_address
from seatrial.pods.group import Group
from seatrial.systems.base import Launch
from seatrial.systems.origins import pods
from seatrial.systems.origins.options import OriginPlan
from seatrial.systems.origins.pods import PodOrigin
from seatrial.topology.expand import NOWHERE

PODS, REQUESTS = 2, 12


@pytest.fixture(autouse=True)
def port(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have the pods, which share this machine's network here, listen where nobody else does."""
    monkeypatch.setattr(pods, "PORT", free_address("127.0.0.1").port)


def served(scene: Callable[[PodOrigin, str, LocalPods], Awaitable[None]], directory: Path) -> None:
    async def play() -> None:
        cluster = LocalPods(Faults(breaks_after=1, repeats=1))
        origin = PodOrigin(OriginPlan(body_bytes=321), Group(job(PODS, "origin"), cluster))
        endpoints = await origin.start(Launch(directory, directory, NOWHERE, 10, ThisMachine(), "origin"))
        assert len(endpoints) == PODS
        try:
            await scene(origin, endpoints[0].url, cluster)
        finally:
            await origin.stop()

    asyncio.run(play())


def fetch(url: str) -> int:
    with urlopen(url, timeout=10) as answer:
        return len(answer.read())


def test_what_pods_have_answered_is_counted_exactly_and_kept(tmp_path: Path) -> None:
    async def scene(origin: PodOrigin, url: str, _: LocalPods) -> None:
        sizes = [await asyncio.to_thread(fetch, url) for _ in range(REQUESTS)]
        assert sizes == [321] * REQUESTS
        counts = await origin.counts()
        assert counts.requests == REQUESTS
        assert sum(counts.by_route.values()) == REQUESTS
        assert origin.failure() is None
        await origin.stop()
        assert (await origin.counts()).requests == REQUESTS

    served(scene, tmp_path)


def test_a_pod_that_is_killed_is_named_and_its_counts_are_not_made_up(tmp_path: Path) -> None:
    async def scene(origin: PodOrigin, _: str, cluster: LocalPods) -> None:
        process = cluster.pods["load-1"].process
        assert process is not None
        process.kill()
        with pytest.raises(
            SystemFault, match="pod load-1 on node node-1 has ended and taken its counts with it"
        ):
            await origin.counts()
        assert origin.failure() == "origin pod load-1 on node node-1 ended with exit status 137"

    served(scene, tmp_path)
