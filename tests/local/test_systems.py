"""Real Envoy, real nginx and no proxy at all, in front of a small standard-library server."""

from __future__ import annotations

import asyncio
import http.client
import http.server
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from tests.support.members import processes_of
from tests.support.systems import installed, require, single

from seatrial.errors import EnvironmentFault, SystemFault
from seatrial.machine import proc, sockets
from seatrial.machine.address import Endpoint
from seatrial.machine.place import Place, ThisMachine
from seatrial.machine.processes import programs
from seatrial.systems.base import Launch, System
from seatrial.systems.caddy.system import CaddyOptions
from seatrial.systems.envoy.system import EnvoyOptions
from seatrial.systems.haproxy.system import HaproxyOptions
from seatrial.systems.nginx.dialect import PROGRAM, has_stub_status
from seatrial.systems.nginx.system import NginxOptions
from seatrial.systems.registry import LOCAL

if TYPE_CHECKING:
    from collections.abc import Iterator


@dataclass(frozen=True)
class Traits:
    processes: int
    accepted: bool = True
    upstream: bool = True


# How many processes each runs as, and what of it is not counted: by nginx where its build has no status page.
PROXIES = {
    "envoy": Traits(1),
    "nginx": Traits(2, accepted=False, upstream=False),
    "haproxy": Traits(2),
    "traefik": Traits(1, accepted=False),
    "caddy": Traits(1, accepted=False, upstream=False),
}


class Upstream(http.server.ThreadingHTTPServer):
    daemon_threads = True
    requests = 0
    request_queue_size = 128

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    # Head and body in one packet: in two, each answer would wait 40 ms for a delayed acknowledgement.
    wbufsize = -1
    lock = threading.Lock()

    def do_GET(self) -> None:
        with self.lock:
            Upstream.requests += 1
        self.send_response(200)
        self.send_header("Content-Length", "5")
        self.end_headers()
        self.wfile.write(b"hello")

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        pass


@pytest.fixture
def upstream() -> Iterator[Endpoint]:
    Upstream.requests = 0
    with Upstream() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        yield Endpoint("127.0.0.1", server.server_address[1])
        server.shutdown()
        thread.join()


@dataclass(frozen=True)
class Taken:
    """A place whose only address is another's."""

    taken: Endpoint
    namespace: None = None
    cpus: None = None

    @property
    def host(self) -> str:
        return self.taken.host

    def address(self) -> Endpoint:
        return self.taken

    def addresses(self, count: int) -> tuple[Endpoint, ...]:
        return (self.taken,) * count

    def sources(self, count: int) -> tuple[str, ...]:
        return (self.host,) * count


def made(kind: str) -> System:
    """A system of a kind with its default options, not started."""
    require(kind)
    return LOCAL[kind]().create()


def launch_in(tmp_path: Path, upstream: Endpoint, label: str, place: Place | None = None) -> Launch:
    return Launch(tmp_path, tmp_path, single((upstream,)), 1000, place or ThisMachine(), label)


def send(address: Endpoint, connections: int, each: int) -> None:
    for _ in range(connections):
        client = http.client.HTTPConnection(address.host, address.port, timeout=30)
        for _ in range(each):
            client.request("GET", "/some/path")
            response = client.getresponse()
            assert (response.status, response.read()) == (200, b"hello")
        client.close()


async def until(condition, limit_s: float = 20.0):
    for _ in range(int(limit_s / 0.05)):
        if found := condition():
            return found
        await asyncio.sleep(0.05)
    return condition()


@pytest.mark.parametrize("kind", PROXIES)
def test_requests_are_counted_exactly(tmp_path: Path, upstream: Endpoint, kind: str) -> None:
    async def trial() -> None:
        system: System = made(kind)
        (address,) = await system.start(launch_in(tmp_path, upstream, kind))
        try:
            baseline = await system.counters(exact=True)
            assert baseline.requests == 0
            assert baseline.connections_active == 0
            runs = await system.configuration()
            await asyncio.to_thread(send, address, 7, 30)
            assert await system.drained(20.0)
            after = await system.counters()
            assert after.requests == 210 == Upstream.requests
            assert after.connections_active == 0
            traits = PROXIES[kind]
            assert after.upstream_requests == (210 if traits.upstream else None)
            accepted = traits.accepted or (kind == "nginx" and has_stub_status(programs.find(PROGRAM)))
            assert after.connections_accepted == (7 if accepted else None)
            assert traits.upstream or any("upstream requests" in text for text in after.missing)
            assert accepted or any("accepted connections" in text for text in after.missing)
            assert system.failure() is None
            # Traffic changes nothing of what it runs, and whatever is done to its files shows.
            assert await system.configuration() == runs
            assert set(runs) == {kind}
            assert after.members[kind].absent == {}, "the catalogue has the names of the installed version"
            with next(tmp_path.glob(f"{kind}*.[jcy]*")).open("a") as file:
                file.write("\n")
            assert (await system.configuration())[kind]["files"] != runs[kind]["files"]
        finally:
            await system.stop()
        # What it has counted outlives it, however often it is asked to end.
        await system.stop()
        assert (await system.counters()).requests == 210

    asyncio.run(trial())


