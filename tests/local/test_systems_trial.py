"""What a trial does where its system or its origin goes away; both are real."""

from __future__ import annotations

import asyncio
import http.client
import os
import signal
from contextlib import asynccontextmanager
from types import SimpleNamespace
from typing import TYPE_CHECKING, cast

import pytest

from seatrial.plan.model import OriginPlan
from seatrial.run.trial import Setting, _counts
from seatrial.systems import sockets
from seatrial.systems.base import Address, Launch
from seatrial.systems.envoy import EnvoySystem
from seatrial.systems.origins.seatrial import SeatrialOrigin

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from seatrial.run.load import LoadRun

REQUESTS = 3
NO_LOAD = cast("LoadRun", SimpleNamespace(frames=()))


@asynccontextmanager
async def a_setting(directory: Path) -> AsyncIterator[Setting]:
    origin, system = SeatrialOrigin(OriginPlan()), EnvoySystem()

    def launch(label: str, upstreams: tuple[Address, ...]) -> Launch:
        return Launch(directory, directory, upstreams, 100, sockets.free_address(), label)

    try:
        upstreams = await origin.start(launch("origin", ()))
        addresses = await system.start(launch("envoy", upstreams))
        before = (await system.counters(exact=True), await origin.counts())
        yield Setting(system, origin, addresses, before, drained=True)
    finally:
        await system.stop()
        await origin.stop()


def ask(address: Address) -> None:
    for _ in range(REQUESTS):
        client = http.client.HTTPConnection(address.host, address.port, timeout=30)
        client.request("GET", "/")
        assert client.getresponse().status == 200
        client.close()


async def kill(pid: int, setting: Setting) -> None:
    os.kill(pid, signal.SIGKILL)
    for _ in range(400):
        if setting.system.failure() or setting.origin.failure():
            return
        await asyncio.sleep(0.05)
    raise AssertionError("its end was not noticed")


@pytest.mark.parametrize("dead", ["system", "origin"])
def test_a_side_that_cannot_be_counted_is_named_and_the_other_side_is_counted(
    tmp_path: Path, dead: str
) -> None:
    async def trial() -> None:
        async with a_setting(tmp_path) as setting:
            await asyncio.to_thread(ask, setting.addresses[0])
            await kill((setting.system if dead == "system" else setting.origin).processes()[0].pid, setting)
            counts, uncounted = await _counts(NO_LOAD, setting)
            assert counts.system_requests == (None if dead == "system" else REQUESTS)
            assert counts.origin_requests == (None if dead == "origin" else REQUESTS)
            assert len(uncounted) == 1
            assert uncounted[0].startswith(f"uncounted: {dead}: ")

    asyncio.run(trial())
