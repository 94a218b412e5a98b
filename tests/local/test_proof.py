"""Whether every route leads to its own service: a proxy that is configured otherwise, on purpose, is named."""

from __future__ import annotations

import asyncio
import dataclasses
from typing import TYPE_CHECKING, Literal

import pytest
from tests.support.systems import require

from seatrial.errors import SystemFault
from seatrial.machine.place import ThisMachine
from seatrial.run.testbed import askers
from seatrial.run.testbed.proof import Asking, gone, prove
from seatrial.systems.base import Launch
from seatrial.systems.nginx.system import NginxOptions
from seatrial.systems.origins.options import OriginPlan
from seatrial.systems.registry import LOCAL, create_origin
from seatrial.topology.expand import NOWHERE, Topology, expand
from seatrial.topology.options import TopologyPlan

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path

    from seatrial.machine.address import Endpoint
    from seatrial.systems.options import SystemOptions

PLAN = TopologyPlan(routes=4, services=2, endpoints=2)


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is wrong here stays so."""
    monkeypatch.setattr(askers, "LIVE_LIMIT_S", 0.3)


def proven(
    tmp_path: Path,
    options: SystemOptions,
    proving: Callable[[Topology, tuple[Endpoint, ...]], Awaitable[int]],
    origin_plan: OriginPlan | None = None,
    served: Callable[[Topology], Topology] = lambda topology: topology,
) -> int:
    """Prove a topology through a system that serves what ``served`` makes of it."""

    tmp_path.mkdir(exist_ok=True)

    async def trial() -> int:
        origin, system = create_origin(origin_plan or OriginPlan()), options.create()
        at = Launch(tmp_path, tmp_path, NOWHERE, 1000, ThisMachine(), "origin")
        topology = expand(PLAN, await origin.start(dataclasses.replace(at, listens=PLAN.endpoints_in_all)))
        try:
            launch = dataclasses.replace(at, topology=served(topology), label="system")
            return await proving(topology, await system.start(launch))
        finally:
            await system.stop()
            await origin.stop()

    return asyncio.run(trial())


async def all_of_them(topology: Topology, endpoints: tuple[Endpoint, ...]) -> int:
    return await prove(topology, endpoints, Asking(200))


@pytest.mark.parametrize("kind", [kind for kind, options in LOCAL.items() if options.proxied])
def test_a_route_that_leads_to_another_service_is_named_with_who_answered(tmp_path: Path, kind: str) -> None:
    require(kind)

    def swapped(topology: Topology) -> Topology:
        # What is rendered is wrong, as by a fault of a template.
        routes = [dataclasses.replace(route, service=topology.services[0]) for route in topology.routes]
        return dataclasses.replace(topology, routes=(*topology.routes[:3], routes[3]))

    with pytest.raises(
        SystemFault,
        match=r"1 of 4 routes lead elsewhere: route-3 was answered by service-0 at 127\.\S+ in place of service-1\n",
    ):
        proven(tmp_path, LOCAL[kind](), all_of_them, served=swapped)


@pytest.mark.parametrize("origin", ["seatrial", "nginx"])
def test_what_is_merged_in_may_lead_elsewhere(tmp_path: Path, origin: Literal["seatrial", "nginx"]) -> None:
    require("nginx")
    wrong = NginxOptions(config={"server": "location = / { proxy_pass http://service-1; }"})
    with pytest.raises(SystemFault, match="2 of 4 routes lead elsewhere: route-0 was answered by service-1"):
        proven(tmp_path, wrong, all_of_them, OriginPlan(kind=origin))
    assert proven(tmp_path / "right", NginxOptions(), all_of_them, OriginPlan(kind=origin)) == 4


def test_an_answer_that_no_endpoint_gave_is_no_answer(tmp_path: Path) -> None:
    require("nginx")
    alone = NginxOptions(config={"server": "location = / { return 200; }"})
    with pytest.raises(
        SystemFault, match="4 of 4 routes lead elsewhere: route-0 was answered by no endpoint"
    ):
        proven(tmp_path, alone, all_of_them)


def test_a_route_is_gone_when_its_service_answers_it_no_more(tmp_path: Path) -> None:
    require("nginx")

    async def none_of_them(topology: Topology, endpoints: tuple[Endpoint, ...]) -> int:
        return await gone(topology, topology.routes[2:], endpoints, Asking(200))

    def fewer(topology: Topology) -> Topology:
        return dataclasses.replace(topology, routes=topology.routes[:2])

    assert proven(tmp_path, NginxOptions(), none_of_them, served=fewer) == 2
    with pytest.raises(SystemFault, match="2 routes that were removed still answer: route-2, route-3"):
        proven(tmp_path / "all", NginxOptions(), none_of_them)
