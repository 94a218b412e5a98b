"""Options of proxies, each judged from outside: by servers of the test, by files, and by the proxy's own pages."""

from __future__ import annotations

import asyncio
import http.client
import http.server
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest
from tests.support.systems import require, single
from tests.support.tls_server import issue, tls_server

from seatrial.errors import SystemFault
from seatrial.machine.address import Endpoint
from seatrial.machine.place import ThisMachine
from seatrial.systems.base import Launch, System
from seatrial.systems.certificate import ORIGIN_NAME
from seatrial.systems.haproxy.system import HaproxyOptions
from seatrial.systems.nginx.in_force import MET_COUNTER
from seatrial.systems.registry import LOCAL
from seatrial.systems.settings import require_in_force

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from pathlib import Path

PROXIES = [kind for kind, options in LOCAL.items() if options.proxied]
REQUESTS = 25
LIMIT_S = 30.0
REFUSED = "no answer"


@dataclass(slots=True)
class Judge:
    """A server of the test, and what it has seen; it answers once ``released``."""

    endpoint: Endpoint
    connections: int = 0
    requests: int = 0
    together: int = 0
    most: int = 0
    head_bytes: int = 0
    released: threading.Event = field(default_factory=threading.Event)
    lock: threading.Lock = field(default_factory=threading.Lock)


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128
    judge: Judge

    def process_request(self, request: Any, client_address: Any) -> None:
        self.judge.connections += 1
        super().process_request(request, client_address)


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1
    server: Server

    def do_GET(self) -> None:
        judge = self.server.judge
        with judge.lock:
            judge.requests += 1
            judge.together += 1
            judge.most = max(judge.most, judge.together)
        judge.released.wait(LIMIT_S)
        with judge.lock:
            judge.together -= 1
        self.send_response(200)
        if judge.head_bytes:
            self.send_header("X-Long", "x" * judge.head_bytes)
        self.send_header("Content-Length", "5")
        self.end_headers()
        self.wfile.write(b"hello")

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        pass


@contextmanager
def a_judge() -> Iterator[Judge]:
    with Server(("127.0.0.1", 0), Handler) as server:
        server.judge = judge = Judge(Endpoint("127.0.0.1", server.server_address[1]))
        judge.released.set()
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        try:
            yield judge
        finally:
            judge.released.set()
            server.shutdown()
            thread.join()


@asynccontextmanager
async def started(
    directory: Path, kind: str, upstream: Endpoint, **options: Any
) -> AsyncIterator[tuple[System, Endpoint, Launch]]:
    require(kind)
    system = LOCAL[kind](**options).create()
    launch = Launch(directory, directory, single((upstream,)), 100, ThisMachine(), kind)
    (address,) = await system.start(launch)
    try:
        yield system, address, launch
    finally:
        await system.stop()


def get(address: Endpoint, count: int = 1, headers: dict[str, str] | None = None) -> list[Any]:
    """Ask over one connection; return each status, or that there was none, and the fields of the last answer."""
    client = http.client.HTTPConnection(address.host, address.port, timeout=LIMIT_S)
    seen: list[Any] = []
    fields: dict[str, str] = {}
    try:
        for _ in range(count):
            client.request("GET", "/", headers=headers or {})
            answer = client.getresponse()
            answer.read()
            seen.append(answer.status)
            fields = {name.lower(): value for name, value in answer.getheaders()}
    except (OSError, http.client.HTTPException):
        seen.append(REFUSED)
    finally:
        client.close()
    return [*seen, fields]


async def statuses(address: Endpoint, count: int = 1, headers: dict[str, str] | None = None) -> set[Any]:
    *seen, _ = await asyncio.to_thread(get, address, count, headers)
    return set(seen)


# The sizes that each has an option for, and what a head of twice the size is refused with.
SIZES: dict[str, dict[str, Any]] = {
    "envoy": {"buffer": 65_536, "header_buffer": 4_096},
    "nginx": {"buffer": 8_192, "header_buffer": 4_096},
    "haproxy": {"buffer": 4_096},
    "traefik": {"header_buffer": 4_096},
    "caddy": {"buffer": 65_536, "header_buffer": 4_096},
}
TOO_LARGE = {"envoy": 431, "nginx": 400, "haproxy": 400, "traefik": 431, "caddy": 431}


