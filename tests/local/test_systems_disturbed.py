"""Real proxies of every kind that are reloaded, changed, killed and drained, before servers that say who they are."""

from __future__ import annotations

import asyncio
import dataclasses
import http.client
import http.server
import socket
import ssl
import threading
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from tests.support.systems import require

from seatrial.errors import SystemFault
from seatrial.machine import proc
from seatrial.machine.address import Endpoint
from seatrial.machine.place import ThisMachine
from seatrial.systems.base import Launch
from seatrial.systems.certificate import Certificate
from seatrial.systems.disturbance import OF_CONFIGURATION
from seatrial.systems.local.fleet import Fleet
from seatrial.systems.registry import LOCAL
from seatrial.topology.expand import expand
from seatrial.topology.options import TopologyPlan

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from seatrial.systems.local.proxy import Proxy
    from seatrial.topology.expand import Topology

KINDS = tuple(kind for kind, options in LOCAL.items() if options.proxied)
CHANGEABLE = tuple(kind for kind in KINDS if LOCAL[kind].disturbances >= OF_CONFIGURATION)
RELOADABLE = tuple(kind for kind in KINDS if "reload" in LOCAL[kind].disturbances)
SERVERS = 6
LIVE_LIMIT_S = 20.0


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.body = str(self.server_port).encode()


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1

    def do_GET(self) -> None:
        assert isinstance(self.server, Server)
        body = self.server.body
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture(scope="module")
def servers() -> Iterator[tuple[Endpoint, ...]]:
    """Addresses of servers, each of which answers with its port."""
    made = [Server() for _ in range(SERVERS)]
    for server in made:
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    yield tuple(Endpoint("127.0.0.1", server.server_address[1]) for server in made)
    for server in made:
        server.shutdown()
        server.server_close()


def launch_in(
    tmp_path: Path, topology: Topology, kind: str, certificate: Certificate | None = None
) -> Launch:
    return Launch(
        tmp_path, tmp_path, topology, 1000, ThisMachine(), kind, certificate=certificate, is_reconfigured=True
    )


def proxy_of(kind: str) -> Proxy:
    require(kind)
    made: Proxy = LOCAL[kind]().create()  # type: ignore[assignment]
    return made


@asynccontextmanager
async def serving(
    tmp_path: Path, topology: Topology, kind: str, certificate: Certificate | None = None
) -> AsyncIterator[tuple[Proxy, Endpoint]]:
    """A proxy that serves, and where; it is stopped at the end."""
    proxy = proxy_of(kind)
    (at,) = await proxy.start(launch_in(tmp_path, topology, kind, certificate))
    try:
        yield proxy, at
    finally:
        await proxy.stop()


def asked(at: Endpoint, host: str) -> tuple[int, int]:
    """Ask once over a connection of its own; return the status and the port of who answered."""
    client = http.client.HTTPConnection(at.host, at.port, timeout=30)
    try:
        client.request("GET", "/", headers={"Host": host})
        response = client.getresponse()
        body = response.read()
        return response.status, int(body) if response.status == 200 else 0
    finally:
        client.close()


async def answered_by(at: Endpoint, host: str) -> set[int]:
    """Return who answers for a host, over several connections; {} where nobody does."""
    answers = [await asyncio.to_thread(asked, at, host) for _ in range(8)]
    return {port for status, port in answers if status == 200}


async def until_answered_by(at: Endpoint, host: str, ports: set[int]) -> None:
    """Wait until those answer and no other: a proxy may spread what it has read to its workers."""
    async with asyncio.timeout(LIVE_LIMIT_S):
        while await answered_by(at, host) != ports:  # noqa: ASYNC110 (nobody would set an event)
            await asyncio.sleep(0.1)


@pytest.mark.parametrize("kind", CHANGEABLE)
def test_routes_and_endpoints_come_and_go_while_it_serves(
    tmp_path: Path, servers: tuple[Endpoint, ...], kind: str
) -> None:
    ports = [server.port for server in servers]
    plan = TopologyPlan(routes=2)
    few = expand(plan, servers, 2)
    more_routes = expand(plan.model_copy(update={"routes": 3}), servers, 2)
    more_endpoints = expand(plan.model_copy(update={"endpoints": 2}), servers, 2)

    async def trial() -> None:
        async with serving(tmp_path, few, kind) as (proxy, at):
            first, second, third = (f"route-{number}.example.com" for number in range(3))
            assert await answered_by(at, first) == {ports[0]}
            assert await answered_by(at, third) == set()
            await proxy.reload(more_routes)
            await until_answered_by(at, third, {ports[4]})
            assert await answered_by(at, second) == {ports[2]}
            await proxy.reload(more_endpoints)
            await until_answered_by(at, second, {ports[2], ports[3]})
            await until_answered_by(at, third, set())
            await proxy.reload(few)
            await until_answered_by(at, second, {ports[2]})
            assert proxy.failure() is None

    asyncio.run(trial())


@pytest.mark.parametrize("kind", CHANGEABLE)
def test_another_certificate_is_shown_to_who_connects_anew(
    tmp_path: Path, servers: tuple[Endpoint, ...], kind: str
) -> None:
    first, second = Certificate.issue_several(tmp_path, ["127.0.0.1"], 2)
    assert first.ca.read_text().count("BEGIN CERTIFICATE") == 2

    def shown(at: Endpoint) -> bytes:
        context = ssl.create_default_context(cafile=at.ca)
        with (
            socket.create_connection((at.host, at.port), 30) as plain,
            context.wrap_socket(plain, server_hostname=at.host) as secured,
        ):
            return secured.getpeercert(binary_form=True) or b""

    async def trial() -> None:
        async with serving(tmp_path, expand(TopologyPlan(), servers[:1]), kind, first) as (proxy, at):
            assert await asyncio.to_thread(shown, at) == ssl.PEM_cert_to_DER_cert(first.cert.read_text())
            await proxy.reload(certificate=second)
            async with asyncio.timeout(LIVE_LIMIT_S):
                wanted = ssl.PEM_cert_to_DER_cert(second.cert.read_text())
                while await asyncio.to_thread(shown, at) != wanted:  # noqa: ASYNC110
                    await asyncio.sleep(0.1)

    asyncio.run(trial())