def test_envoy_counts_are_current_at_once(tmp_path: Path, upstream: Endpoint) -> None:
    async def trial() -> None:
        system = EnvoyOptions(concurrency=2).create()
        (address,) = await system.start(launch_in(tmp_path, upstream, "envoy"))
        try:
            for expected in (3, 6, 9):
                await asyncio.to_thread(send, address, 1, 3)
                assert (await system.counters()).requests == expected
        finally:
            await system.stop()

    asyncio.run(trial())


@pytest.mark.parametrize("kind", LOCAL)
def test_held_connections_are_seen_and_drain(tmp_path: Path, upstream: Endpoint, kind: str) -> None:
    async def trial() -> None:
        system: System = made(kind)
        (address,) = await system.start(launch_in(tmp_path, upstream, kind))
        try:
            held = [socket.create_connection((address.host, address.port)) for _ in range(40)]
            for _ in range(200):
                if (await system.counters()).connections_active == 40:
                    break
                await asyncio.sleep(0.05)
            assert (await system.counters()).connections_active == 40
            assert not await system.drained(0.3)
            for connection in held:
                connection.close()
            assert await system.drained(20.0)
            assert (await system.counters()).connections_active == 0
        finally:
            await system.stop()

    asyncio.run(trial())


@pytest.mark.parametrize("kind", PROXIES)
def test_stop_leaves_nothing(tmp_path: Path, upstream: Endpoint, kind: str) -> None:
    async def trial() -> None:
        system: System = made(kind)
        (address,) = await system.start(launch_in(tmp_path, upstream, kind))
        processes = processes_of(system)
        assert len(processes) == PROXIES[kind].processes
        (member,) = system.members()
        assert (member.role, member.name, member.processes) == ("system", kind, processes)
        assert all(proc.is_alive(ref.pid, ref.started_ticks) for ref in processes)
        await system.stop()
        assert not any(proc.is_alive(ref.pid, ref.started_ticks) for ref in processes)
        assert not sockets.is_listening(address.port)
        assert system.failure() is None
        assert system.members() == ()
        await system.stop()

    asyncio.run(trial())


@pytest.mark.parametrize("kind", PROXIES)
def test_a_killed_proxy_is_noticed(tmp_path: Path, upstream: Endpoint, kind: str) -> None:
    async def trial() -> None:
        system: System = made(kind)
        await system.start(launch_in(tmp_path, upstream, kind))
        processes = processes_of(system)
        os.kill(processes[0].pid, signal.SIGKILL)
        failure = await until(system.failure)
        assert failure is not None
        assert str(processes[0].pid) in failure
        # The guard takes nginx's workers down after their master.
        alive = [ref for ref in processes if proc.is_alive(ref.pid, ref.started_ticks)]
        assert await until(lambda: not any(proc.is_alive(ref.pid, ref.started_ticks) for ref in alive))
        await system.stop()

    asyncio.run(trial())


@pytest.mark.parametrize("kind", PROXIES)
def test_a_killed_guard_takes_its_proxy_along(tmp_path: Path, upstream: Endpoint, kind: str) -> None:
    async def trial() -> None:
        system: System = made(kind)
        await system.start(launch_in(tmp_path, upstream, kind))
        processes = processes_of(system)
        first = proc.stat(processes[0].pid)
        assert first is not None
        os.kill(first.parent, signal.SIGKILL)
        assert await until(lambda: not any(proc.is_alive(ref.pid, ref.started_ticks) for ref in processes))
        assert await until(system.failure)
        await system.stop()

    asyncio.run(trial())