@pytest.mark.parametrize("kind", PROXIES)
def test_the_origin_is_asked_over_tls_and_its_name_verified(tmp_path: Path, kind: str) -> None:
    pem = issue(tmp_path, ORIGIN_NAME, "127.0.0.1")

    async def trial() -> None:
        with tls_server(pem) as server:
            upstream = Endpoint("127.0.0.1", server.port, pem.ca)
            async with started(tmp_path, kind, upstream, tls_upstream=True) as (_, address, _):
                assert await statuses(address, REQUESTS) == {200}
            # Who speaks plain HTTP makes no handshake that succeeds; kept connections make few.
            assert set(server.seen.names) == {ORIGIN_NAME}
            assert 1 <= len(server.seen.names) < REQUESTS

    asyncio.run(trial())


@pytest.mark.parametrize("kind", PROXIES)
def test_an_origin_of_another_name_is_not_asked(tmp_path: Path, kind: str) -> None:
    pem = issue(tmp_path, "someone-else.example.com")

    async def trial() -> None:
        with tls_server(pem) as server:
            upstream = Endpoint("127.0.0.1", server.port, pem.ca)
            async with started(tmp_path, kind, upstream, tls_upstream=True) as (_, address, _):
                assert await statuses(address) <= {500, 502, 503}
            assert server.seen.hosts == set()

    asyncio.run(trial())


@pytest.mark.parametrize("kind", PROXIES)
def test_without_keep_alive_each_request_has_a_connection_of_its_own(tmp_path: Path, kind: str) -> None:
    async def trial() -> None:
        for pool in (0, None):
            given = {} if pool is None else {"keepalive_upstream": pool}
            with a_judge() as judge:
                async with started(tmp_path, kind, judge.endpoint, **given) as (system, address, _):
                    assert await statuses(address, REQUESTS) == {200}
                    require_in_force(await system.settings())
                assert judge.requests == REQUESTS
                assert (judge.connections == REQUESTS) == (pool == 0), judge.connections

    asyncio.run(trial())


