"""The prober against a proxy of ours: routes go live at moments that are set, and are seen within a period of them."""

from __future__ import annotations

import asyncio
import random
import ssl
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from tests.support.live_proxy import DROPPED, NOT_FOUND, WHO, Replica, served
from tests.support.tls_server import issue

from seatrial import _boot
from seatrial.machine.processes.child import Child
from seatrial.workload.tls import Tls

PERIOD_NS = 10_000_000
MS = 1_000_000
SPARE_NS = 2_000 * MS
"""So long a busy machine may leave one of the two alone."""
NEVER_NS = 1 << 62
A, B = "10.0.0.1:80", "10.0.0.2:80"


def spec_of(replicas: Sequence[Replica], **changes: Any) -> dict[str, Any]:
    return {
        "worker": 0, "replicas": [{"host": "127.0.0.1", "port": one.port} for one in replicas],
        "period_ns": PERIOD_NS, "rate_limit_per_s": 2_000.0, "timeout_ns": 2_000 * MS, "stable_after": 3,
        "field": WHO, "headers": [[WHO, "?"]], "kept_connections": 2, **changes,
    }  # fmt: skip


@asynccontextmanager
async def probing(
    replicas: Sequence[Replica], **changes: Any
) -> AsyncIterator[tuple[Child, list[dict[str, Any]]]]:
    """Have a prober, ready, and what it says from then on."""
    spec = spec_of(replicas, **changes)
    child = await Child.start(_boot.argv("prober"))
    said: list[dict[str, Any]] = []
    is_ready = asyncio.Event()

    async def listen() -> None:
        async for message in child.messages():
            said.append(message)
            if message["type"] == "ready":
                is_ready.set()

    listening = asyncio.create_task(listen())
    try:
        child.send(spec)
        await asyncio.wait_for(is_ready.wait(), 10)
        yield child, said
        child.send({"cmd": "stop"})
        await asyncio.wait_for(listening, 10)
        assert await child.wait() == 0, await child.words()
    finally:
        child.hang_up()
        await child.end(5.0)
        listening.cancel()


def settled(said: Sequence[Mapping[str, Any]]) -> dict[tuple[int, int, str], Mapping[str, Any]]:
    return {(one["id"], one["replica"], one["over"]): one for one in said if one["type"] == "settled"}


async def until(said: Sequence[Mapping[str, Any]], count: int, limit_s: float = 60.0) -> None:
    deadline_s = time.monotonic() + limit_s
    while len(settled(said)) < count:
        assert time.monotonic() < deadline_s, f"{len(settled(said))} of {count}"
        await asyncio.sleep(0.02)