def test_a_frozen_proxy_can_be_stopped(
    tmp_path: Path, upstream: Endpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All kinds at once: each is asked for its counts, and then to end, until that has taken too long."""
    monkeypatch.setattr("seatrial.systems.local.proxy.STOP_LIMIT_S", 0.5)

    async def trial(kind: str) -> None:
        system = made(kind)
        directory = tmp_path / kind
        directory.mkdir()
        await system.start(launch_in(directory, upstream, kind))
        processes = processes_of(system)
        for ref in processes:
            os.kill(ref.pid, signal.SIGSTOP)
        await system.stop()
        assert not any(proc.is_alive(ref.pid, ref.started_ticks) for ref in processes), kind

    async def trials() -> None:
        await asyncio.gather(*(trial(kind) for kind in installed() if kind in PROXIES))

    asyncio.run(trials())


def test_a_killed_nginx_worker_is_noticed_though_the_master_replaces_it(
    tmp_path: Path, upstream: Endpoint
) -> None:
    async def trial() -> None:
        system = NginxOptions(worker_processes=2).create()
        await system.start(launch_in(tmp_path, upstream, "nginx"))
        try:
            worker = processes_of(system)[2]
            os.kill(worker.pid, signal.SIGKILL)
            assert await until(system.failure) == f"nginx worker (process {worker.pid}) of nginx went away"
        finally:
            await system.stop()

    asyncio.run(trial())


@pytest.mark.parametrize("kind", PROXIES)
def test_a_taken_port_is_reported_before_anything_starts(
    tmp_path: Path, upstream: Endpoint, kind: str
) -> None:
    async def trial() -> None:
        system: System = made(kind)
        with pytest.raises(EnvironmentFault, match="Address already in use") as raised:
            await system.start(launch_in(tmp_path, upstream, kind, place=Taken(upstream)))
        assert f"process {os.getpid()} " in (raised.value.cause or "")
        assert system.members() == ()
        await system.stop()

    asyncio.run(trial())


@pytest.mark.parametrize(
    ("kind", "system", "words"),
    [
        ("envoy", EnvoyOptions().create(), "malformed IP address: not-an-address"),
        (
            "nginx",
            NginxOptions.model_construct(keepalive_upstream=-1).create(),
            'invalid value "-1" in "keepalive" directive',
        ),
        ("haproxy", HaproxyOptions.model_construct(nbthread=-1).create(), "'nbthread' value must be"),
        (
            "caddy",
            CaddyOptions.model_construct(keepalive_upstream=2**70).create(),
            "cannot unmarshal",
        ),
    ],
)
def test_the_validators_own_words_reach_the_user(
    tmp_path: Path, kind: str, system: System, words: str
) -> None:
    made(kind)

    async def trial() -> None:
        bad = Endpoint("not-an-address" if kind == "envoy" else "127.0.0.1", 80)
        with pytest.raises(SystemFault, match="refuses its configuration") as raised:
            await system.start(launch_in(tmp_path, bad, kind))
        assert words in (raised.value.cause or "")

    asyncio.run(trial())


@pytest.mark.parametrize("kind", PROXIES)
def test_version_names_the_program_itself(kind: str) -> None:
    info = made(kind).version()
    assert info is not None
    assert info.version[0].isdigit()
    assert len(info.sha256) == 64
    with Path(info.path).open("rb") as file:
        assert file.read(4) == b"\x7fELF"


PARENT = """
import asyncio, sys
from pathlib import Path
from seatrial.topology.expand import expand
from seatrial.topology.options import TopologyPlan
from seatrial.systems.base import Launch
from seatrial.machine.address import Endpoint
from seatrial.machine.place import ThisMachine
from seatrial.systems.envoy.system import EnvoyOptions
from seatrial.systems.nginx.system import NginxOptions

async def main():
    directory = Path(sys.argv[1])
    for system, label in ((EnvoyOptions().create(), "envoy"), (NginxOptions(worker_processes=2).create(), "nginx")):
        upstream = Endpoint("127.0.0.1", 9)
        await system.start(Launch(directory, directory, expand(TopologyPlan(), (upstream,)), 100, ThisMachine(), label))
        print(*(ref.pid for member in system.members() for ref in member.processes), end=" ")
    print(flush=True)
    await asyncio.sleep(300)

asyncio.run(main())
"""


def test_kill_9_of_the_parent_leaves_no_proxy(tmp_path: Path) -> None:
    argv = [sys.executable, "-c", PARENT, str(tmp_path)]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        pids = [(int(word), proc.started_ticks(int(word)) or 0) for word in parent.stdout.readline().split()]
        assert len(pids) == 4
        assert all(proc.is_alive(*pid) for pid in pids)
        parent.kill()
    deadline_s = time.monotonic() + 5
    while any(proc.is_alive(*pid) for pid in pids) and time.monotonic() < deadline_s:
        time.sleep(0.05)
    assert not [pid for pid in pids if proc.is_alive(*pid)]