@pytest.mark.parametrize("kind", RELOADABLE)
def test_a_reload_loses_no_count_or_says_so_and_its_old_processes_may_end(
    tmp_path: Path, servers: tuple[Endpoint, ...], kind: str
) -> None:
    async def trial() -> None:
        async with serving(tmp_path, expand(TopologyPlan(), servers[:1]), kind) as (proxy, at):
            before = {ref for member in proxy.members() for ref in member.processes}
            for _ in range(5):
                await asyncio.to_thread(asked, at, "any")
            await proxy.reload()
            for _ in range(5):
                await asyncio.to_thread(asked, at, "any")
            after = {ref for member in proxy.members() for ref in member.processes}
            counters = await proxy.counters(exact=True)
            if counters.interrupted:
                assert counters.interrupted == (kind,)
            else:
                assert counters.requests == 10
            assert before - after <= proxy.put_down
            assert proxy.failure() is None
            old = [ref for ref in proxy.put_down if ref not in after]
            async with asyncio.timeout(LIVE_LIMIT_S):
                while any(proc.is_alive(ref.pid, ref.started_ticks) for ref in old):  # noqa: ASYNC110
                    await asyncio.sleep(0.1)
            assert proxy.failure() is None

    asyncio.run(trial())


@pytest.mark.parametrize("kind", KINDS)
def test_one_that_was_killed_is_down_and_comes_back_at_its_address(
    tmp_path: Path, servers: tuple[Endpoint, ...], kind: str
) -> None:
    async def trial() -> None:
        async with serving(tmp_path, expand(TopologyPlan(), servers[:1]), kind) as (proxy, at):
            processes = [ref for member in proxy.members() for ref in member.processes]
            await proxy.kill()
            assert not any(proc.is_alive(ref.pid, ref.started_ticks) for ref in processes)
            assert set(processes) <= proxy.put_down
            assert (proxy.members(), proxy.failure()) == ((), None)
            down = await proxy.counters()
            assert (dict(down.members), down.interrupted) == ({}, (kind,))
            with pytest.raises(ConnectionRefusedError):
                asked(at, "any")
            with pytest.raises(SystemFault, match="is down"):
                await proxy.kill()
            await proxy.revive()
            assert await answered_by(at, "any") == {servers[0].port}
            assert proxy.failure() is None
            assert (await proxy.counters(exact=True)).requests == 8

    asyncio.run(trial())


@pytest.mark.parametrize("kind", KINDS)
def test_a_member_that_drains_ends_and_the_others_serve_on(
    tmp_path: Path, servers: tuple[Endpoint, ...], kind: str
) -> None:
    require(kind)

    async def trial() -> None:
        members = [proxy_of(kind) for _ in range(2)]
        fleet = Fleet(members)
        at = await fleet.start(launch_in(tmp_path, expand(TopologyPlan(), servers[:1]), kind))
        try:
            # Somebody holds a connection of it, and asks for nothing.
            with socket.create_connection((at[0].host, at[0].port), 30):
                await fleet.proxies()[0].drain(1.0)
            with pytest.raises(ConnectionRefusedError):
                asked(at[0], "any")
            assert await answered_by(at[1], "any") == {servers[0].port}
            assert fleet.failure() is None
            assert [member.name for member in fleet.members()] == [f"{kind}-2"]
            counters = await fleet.counters()
            assert (set(counters.members), counters.interrupted) == ({f"{kind}-2"}, (f"{kind}-1",))
            assert await fleet.drained(10.0)
        finally:
            await fleet.stop()

    asyncio.run(trial())


@pytest.mark.parametrize("kind", ["nginx", "envoy"])
def test_a_restart_ends_every_process_and_starts_others(
    tmp_path: Path, servers: tuple[Endpoint, ...], kind: str
) -> None:
    async def trial() -> None:
        async with serving(tmp_path, expand(TopologyPlan(), servers[:1]), kind) as (proxy, at):
            before = {ref for member in proxy.members() for ref in member.processes}
            await proxy.restart()
            after = {ref for member in proxy.members() for ref in member.processes}
            assert before
            assert after
            assert not before & after
            assert not any(proc.is_alive(ref.pid, ref.started_ticks) for ref in before)
            assert await answered_by(at, "any") == {servers[0].port}
        assert not any(proc.is_alive(ref.pid, ref.started_ticks) for ref in after)

    asyncio.run(trial())


def test_a_configuration_that_it_refuses_does_not_reach_a_running_proxy(
    tmp_path: Path, servers: tuple[Endpoint, ...]
) -> None:
    async def trial() -> None:
        async with serving(tmp_path, expand(TopologyPlan(), servers[:1]), "nginx") as (proxy, at):
            broken = expand(TopologyPlan(), servers[:1])
            service = dataclasses.replace(broken.services[0], name="not a name;")
            broken = dataclasses.replace(broken, services=(service,))
            with pytest.raises(SystemFault, match="refuses its configuration"):
                await proxy.reload(broken)
            assert await answered_by(at, "any") == {servers[0].port}

    asyncio.run(trial())
