"""Our own origin, the engine's real one, as a system's upstream."""

from __future__ import annotations

import asyncio
import http.client
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Literal

import pytest
from tests.support.members import processes_of
from tests.support.systems import single

from seatrial.machine import proc
from seatrial.machine.address import Endpoint
from seatrial.machine.place import ThisMachine
from seatrial.systems.base import Launch
from seatrial.systems.direct import DirectOptions
from seatrial.systems.envoy.system import EnvoyOptions
from seatrial.systems.nginx.system import NginxOptions
from seatrial.systems.origins.options import OriginPlan
from seatrial.systems.registry import create_origin
from seatrial.topology.expand import NOWHERE

if TYPE_CHECKING:
    from pathlib import Path

OPTIONS: dict[str, EnvoyOptions | NginxOptions | DirectOptions] = {
    "envoy": EnvoyOptions(),
    "nginx": NginxOptions(),
    "direct": DirectOptions(),
}


def launch_in(tmp_path: Path) -> Launch:
    return Launch(tmp_path, tmp_path, NOWHERE, 1000, ThisMachine(), "origin")


def send(address: Endpoint, count: int, path: str = "/") -> tuple[int, bytes]:
    client = http.client.HTTPConnection(address.host, address.port, timeout=30)
    for _ in range(count):
        client.request("GET", path)
        response = client.getresponse()
        body = response.read()
    client.close()
    return response.status, body


def test_our_own_origin_serves_and_counts_exactly(tmp_path: Path) -> None:
    async def trial() -> None:
        origin = create_origin(OriginPlan(processes=2))
        (address,) = await origin.start(launch_in(tmp_path))
        processes = processes_of(origin)
        try:
            for _ in range(10):
                status, body = await asyncio.to_thread(send, address, 20, "/some/path")
                assert (status, len(body)) == (200, 600)
            counts = await origin.counts()
            assert counts.requests == 200
            assert counts.by_route == {"127.0.0.1 /some/path": 200}
            assert len(processes) == 2
            assert [(member.role, member.name) for member in origin.members()] == [
                ("origin", "origin-1"),
                ("origin", "origin-2"),
            ]
        finally:
            await origin.stop()
        assert (await origin.counts()).requests == 200
        assert origin.failure() is None
        assert not any(proc.is_alive(ref.pid, ref.started_ticks) for ref in processes)

    asyncio.run(trial())


PARENT = """
import asyncio, sys
from pathlib import Path
from seatrial.systems.origins.options import OriginPlan
from seatrial.systems.registry import create_origin
from seatrial.machine.place import ThisMachine
from seatrial.systems.base import Launch
from seatrial.topology.expand import NOWHERE

async def main():
    directory = Path(sys.argv[1])
    origin = create_origin(OriginPlan(processes=2))
    await origin.start(Launch(directory, directory, NOWHERE, 100, ThisMachine(), "origin"))
    print(*(ref.pid for member in origin.members() for ref in member.processes), flush=True)
    await asyncio.sleep(300)

asyncio.run(main())
"""


def test_kill_9_of_the_parent_leaves_no_origin(tmp_path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", PARENT, str(tmp_path)], stdout=subprocess.PIPE, text=True
    ) as parent:
        assert parent.stdout is not None
        pids = [(int(word), proc.started_ticks(int(word)) or 0) for word in parent.stdout.readline().split()]
        assert len([pid for pid in pids if proc.is_alive(*pid)]) == 2
        parent.kill()
    deadline_s = time.monotonic() + 5
    while any(proc.is_alive(*pid) for pid in pids) and time.monotonic() < deadline_s:
        time.sleep(0.05)
    assert not [pid for pid in pids if proc.is_alive(*pid)]


@pytest.mark.parametrize("kind", ["envoy", "nginx", "direct"])
def test_every_count_agrees_through_the_whole_chain(
    tmp_path: Path, kind: Literal["envoy", "nginx", "direct"]
) -> None:
    async def trial() -> None:
        origin = create_origin(OriginPlan())
        system = OPTIONS[kind].create()
        upstreams = await origin.start(launch_in(tmp_path))
        try:
            launch = Launch(tmp_path, tmp_path, single(upstreams), 1000, ThisMachine(), kind)
            (address,) = await system.start(launch)
            await asyncio.to_thread(send, address, 500)
            # The proxies keep their connections to the origin; only their own side has to be empty.
            assert await system.drained(20.0)
            requests = (await system.counters()).requests
            assert requests == (None if kind == "direct" else 500)
            assert (await origin.counts()).requests == 500
        finally:
            await system.stop()
            await origin.stop()

    asyncio.run(trial())
