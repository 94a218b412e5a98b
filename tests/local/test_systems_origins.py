"""nginx as the origin, and the parent's side of our own origin's protocol when that misbehaves."""

from __future__ import annotations

import asyncio
import dataclasses
import http.client
import os
import signal
import sys
from typing import TYPE_CHECKING

import pytest
from tests.support.members import processes_of

from seatrial.errors import SystemFault
from seatrial.machine import proc
from seatrial.machine.address import Address
from seatrial.machine.place import ThisMachine
from seatrial.probe.asking import ENDPOINT_FIELD
from seatrial.systems.base import Launch
from seatrial.systems.origins.nginx import NginxOrigin
from seatrial.systems.origins.options import OriginPlan
from seatrial.systems.origins.seatrial import SeatrialOrigin
from seatrial.topology.expand import NOWHERE

if TYPE_CHECKING:
    from pathlib import Path


def launch_in(tmp_path: Path) -> Launch:
    return Launch(tmp_path, tmp_path, NOWHERE, 1000, ThisMachine(), "origin")


def send(address: Address, count: int, path: str = "/") -> tuple[int, bytes]:
    client = http.client.HTTPConnection(address.host, address.port, timeout=30)
    for _ in range(count):
        client.request("GET", path)
        response = client.getresponse()
        body = response.read()
    client.close()
    return response.status, body


@pytest.mark.parametrize(("body_bytes", "status"), [(600, 200), (0, 200), (22_000, 200), (5, 503)])
def test_nginx_answers_from_memory_and_counts_exactly(tmp_path: Path, body_bytes: int, status: int) -> None:
    async def trial() -> None:
        origin = NginxOrigin(body_bytes, status)
        (address,) = await origin.start(launch_in(tmp_path))
        try:
            answered, body = await asyncio.to_thread(send, address, 120)
            assert (answered, len(body)) == (status, body_bytes)
            if body_bytes == 600:
                assert (await origin.counts()).requests == 120
            (member,) = origin.members()
            assert (member.role, member.name, len(member.processes)) == ("origin", "origin", 2)
            assert origin.failure() is None
        finally:
            await origin.stop()
        # The last counts stay readable.
        assert (await origin.counts()).requests == 120
        assert origin.failure() is None

    asyncio.run(trial())


@pytest.mark.parametrize(("processes", "body_bytes"), [(1, 600), (2, 22_000)])
def test_one_nginx_listens_on_several_addresses_and_counts_each(
    tmp_path: Path, processes: int, body_bytes: int
) -> None:
    async def trial() -> None:
        origin = NginxOrigin(body_bytes, processes=processes)
        addresses = await origin.start(dataclasses.replace(launch_in(tmp_path), listens=3))
        try:
            for address, count in zip(addresses, (40, 1, 7), strict=True):
                assert await asyncio.to_thread(send, address, count) == (200, b"x" * body_bytes)
                client = http.client.HTTPConnection(address.host, address.port, timeout=30)
                client.request("GET", "/", headers={ENDPOINT_FIELD: "wanted"})
                assert client.getresponse().getheader(ENDPOINT_FIELD) == str(address)
                client.close()
            counts = await origin.counts()
            assert (counts.requests, counts.by_endpoint, counts.by_route) == (51, (41, 2, 8), {})
            (member,) = origin.members()
            assert len(member.processes) == 1 + processes
            await origin.pause(())
            with pytest.raises(SystemFault, match="none of them can be paused alone"):
                await origin.pause([1])
        finally:
            await origin.stop()
        assert (await origin.counts()).by_endpoint == (41, 2, 8)
        assert not list(tmp_path.glob("*.count"))

    asyncio.run(trial())


def test_nginx_says_what_it_cannot_answer(tmp_path: Path) -> None:
    async def trial() -> None:
        with pytest.raises(SystemFault, match="cannot answer 404 with 5000 bytes"):
            await NginxOrigin(5_000, 404).start(launch_in(tmp_path))

    asyncio.run(trial())


def misbehaving(program: str) -> SeatrialOrigin:
    return SeatrialOrigin(OriginPlan(), argv=(sys.executable, "-c", program))


READY = 'import sys, time; sys.stdin.readline(); print(\'{"type": "ready"}\', flush=True); '


def test_an_origin_that_dies_at_once_is_reported_with_its_words(tmp_path: Path) -> None:
    async def trial() -> None:
        origin = misbehaving("import sys; sys.exit('no such thing')")
        with pytest.raises(SystemFault, match="ended with exit status 1") as raised:
            await origin.start(launch_in(tmp_path))
        assert raised.value.cause == "no such thing"
        assert origin.members() == ()

    asyncio.run(trial())


def test_an_origin_that_is_killed_is_noticed(tmp_path: Path) -> None:
    async def trial() -> None:
        origin = misbehaving(READY + "time.sleep(300)")
        await origin.start(launch_in(tmp_path))
        (ref,) = processes_of(origin)
        os.kill(ref.pid, signal.SIGKILL)
        for _ in range(400):
            if origin.failure():
                break
            await asyncio.sleep(0.05)
        assert origin.failure() == f"origin (process {ref.pid}) was killed by SIGKILL"
        with pytest.raises(SystemFault, match="has ended and taken its counts with it"):
            await origin.counts()
        await origin.stop()

    asyncio.run(trial())


def test_an_origin_that_ignores_everything_is_killed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("seatrial.systems.origins.seatrial.STOP_LIMIT_S", 0.3)
    monkeypatch.setattr("seatrial.systems.origins.asking.ANSWER_LIMIT_S", 0.3)

    async def trial() -> None:
        stubborn = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); "
        origin = misbehaving(stubborn + READY + "time.sleep(300)")
        await origin.start(launch_in(tmp_path))
        (ref,) = processes_of(origin)
        with pytest.raises(SystemFault, match="did not answer"):
            await origin.counts()
        await origin.stop()
        assert not proc.is_alive(ref.pid, ref.started_ticks)

    asyncio.run(trial())
