"""What is applied and deleted when routes change on a cluster: the API server's place is taken by a list."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import count
from typing import Any, cast

import pytest

from seatrial.cluster.answers import Answer
from seatrial.cluster.resources import Ref
from seatrial.machine.address import Endpoint
from seatrial.systems.installed.changes import RouteChanges
from seatrial.systems.installed.kinds.choice import recipe_of
from seatrial.systems.installed.kinds.contour import ContourOptions
from seatrial.systems.installed.kinds.recipe import Asked
from seatrial.systems.installed.made import Made
from seatrial.systems.installed.manifests.objects import Site
from seatrial.topology.changed import Change, Changed, changed_route
from seatrial.topology.expand import Topology, expand
from seatrial.topology.options import TopologyPlan

SITE = Site("a-run", "contour")


@dataclass
class Taking:
    """Takes whatever it is given, one thing a second."""

    done: list[tuple[str, str, str]] = field(default_factory=list)
    objects: dict[tuple[str, str], Mapping[str, Any]] = field(default_factory=dict)
    seconds: Iterable[int] = field(default_factory=count)

    async def change(self, objects: Iterable[Mapping[str, Any]]) -> list[Answer]:
        answers = []
        for one in objects:
            key = one["kind"], one["metadata"]["name"]
            self.done.append(("apply", *key))
            self.objects[key] = one
            answers.append(self._answer())
        return answers

    async def delete(self, refs: Iterable[Ref]) -> list[Answer | None]:
        answers: list[Answer | None] = []
        for ref in refs:
            self.done.append(("delete", ref.kind, ref.name))
            answers.append(self._answer() if self.objects.pop((ref.kind, ref.name), None) else None)
        return answers

    def _answer(self) -> Answer:
        at_s = next(iter(self.seconds))
        return Answer({"metadata": {"generation": 1, "uid": f"uid-{at_s}"}}, 200, float(at_s), at_s + 0.5)


Heard = list[tuple[str, str, float, float]]


def changing(made: Taking, options: ContourOptions, changed: Changed, *, has_tls: bool = False) -> Heard:
    heard: Heard = []

    def hears(what: str, _: str, name: str, after_s: float, at_s: float) -> None:
        heard.append((what, name, after_s, at_s))

    async def make() -> None:
        changes = RouteChanges(recipe_of(options, SITE), cast(Made, made))
        # Nothing has a status here, and nobody watches for it.
        changes._following = asyncio.create_task(asyncio.sleep(0))
        await changes.make(changed, Asked(has_tls=has_tls, max_connections=0), hears)
        await changes.close()

    asyncio.run(make())
    return heard


def base_of(by: str) -> Topology:
    at = [Endpoint("10.0.0.1", port) for port in (80, 81)]
    return expand(TopologyPlan(routes=2, services=2, by=by), at)  # type: ignore[arg-type]


def changed_of(base: Topology, change: Change, generations: Mapping[int, int], *numbers: int) -> Changed:
    routes = tuple(changed_route(base, number, generations.get(number, 1)) for number in numbers)
    return Changed(base, change, routes, generations)


def included(made: Taking) -> Sequence[str]:
    return [one["name"] for one in made.objects["HTTPProxy", "routes"]["spec"]["includes"]]


def test_routes_by_path_are_named_by_the_one_of_their_host_once_they_are_there_and_as_long() -> None:
    base, made = base_of("path"), Taking()
    options = ContourOptions()
    heard = changing(made, options, changed_of(base, "create", {0: 1, 1: 1}, 0, 1), has_tls=True)
    own = [("apply", "HTTPProxy", f"change-{number}") for number in (0, 1)]
    assert made.done == [*own, ("apply", "HTTPProxy", "routes")]
    assert included(made) == ["route-0", "route-1", "change-0", "change-1"]
    assert made.objects["HTTPProxy", "routes"]["spec"]["virtualhost"]["tls"] == {"secretName": "seatrial-tls"}
    assert "virtualhost" not in made.objects["HTTPProxy", "change-0"]["spec"]
    # Of each from its own object to the last that it takes.
    assert heard == [
        ("asked", "change-0", 0.0, 0.0), ("accepted", "change-0", 0.0, 2.5),
        ("asked", "change-1", 1.0, 1.0), ("accepted", "change-1", 1.0, 2.5),
    ]  # fmt: skip
    made.done.clear()
    changing(made, options, changed_of(base, "update", {0: 2, 1: 1}, 0))
    assert made.done == [("apply", "HTTPProxy", "change-0")]
    made.done.clear()
    changing(made, options, changed_of(base, "delete", {1: 1}, 0))
    assert made.done == [("apply", "HTTPProxy", "routes"), ("delete", "HTTPProxy", "change-0")]
    assert included(made) == ["route-0", "route-1", "change-1"]


@pytest.mark.parametrize("has_tls", [True, False])
@pytest.mark.parametrize("dialect", ["HTTPProxy", "Ingress"])
def test_a_route_of_a_host_is_alone_and_has_the_certificate_of_the_others(
    dialect: str, has_tls: bool
) -> None:
    base, made = base_of("host"), Taking()
    options = ContourOptions.model_validate({"dialect": dialect})
    changing(made, options, changed_of(base, "create", {3: 1}, 3), has_tls=has_tls)
    ((_, kind, name),) = made.done
    assert (kind, name) == (dialect, "change-3")
    assert ("seatrial-tls" in str(made.objects[kind, name])) == has_tls
    heard = changing(made, options, changed_of(base, "delete", {}, 3), has_tls=has_tls)
    assert [what for what, *_ in heard] == ["asked", "accepted"]
    # What is gone already was not deleted by us.
    assert changing(made, options, changed_of(base, "delete", {}, 3)) == []


def own_endpoints_of(base: Topology, change: Change, generation: int) -> Changed:
    route, before = (changed_route(base, 0, number, "endpoints") for number in (generation, generation - 1))
    generations = {} if change == "delete" else {0: generation}
    return Changed(base, change, (route,), generations, "endpoints", (before,) if change == "update" else ())


def test_endpoints_are_written_anew_and_their_route_is_left_as_it_is() -> None:
    # Of the second service both are at one port, of the first each at its own.
    at = [
        Endpoint("10.0.0.1", 80),
        Endpoint("10.0.0.2", 81),
        Endpoint("10.0.0.3", 80),
        Endpoint("10.0.0.4", 80),
    ]
    base, made = expand(TopologyPlan(routes=2, services=2, endpoints=2), at), Taking()
    options = ContourOptions(limits=77)
    behind = [("Service", "change-0"), ("EndpointSlice", "change-0-0")]
    heard = changing(made, options, own_endpoints_of(base, "create", 1))
    assert made.done == [("apply", *one) for one in (*behind, ("HTTPProxy", "change-0"))]
    # From the first of its objects to the last.
    assert heard == [("asked", "change-0", 0.0, 0.0), ("accepted", "change-0", 0.0, 2.5)]
    assert set(made.objects["Service", "change-0"]["metadata"]["annotations"].values()) == {"77"}
    route = made.objects["HTTPProxy", "change-0"]
    assert route["spec"]["routes"][0]["services"] == [{"name": "change-0", "port": 80}]
    assert addresses(made) == ["10.0.0.3", "10.0.0.4"]
    made.done.clear()
    heard = changing(made, options, own_endpoints_of(base, "update", 2))
    assert made.done == [("apply", "EndpointSlice", "change-0-0"), ("apply", "EndpointSlice", "change-0-1")]
    assert heard == [("asked", "change-0", 3.0, 3.0), ("accepted", "change-0", 3.0, 4.5)]
    assert addresses(made) == ["10.0.0.1", "10.0.0.2"]
    assert made.objects["HTTPProxy", "change-0"] is route
    made.done.clear()
    changing(made, options, own_endpoints_of(base, "update", 3))
    assert made.done == [("apply", "EndpointSlice", "change-0-0"), ("delete", "EndpointSlice", "change-0-1")]
    assert addresses(made) == ["10.0.0.3", "10.0.0.4"]
    changing(made, options, own_endpoints_of(base, "delete", 3))
    assert made.done[2:] == [("delete", "HTTPProxy", "change-0"), *[("delete", *one) for one in behind]]
    assert not made.objects


def addresses(made: Taking) -> list[str]:
    slices = [one for (kind, _), one in made.objects.items() if kind == "EndpointSlice"]
    return sorted(address for one in slices for item in one["endpoints"] for address in item["addresses"])