@pytest.mark.parametrize("log", ["off", "stdout", "file"])
@pytest.mark.parametrize("kind", PROXIES)
def test_the_access_log_has_a_line_for_each_request(tmp_path: Path, kind: str, log: str) -> None:
    if (kind, log) == ("haproxy", "file"):
        with pytest.raises(ValueError, match="writes no files"):
            HaproxyOptions(access_log="file")
        return

    async def trial() -> None:
        with a_judge() as judge:
            async with started(tmp_path, kind, judge.endpoint, access_log=log) as (system, address, launch):
                await asyncio.to_thread(lambda: [get(address, 5) for _ in range(REQUESTS // 5)])
                # What it listens on is not in it: to be asked how it is, is no request of a client's.
                await system.counters()
        if log == "off":
            assert not launch.access_log.exists()
        else:
            assert len(launch.access_log.read_text().splitlines()) == REQUESTS

    asyncio.run(trial())


@pytest.mark.parametrize("kind", PROXIES)
def test_sizes_are_in_force_and_what_is_beyond_them_is_refused(tmp_path: Path, kind: str) -> None:
    async def trial() -> None:
        with a_judge() as judge:
            async with started(tmp_path, kind, judge.endpoint, **SIZES[kind]) as (system, address, _):
                settings = await system.settings()
                require_in_force(settings)
                assert sum(setting.asked in SIZES[kind].values() for setting in settings) >= 1
                # Who goes on sending to a connection that is closed may not see why.
                refusals = {TOO_LARGE[kind], REFUSED}
                # Go has 4 KiB to spare, HAProxy keeps 1 KiB of its buffer for itself.
                assert await statuses(address, headers={"X-Long": "x" * 2_000}) == {200}
                assert await statuses(address, headers={"X-Long": "x" * 12_000}) <= refusals
            assert judge.requests == 1

    asyncio.run(trial())


def test_an_answers_head_beyond_nginxs_buffer_is_refused(tmp_path: Path) -> None:
    async def trial() -> None:
        with a_judge() as judge:
            judge.head_bytes = 6_000
            for size, status in ((4_096, 502), (16_384, 200)):
                async with started(tmp_path, "nginx", judge.endpoint, buffer=size) as (_, address, _):
                    assert await statuses(address) == {status}

    asyncio.run(trial())


MERGED: dict[str, tuple[dict[str, Any], str, str]] = {
    "envoy": (
        {
            "static_resources": {
                "listeners": [
                    {
                        "name": "ingress",
                        "filter_chains": [
                            {
                                "filters": [
                                    {
                                        "name": "envoy.filters.network.http_connection_manager",
                                        "typed_config": {"server_name": "merged"},
                                    }
                                ]
                            }
                        ],
                    }
                ],
                "clusters": [{"name": "*", "connect_timeout": "3s"}],
            }
        },
        "server",
        "merged",
    ),
    "nginx": ({"location": "add_header X-Merged merged;"}, "x-merged", "merged"),
    "haproxy": ({"frontend": "http-response set-header X-Merged merged"}, "x-merged", "merged"),
    "traefik": (
        {
            "http": {
                "middlewares": {"mark": {"headers": {"customResponseHeaders": {"X-Merged": "merged"}}}},
                "routers": {"route-0": {"middlewares": ["mark"]}},
            }
        },
        "x-merged",
        "merged",
    ),
    "caddy": (
        {
            "apps": {
                "http": {
                    "servers": {
                        "ingress": {
                            "routes": [
                                {"handle": [{"headers": {"response": {"set": {"X-Merged": ["merged"]}}}}]}
                            ]
                        }
                    }
                }
            }
        },
        "x-merged",
        "merged",
    ),
}


@pytest.mark.parametrize("kind", PROXIES)
def test_raw_configuration_is_merged_in(tmp_path: Path, kind: str) -> None:
    config, field_name, value = MERGED[kind]

    async def trial() -> None:
        with a_judge() as judge:
            async with started(tmp_path, kind, judge.endpoint, config=config) as (system, address, _):
                *_, fields = await asyncio.to_thread(get, address)
                assert fields[field_name] == value
                require_in_force(await system.settings())
                assert (await system.counters(exact=True)).requests == 1

    asyncio.run(trial())


@pytest.mark.parametrize(
    ("kind", "config", "words"),
    [
        ("envoy", {"static_resources": {"nonsense": 1}}, "'nonsense'"),
        ("nginx", {"http": "nonsense on;"}, 'unknown directive "nonsense"'),
        ("haproxy", {"defaults": "nonsense 1"}, "unknown keyword 'nonsense'"),
        ("traefik", {"http": {"nonsense": 1}}, "field not found, node: nonsense"),
        ("traefik", {"log": {"nonsense": 1}}, "field not found, node: nonsense"),
        ("haproxy", {"global": "maxconn 100"}, "'maxconn' already specified"),
        ("caddy", {"apps": {"nonsense": {}}}, "nonsense"),
    ],
)
def test_what_a_proxy_says_of_nonsense_reaches_the_user(
    tmp_path: Path, kind: str, config: dict[str, Any], words: str
) -> None:
    async def trial() -> None:
        with pytest.raises(SystemFault) as raised:
            async with started(tmp_path, kind, Endpoint("127.0.0.1", 9), config=config):
                pass
        assert words in (raised.value.cause or ""), raised.value.cause

    asyncio.run(trial())


@pytest.mark.parametrize(
    ("kind", "config", "text"),
    [
        ("haproxy", {"defaults": "maxconn 100"}, r"slim: 1,000 asked, 100 in force \(show stat\)"),
        (
            "envoy",
            {
                "static_resources": {
                    "clusters": [
                        {"name": "*", "circuit_breakers": {"thresholds": [{"max_requests": 7}]}},
                    ]
                }
            },
            r"max_requests: 50,000 asked, 7 in force \(/clusters\)",
        ),
        (
            "caddy",
            {
                "apps": {
                    "http": {
                        "servers": {
                            "ingress": {"routes": [{"handle": [{"upstreams": [{"max_requests": 7}]}]}]}
                        }
                    }
                }
            },
            r"max_requests: no limit asked, 7 in force",
        ),
    ],
)
def test_what_is_in_force_and_was_not_asked_for_is_an_error(
    tmp_path: Path, kind: str, config: dict[str, Any], text: str
) -> None:
    async def trial() -> None:
        async with started(tmp_path, kind, Endpoint("127.0.0.1", 9), config=config) as (system, *_):
            with pytest.raises(SystemFault, match=text):
                require_in_force(await system.settings())
        # Who leaves the limits to the proxy may set them so.
        own = {"config": config, "limits": "default"}
        async with started(tmp_path, kind, Endpoint("127.0.0.1", 9), **own) as (system, *_):
            require_in_force(await system.settings())

    asyncio.run(trial())


ASKED = 20
# With a limit: how many of them are refused at least, with what, and what it says that it has met.
LIMITED: dict[str, tuple[int, int, int, str]] = {
    # As many wait for a connection as there may be connections; while one is opened, its own request is one of them.
    "envoy": (3, ASKED - 6, 503, "cluster.upstream_rq_pending_overflow"),
    "caddy": (3, ASKED - 3, 503, ""),
}


@pytest.mark.parametrize("kind", LIMITED)
def test_beyond_a_limit_of_requests_all_are_refused(tmp_path: Path, kind: str) -> None:
    limit, at_least, status, counter = LIMITED[kind]

    async def trial() -> None:
        with a_judge() as judge, ThreadPoolExecutor(ASKED) as pool:
            judge.released.clear()
            async with started(tmp_path, kind, judge.endpoint, limits=limit) as (system, address, _):
                require_in_force(await system.settings())
                asked = [pool.submit(get, address) for _ in range(ASKED)]
                await until(lambda: sum(one.done() for one in asked) >= at_least)
                # Nobody else was let through meanwhile, and everybody is answered.
                assert at_least <= sum(one.done() for one in asked) <= ASKED - limit
                judge.released.set()
                seen = [(await asyncio.wrap_future(one))[0] for one in asked]
                refused = seen.count(status)
                assert at_least <= refused == ASKED - seen.count(200)
                assert judge.most == limit
                (reading,) = (await system.counters(exact=True)).members.values()
                assert not counter or reading.limits_met[counter] == refused

    asyncio.run(trial())


def test_beyond_haproxys_limit_connections_wait(tmp_path: Path) -> None:
    async def trial() -> None:
        with a_judge() as judge, ThreadPoolExecutor(ASKED) as pool:
            judge.released.clear()
            async with started(tmp_path, "haproxy", judge.endpoint, limits=3) as (system, address, _):
                asked = [pool.submit(get, address) for _ in range(ASKED)]
                await until(lambda: judge.together >= 3)
                await asyncio.sleep(0.3)
                assert judge.together == 3
                judge.released.set()
                assert {(await asyncio.wrap_future(one))[0] for one in asked} == {200}
                assert judge.most == 3
                (reading,) = (await system.counters(exact=True)).members.values()
                assert reading.limits_met == {"frontend.smax": 3}

    asyncio.run(trial())


def test_an_nginx_without_connections_left_says_so(tmp_path: Path) -> None:
    async def trial() -> None:
        with a_judge() as judge, ThreadPoolExecutor(ASKED) as pool:
            judge.released.clear()
            async with started(tmp_path, "nginx", judge.endpoint, limits=16) as (system, address, _):
                asked = [pool.submit(get, address) for _ in range(ASKED)]
                # Each takes one of a client and one to the origin, beside those that it listens on.
                await until(lambda: sum(one.done() for one in asked) >= ASKED - 8)
                judge.released.set()
                seen = [(await asyncio.wrap_future(one))[0] for one in asked]
                assert judge.most <= 8
                assert set(seen) <= {200, 500, REFUSED}
                assert seen.count(200) == judge.requests
                (reading,) = (await system.counters(exact=True)).members.values()
                # It says so for most that it turns away: those that it takes a connection from it does not name.
                assert seen.count(200) < ASKED
                assert 0 < reading.limits_met[MET_COUNTER] <= ASKED

    asyncio.run(trial())


async def until(condition: Any, limit_s: float = LIMIT_S) -> None:
    for _ in range(int(limit_s / 0.05)):
        if condition():
            return
        await asyncio.sleep(0.05)
    raise AssertionError("it did not come to that")