@pytest.mark.parametrize(("routes", "replicas"), [(1, 1), (1, 3), (100, 2), (3_000, 2)])
def test_routes_are_seen_live_within_a_period_of_the_moment_that_they_are(routes: int, replicas: int) -> None:
    drawn = random.Random(routes)

    async def play() -> None:
        proxies = [Replica() for _ in range(replicas)]
        for proxy in proxies:
            await proxy.start()
        async with probing(proxies) as (child, said):
            now_ns = time.monotonic_ns()
            for number in range(routes):
                for proxy in proxies:
                    live_ns = now_ns + drawn.randrange(2_000 * MS)
                    proxy.live[f"r{number}"] = live_ns, NEVER_NS, A
                child.send({"cmd": "watch", "id": number, "host": f"r{number}", "path": "/", "by": [A]})
            await until(said, routes * replicas)
        for (number, replica, _), one in settled(said).items():
            live_ns, _, _ = proxies[replica].live[f"r{number}"]
            assert one["is_stable"]
            assert one["relapses"] == 0
            # That is what it claims: it came about between these two.
            assert min(one["after_ns"], live_ns) <= live_ns <= one["heard_ns"], one
            assert one["after_ns"] <= live_ns or one["answers"].keys() == {"served"}
        done = said[-1]
        assert done["type"] == "done"
        assert done["probes"] == sum(proxy.asked for proxy in proxies)
        assert [proxy.connections for proxy in proxies] == [2] * replicas
        # All that is looked for is asked in turns, as fast as this machine is: so long it is not looked at.
        heard_ns = max(one["heard_ns"] for one in settled(said).values())
        turn_ns = max(PERIOD_NS, routes * replicas * (heard_ns - now_ns) / done["probes"])
        widths = sorted(one["heard_ns"] - one["after_ns"] for one in settled(said).values())
        assert widths[len(widths) // 2] < 3 * turn_ns + 50 * MS, (turn_ns, widths[len(widths) // 2])
        for proxy in proxies:
            await proxy.close()

    asyncio.run(play())


def test_a_route_that_is_still_served_over_old_connections_is_not_gone() -> None:
    async def play() -> None:
        proxy = Replica()
        await proxy.start()
        async with probing([proxy]) as (child, said):
            now_ns = time.monotonic_ns()
            proxy.live["r"] = 0, now_ns + 300 * MS, A
            watch = {"cmd": "watch", "id": 1, "host": "r", "path": "/", "by": [A], "gone": True}
            child.send({**watch, "over": ["kept", "fresh"]})
            await until(said, 2)
        for one in settled(said).values():
            assert one["is_stable"]
            assert one["after_ns"] <= now_ns + 300 * MS <= one["heard_ns"]
            assert one["answers"]["404"] == 3
            assert one["answers"]["served"] > 3
        assert proxy.connections > 2 + 3
        await proxy.close()

    asyncio.run(play())


def test_an_older_generation_is_not_the_change() -> None:
    async def play() -> None:
        proxy = Replica()
        await proxy.start()
        proxy.live["r"] = 0, NEVER_NS, A
        async with probing([proxy]) as (child, said):
            child.send({"cmd": "watch", "id": 1, "host": "r", "path": "/", "by": [B]})
            await asyncio.sleep(0.3)
            assert not settled(said)
            changed_ns = time.monotonic_ns()
            proxy.live["r"] = 0, NEVER_NS, B
            await until(said, 1)
            child.send({"cmd": "watch", "id": 2, "host": "never", "path": "/", "by": [A]})
            await asyncio.sleep(0.1)
            child.send({"cmd": "forget", "id": 2})
            await until(said, 2)
        found = settled(said)
        assert found[1, 0, "kept"]["answers"].keys() == {"elsewhere", "served"}
        assert found[1, 0, "kept"]["heard_ns"] >= changed_ns
        never = found[2, 0, "kept"]
        assert (never["is_stable"], never["heard_ns"], never["answers"].keys()) == (False, 0, {"404"})
        await proxy.close()

    asyncio.run(play())


UNAVAILABLE = b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n"


@asynccontextmanager
async def updating() -> AsyncIterator[tuple[Replica, list[dict[str, Any]]]]:
    """Have a prober look for an update, from A to B, of a route that is served by A still; and what it says."""
    proxy = Replica()
    await proxy.start()
    proxy.live["r"] = 0, NEVER_NS, A
    update = {"cmd": "watch", "id": 1, "host": "r", "path": "/", "by": [B], "before": [A]}
    async with probing([proxy]) as (child, said):
        child.send(update)
        await asyncio.sleep(0.1)
        yield proxy, said
    await proxy.close()


def test_what_an_update_loses_and_how_long_both_generations_are_served_is_counted_to_the_answer() -> None:
    """The proxy gives so many answers of each kind, and keeps when: that is the judge."""

    async def play() -> None:
        async with updating() as (proxy, said):
            lost = [*[UNAVAILABLE] * 7, *[DROPPED] * 5, *[NOT_FOUND] * 2, *[served("10.0.0.3:80")] * 3]
            proxy.planted["r"] = [*lost, served(B), *[served(A)] * 4]
            proxy.live["r"] = 0, NEVER_NS, B
            await until(said, 1)
        one = settled(said)[1, 0, "kept"]
        counted = {"503": 7, "404": 2, "elsewhere": 3, "served": 1 + 3}
        assert {name: one["answers"][name] for name in counted} == counted
        assert sum(one["answers"].values()) == proxy.asked
        assert one["answers"]["before"] > 4
        assert one["relapses"] == 1
        assert (one["lost"]["count"], one["stale"]["count"]) == (len(lost), 4)
        first_ns, last_ns = proxy.given_ns[0], proxy.given_ns[len(lost) - 1]
        assert one["lost"]["sent_ns"] <= first_ns <= last_ns <= one["lost"]["heard_ns"]
        assert one["lost"]["heard_ns"] <= proxy.given_ns[len(lost)] + 2_000 * MS
        old_ns = proxy.given_ns[-4], proxy.given_ns[-1]
        assert one["stale"]["sent_ns"] <= old_ns[0] <= old_ns[1] <= one["stale"]["heard_ns"]
        assert proxy.given_ns[-5] <= one["stale"]["sent_ns"]

    asyncio.run(play())


def test_who_takes_no_connections_any_more_loses_every_probe_until_it_does_again() -> None:
    async def play() -> None:
        async with updating() as (proxy, said):
            gone_ns, answered = time.monotonic_ns(), proxy.asked
            await proxy.vanish()
            await asyncio.sleep(2 * SPARE_NS / 1e9)
            proxy.live["r"] = 0, NEVER_NS, B
            back_ns = time.monotonic_ns()
            await proxy.start()
            there_ns = time.monotonic_ns()
            await until(said, 1)
        one = settled(said)[1, 0, "kept"]
        assert one["answers"]["connect_refused"] > 10, one
        # What was open or on its way when it went, or came back, fails in ways of its own.
        lost = sum(count for name, count in one["answers"].items() if name not in {"before", "served"})
        assert one["lost"]["count"] == lost, one
        assert one["answers"]["before"] == answered
        # From the first probe that nobody took to the last: it was away for longer than what a busy machine is spared.
        assert gone_ns - SPARE_NS <= one["lost"]["sent_ns"] <= gone_ns + SPARE_NS
        assert back_ns - SPARE_NS <= one["lost"]["heard_ns"] <= there_ns + SPARE_NS
        assert one["is_stable"]

    asyncio.run(play())


def test_a_created_route_has_lost_nothing_before_it_is_there_but_what_is_no_word_of_its_absence() -> None:
    async def play() -> None:
        proxy = Replica()
        await proxy.start()
        async with probing([proxy]) as (child, said):
            child.send({"cmd": "watch", "id": 1, "host": "r", "path": "/", "by": [B]})
            await asyncio.sleep(0.1)
            proxy.planted["r"] = [UNAVAILABLE, DROPPED, served(A), NOT_FOUND, served(B), *[NOT_FOUND] * 6]
            proxy.live["r"] = 0, NEVER_NS, B
            await until(said, 1)
        one = settled(said)[1, 0, "kept"]
        assert one["answers"]["404"] > 7
        assert one["lost"]["count"] == 3 + 6
        assert one["stale"] == {"count": 0, "sent_ns": 0, "heard_ns": 0}
        await proxy.close()

    asyncio.run(play())


def test_over_tls_kept_and_fresh_probes_ask_for_the_name_and_trust_no_other(tmp_path: Path) -> None:
    pem = issue(tmp_path, "shop.example")
    names: list[str | None] = []
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem.cert, pem.key)
    context.sni_callback = lambda _, name, __: names.append(name)
    spoken = Tls("shop.example", ca_pem=pem.ca.read_text())
    over = ["kept", "fresh"]

    async def play() -> None:
        proxy = Replica()
        await proxy.start(context)
        proxy.live["r"] = 0, NEVER_NS, A
        async with probing([proxy], tls=spoken.engine_spec()) as (child, said):
            child.send({"cmd": "watch", "id": 1, "host": "r", "path": "/", "by": [A], "over": over})
            await until(said, 2)
        for one in settled(said).values():
            assert (one["is_stable"], one["answers"], one["lost"]["count"]) == (True, {"served": 3}, 0)
        assert set(names) == {"shop.example"}
        assert len(names) == proxy.connections == 2 + 3
        # Who shows a certificate of another issuer has given no answer.
        (tmp_path / "other").mkdir()
        other = issue(tmp_path / "other", "shop.example")
        context.load_cert_chain(other.cert, other.key)
        distrusting = {**spoken.engine_spec(), "resumption": False}
        child = await Child.start(_boot.argv("prober"))
        try:
            child.send(spec_of([proxy], tls=distrusting))
            watch = {"cmd": "watch", "id": 1, "host": "r", "path": "/", "by": [A], "over": ["fresh"]}
            child.send(watch)
            await asyncio.sleep(0.5)
            child.send({"cmd": "stop"})
            said = [message async for message in child.messages()]
        finally:
            child.hang_up()
            await child.end(5.0)
        (one,) = settled(said).values()
        assert one["answers"].keys() == {"tls_certificate"}
        assert one["lost"]["count"] == one["answers"]["tls_certificate"] > 3
        assert not any(message["type"] == "ready" for message in said)
        await proxy.close()

    asyncio.run(play())


def test_what_is_refused_or_silent_is_counted_and_nothing_ends() -> None:
    async def play() -> None:
        proxy = Replica()
        await proxy.start()
        async with probing([proxy], timeout_ns=50 * MS) as (child, said):
            await proxy.close()
            child.send({"cmd": "watch", "id": 1, "host": "r", "path": "/", "by": [A], "over": ["fresh"]})
            await asyncio.sleep(0.3)
        one = settled(said)[1, 0, "fresh"]
        assert one["answers"].keys() == {"connect_refused"}
        assert one["answers"]["connect_refused"] > 3

    asyncio.run(play())
