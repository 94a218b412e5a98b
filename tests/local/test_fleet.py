"""Several proxies side by side: each has its share, all of it is counted, and one without or gone is named."""

from __future__ import annotations

import asyncio
import os
import signal
from typing import TYPE_CHECKING

import pytest
from tests.support.kept import assert_kept_as_made
from tests.support.members import processes_of
from tests.support.program import wait_until
from tests.support.runs import Bench, results, trials
from tests.support.systems import single

from seatrial.errors import EnvironmentFault
from seatrial.machine import proc, sockets
from seatrial.machine.address import Address, Endpoint
from seatrial.machine.place import ThisMachine
from seatrial.systems.base import Launch
from seatrial.systems.envoy.system import EnvoyOptions
from seatrial.systems.nginx.system import NginxOptions

if TYPE_CHECKING:
    from pathlib import Path

LIMIT_S = 90


def test_connections_and_requests_are_shared_evenly_and_all_of_them_counted(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.start(bench.plan("envoy: {proxies: 3}", "nginx: {proxies: 2}", measure="3 s")).wait(LIMIT_S)
    seen = trials(results(bench.run_directory()))
    for label, size in (("envoy", 3), ("nginx", 2)):
        trial, members = seen[label], seen[label]["members"]
        assert [use["member"] for use in members] == [f"{label}-{number}" for number in range(1, size + 1)]
        held = [use["connections_max"] for use in members]
        assert held == [use["connections_min"] for use in members]
        assert sum(held) == 60
        # Of those that are held and of those that are active, each may have one more than another.
        assert max(held) - min(held) <= 2
        assert len({count for count in trial["counts"].values() if count is not None}) == 1, trial["counts"]
        codes = {reason["code"] for reason in trial["validity"]["reasons"]}
        assert not codes & {"system.gauge", "system.unbalanced", "system.counts"}
    assert_kept_as_made(bench.run_directory(), {1, 2})
    text = (bench.run_directory() / "report.md").read_text()
    assert "How evenly the members of each fleet shared the load" in text


def launch_in(directory: Path) -> Launch:
    return Launch(directory, directory, single((Endpoint("127.0.0.1", 9),)), 100, ThisMachine(), "edge")


def test_a_member_that_goes_away_is_named(tmp_path: Path) -> None:
    async def trial() -> None:
        fleet = EnvoyOptions(proxies=2).create()
        await fleet.start(launch_in(tmp_path))
        try:
            assert [member.name for member in fleet.members()] == ["edge-1", "edge-2"]
            os.kill(processes_of(fleet)[1].pid, signal.SIGKILL)
            assert await asyncio.to_thread(wait_until, fleet.failure, 20.0)
            assert "edge-2" in (fleet.failure() or "")
        finally:
            await fleet.stop()

    asyncio.run(trial())


class LastTaken(ThisMachine):
    """A place that hands out an address of somebody else's from the third on."""

    def __init__(self, taken: Address) -> None:
        super().__init__()
        self._left = 2
        self._taken = taken

    def address(self) -> Address:
        self._left -= 1
        return super().address() if self._left >= 0 else self._taken


def test_a_member_that_cannot_start_leaves_none_of_the_others(tmp_path: Path) -> None:
    async def trial() -> None:
        server = await asyncio.start_server(lambda *_: None, "127.0.0.1", 0)
        taken = Address("127.0.0.1", server.sockets[0].getsockname()[1])
        fleet = NginxOptions(proxies=2).create()
        launch = launch_in(tmp_path)
        place = LastTaken(taken)
        with pytest.raises(EnvironmentFault, match="Address already in use"):
            await fleet.start(Launch(launch.directory, tmp_path, launch.topology, 100, place, "edge"))
        assert not [member for member in fleet.members() if any(_alive(member.processes))]
        assert sockets.is_listening(taken.port)
        server.close()

    asyncio.run(trial())


def _alive(processes) -> list[bool]:
    return [proc.is_alive(ref.pid, ref.started_ticks) for ref in processes]
