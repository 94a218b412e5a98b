"""What a real proxy says that it runs is another thing once somebody has changed it."""

from __future__ import annotations

import asyncio
import http.client
import json
import os
import signal
from typing import TYPE_CHECKING

import pytest
from tests.support.members import processes_of
from tests.support.systems import require, single

from seatrial.machine.address import Endpoint
from seatrial.machine.place import ThisMachine
from seatrial.systems.base import Launch, System
from seatrial.systems.haproxy.system import ask
from seatrial.systems.registry import LOCAL

if TYPE_CHECKING:
    from pathlib import Path

    from seatrial.machine.address import Address


async def change_caddy(status: Address, _: System) -> None:
    # An idle timeout of another length, over the API that is there for it.
    path = "/config/apps/http/servers/ingress/idle_timeout"
    connection = http.client.HTTPConnection(status.host, status.port, timeout=10)
    headers = {"Content-Type": "application/json"}
    connection.request("PATCH", path, json.dumps("1h"), headers)
    assert connection.getresponse().status == 200


async def change_haproxy(status: Address, system: System) -> None:
    del system
    rows = (await ask(status, "show servers state")).splitlines()[2:]
    _, backend, _, server, *_ = rows[0].split()
    assert not (await ask(status, f"disable server {backend}/{server}")).strip()


async def limit_haproxy(status: Address, _: System) -> None:
    assert not (await ask(status, "set maxconn global 500")).strip()


async def reload_nginx(status: Address, system: System) -> None:
    del status
    before = {ref.pid for ref in processes_of(system)}
    master = min(before)
    os.kill(master, signal.SIGHUP)
    for _ in range(200):
        (runs,) = (await system.configuration()).values()
        now = {int(process.split("@")[0]) for process in runs["processes"].split()}
        if len(now) == len(before) and now != before:
            return
        await asyncio.sleep(0.05)
    pytest.fail("nginx did not start other workers")


CHANGES = {
    "caddy": (change_caddy, "config"),
    "haproxy": (change_haproxy, "servers"),
    "haproxy, its limit": (limit_haproxy, "info"),
    "nginx": (reload_nginx, "processes"),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_change_shows_where_it_was_made(tmp_path: Path, change: str) -> None:
    kind, (make, name) = change.split(",", maxsplit=1)[0], CHANGES[change]
    require(kind)

    async def trial() -> None:
        system: System = LOCAL[kind]().create()
        upstream = Endpoint("127.0.0.1", 9)
        place = ThisMachine()
        await system.start(Launch(tmp_path, tmp_path, single((upstream,)), 100, place, kind))
        try:
            status = system._ports.status  # type: ignore[attr-defined]
            before = (await system.configuration())[kind]
            assert (await system.configuration())[kind] == before
            await make(status, system)
            after = (await system.configuration())[kind]
            assert {key for key in before if before[key] != after[key]} == {name}
        finally:
            await system.stop()

    asyncio.run(trial())
