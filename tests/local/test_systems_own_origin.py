"""Our own origin, the engine's real one, as a system's upstream."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import http.client
import json
import select
import socket
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Literal

import pytest
from tests.support.members import processes_of
from tests.support.systems import single

from seatrial import _boot
from seatrial.machine import proc
from seatrial.machine.address import Address, Endpoint
from seatrial.machine.place import ThisMachine
from seatrial.machine.sockets import free_address
from seatrial.probe.asking import ENDPOINT_FIELD
from seatrial.systems.base import Launch
from seatrial.systems.direct import DirectOptions
from seatrial.systems.envoy.system import EnvoyOptions
from seatrial.systems.nginx.system import NginxOptions
from seatrial.systems.origins.asking import specification
from seatrial.systems.origins.options import DelayPlan, OriginPlan
from seatrial.systems.registry import create_origin
from seatrial.topology.expand import NOWHERE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
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


REQUEST = b"GET / HTTP/1.1\r\nHost: here\r\n\r\n"
SILENCE_S = 0.4


@pytest.fixture
def connected() -> Iterator[Callable[[Endpoint], socket.socket]]:
    """Connects to an address; all is closed at the end."""
    with contextlib.ExitStack() as clients:
        yield lambda address: clients.enter_context(
            socket.create_connection((address.host, address.port), timeout=30)
        )


def exchanged(client: socket.socket) -> bytes:
    client.sendall(REQUEST)
    return client.recv(65_536)


def has_answers(clients: list[socket.socket], within_s: float) -> list[bool]:
    answered, _, _ = select.select(clients, [], [], within_s)
    return [client in answered for client in clients]


@pytest.mark.parametrize("processes", [1, 2])
def test_one_address_stands_still_as_a_stopped_process_does_and_goes_on(
    tmp_path: Path, processes: int, connected: Callable[[Endpoint], socket.socket]
) -> None:
    """The judge is a client: what waits is answered after the pause, all of it, and nothing is at the others."""

    async def trial() -> None:
        origin = create_origin(OriginPlan(processes=processes))
        addresses = await origin.start(dataclasses.replace(launch_in(tmp_path), listens=3))
        kept = [connected(address) for address in addresses]
        try:
            assert all(exchanged(client).startswith(b"HTTP/1.1 200") for client in kept)
            await origin.pause([1])
            # One over a connection from before, one over a new one, which the kernel takes, and one that leaves again.
            waiting, leaving = [kept[1], connected(addresses[1])], connected(addresses[1])
            for client in (*waiting, leaving):
                client.sendall(REQUEST)
            leaving.close()
            for place in (0, 2):
                assert exchanged(kept[place]).startswith(b"HTTP/1.1 200")
                assert exchanged(connected(addresses[place])).startswith(b"HTTP/1.1 200")
            assert has_answers(waiting, SILENCE_S) == [False, False]
            # Nobody has read what waits.
            assert (await origin.counts()).by_endpoint == (3, 1, 3)
            await origin.pause([])
            assert all(client.recv(65_536).startswith(b"HTTP/1.1 200") for client in waiting)
            assert all(exchanged(client).startswith(b"HTTP/1.1 200") for client in (*waiting, *kept))
            counts = await origin.counts()
            assert counts.by_endpoint == (4, 7, 4)
            assert counts.requests == 15
            assert counts.connections_accepted == 7
        finally:
            await origin.stop()

    asyncio.run(trial())


def test_an_answer_that_becomes_due_in_a_pause_leaves_after_it(
    tmp_path: Path, connected: Callable[[Endpoint], socket.socket]
) -> None:
    async def trial() -> None:
        origin = create_origin(OriginPlan(delay=DelayPlan(kind="fixed", mean_s=1.0)))
        addresses = await origin.start(dataclasses.replace(launch_in(tmp_path), listens=2))
        clients = [connected(address) for address in addresses]
        try:
            for client in clients:
                client.sendall(REQUEST)
            # Read, and held back.
            while sum((await origin.counts()).by_endpoint) < 2:
                pass
            await origin.pause([0])
            assert has_answers(clients[1:], 30.0) == [True]
            assert has_answers(clients, SILENCE_S) == [False, True]
            await origin.pause([])
            assert clients[0].recv(65_536).startswith(b"HTTP/1.1 200")
            # One that is still paused at the end is answered all the same.
            await origin.pause([0, 1])
            clients[0].sendall(REQUEST)
        finally:
            await origin.stop()
        assert clients[0].recv(65_536).startswith(b"HTTP/1.1 200")
        assert (await origin.counts()).by_endpoint == (2, 1)

    asyncio.run(trial())


def test_an_answer_says_at_which_address_it_was_asked_for_where_the_request_wants_to_know(
    tmp_path: Path,
) -> None:
    async def trial() -> None:
        origin = create_origin(OriginPlan(body_bytes=200_000))
        addresses = await origin.start(dataclasses.replace(launch_in(tmp_path), listens=2))
        try:
            for address in addresses:
                client = http.client.HTTPConnection(address.host, address.port, timeout=30)
                for wanted in (True, False, True):
                    client.request("GET", "/", headers={ENDPOINT_FIELD: "wanted"} if wanted else {})
                    response = client.getresponse()
                    assert len(response.read()) == 200_000
                    assert response.getheader(ENDPOINT_FIELD) == (str(address) if wanted else None)
                client.request("HEAD", "/", headers={ENDPOINT_FIELD: "wanted"})
                response = client.getresponse()
                assert (response.read(), response.getheader(ENDPOINT_FIELD)) == (b"", str(address))
                client.close()
        finally:
            await origin.stop()

    asyncio.run(trial())


def test_what_listens_everywhere_says_the_address_at_which_it_was_asked() -> None:
    port = free_address("127.0.0.1").port
    asked = specification(OriginPlan(), (Address("0.0.0.0", port),), 1, 1)
    argv = _boot.argv("origin")
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as origin:
        assert origin.stdin is not None
        assert origin.stdout is not None
        print(json.dumps(asked), file=origin.stdin, flush=True)
        assert json.loads(origin.stdout.readline())["type"] == "ready"
        for host in ("127.0.0.2", "127.0.0.3"):
            client = http.client.HTTPConnection(host, port, timeout=30)
            client.request("GET", "/", headers={ENDPOINT_FIELD: "wanted"})
            assert client.getresponse().getheader(ENDPOINT_FIELD) == f"{host}:{port}"
            client.close()
        print(json.dumps({"cmd": "stop"}), file=origin.stdin, flush=True)
        origin.stdin.close()


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
