"""The ``objects`` of a plan: what may be written, what cannot be, and which routes they are."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import pytest

from seatrial.errors import PlanError
from seatrial.machine.address import Endpoint
from seatrial.plan.cases import compile_cases
from seatrial.plan.read import parse_plan
from seatrial.plan.scale import scaled
from seatrial.topology.changed import changed_route, with_changes
from seatrial.topology.expand import expand
from seatrial.topology.options import TopologyPlan

PLAN = """
name: changes
systems: [{systems}]
topology: {topology}
load: {{rate: 100/s{load}}}
phases: {{measure: 30 s}}
objects: {objects}
objectives: [errors == 0]
"""


def plan(
    objects: str = "{routes: 20}",
    systems: str = "direct, nginx",
    topology: str = "{routes: 4, services: 2}",
    load: str = "",
    more: str = "",
) -> str:
    return PLAN.format(objects=objects, systems=systems, topology=topology, load=load) + more


def test_only_what_has_a_proxy_is_changed() -> None:
    cases = compile_cases(parse_plan(plan(), "a.yaml"))
    assert [case.objects is not None for case in cases] == [False, True]
    objects = cases[1].objects
    assert objects is not None
    assert (objects.routes, objects.at_a_time, objects.changes) == (20, 1, ("create", "update", "delete"))
    assert (objects.probe_period_s, objects.rate_per_s) == (0.01, None)


def test_how_many_change_and_how_soon_after_each_other_may_vary() -> None:
    given = parse_plan(VARIED, "a.yaml")
    found = [case.objects for case in compile_cases(given)]
    assert found[:4] == [None] * 4
    assert [(one.routes, one.rate_per_s, one.at_a_time) for one in found[4:] if one is not None] == [
        (20, 1, 30),
        (20, 5, 30),
        (1_000, 1, 30),
        (1_000, 5, 30),
    ]
    small = scaled(given, Fraction(1, 10))
    assert [case.objects.routes for case in compile_cases(small) if case.objects is not None] == [
        2,
        2,
        100,
        100,
    ]
    assert "services and changed_routes" in str(small.question)
    without = parse_plan(plan().replace("objects: {routes: 20}\n", ""), "a.yaml")
    assert "changed_routes" not in str(scaled(without, Fraction(1, 2)).question)


VARIED = plan("{at_a_time: 30}", more="vary: {changed_routes: [20, 1k], change_rate: [1/s, 5/s]}\n")
OF_NOBODY = "`live_p99` is of routes that change"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (plan(systems="direct"), "`objects` are of a proxy"),
        (plan(topology="{routes: 4, services: 1}"), "leads to one service or another"),
        (plan(topology="{routes: 1}"), "leads to one service or another"),
        (plan("{changes: [update, create]}"), "`changes` are `create`"),
        (plan("{changes: [delete]}"), "`changes` are `create`"),
        (plan("{changes: [create, update], rounds: 2}"), "`rounds` need `delete`"),
        (
            plan(more="vary: {changed_routes: [5, 10]}\n"),
            "`routes` is given in `objects` as well as in `vary` as",
        ),
        (plan("{rate: 1/s}", more="vary: {change_rate: [1/s]}\n"), "`rate` is given in `objects` as well"),
        (VARIED.replace("objects: {at_a_time: 30}\n", ""), "`changed_routes` is of routes that change"),
        (plan("{rates: 3/s}"), "unknown key `rates`"),
        (plan("{of: services}"), "endpoints"),
        (plan().replace("errors == 0", "live_p99 < 1 s").replace("objects: {routes: 20}\n", ""), OF_NOBODY),
        (plan(load=", timeout: 5 s", more="origin: {delay: 2500 ms}\n"), "waits 2 s for its answer"),
        (plan(more="origin: {status: 503}\n"), "live once it is answered by 2xx"),
        (plan(more="during: [{at: 5 s, do: add routes}]"), "`during` changes the topology, too"),
    ],
)
def test_what_cannot_be_is_said_with_its_place(text: str, said: str) -> None:
    with pytest.raises(PlanError) as raised:
        parse_plan(text, "a.yaml")
    assert said in str(raised.value) + str(raised.value.cause)


def test_endpoints_change_behind_a_route_that_stays_as_it_is() -> None:
    objects = compile_cases(parse_plan(plan("{of: endpoints}"), "a.yaml"))[1].objects
    assert objects is not None
    assert objects.of == "endpoints"
    at = [Endpoint("10.0.0.1", port) for port in range(80, 86)]
    base = expand(TopologyPlan(routes=3, services=3, endpoints=2), at)
    first, second = (changed_route(base, 7, generation, "endpoints") for generation in (1, 2))
    assert first.service.name == second.service.name == first.name == "change-7"
    assert not set(first.service.endpoints) & set(second.service.endpoints)
    assert replace(first, service=second.service) == second
    both = with_changes(base, {7: 2, 3: 1}, "endpoints")
    assert [service.name for service in both.services] == [
        "service-0", "service-1", "service-2", "change-3", "change-7",
    ]  # fmt: skip
    assert both.services[4] == second.service == both.routes[4].service


@pytest.mark.parametrize("by", ["host", "path"])
def test_each_generation_leads_to_another_service(by: str) -> None:
    at = [Endpoint("10.0.0.1", port) for port in (80, 81, 82)]
    base = expand(TopologyPlan(routes=3, services=3, by=by), at)  # type: ignore[arg-type]
    first, second = (changed_route(base, 7, generation) for generation in (1, 2))
    assert first.service != second.service
    assert (first.name, first.authority, first.prefix) == (second.name, second.authority, second.prefix)
    assert {first.authority, first.prefix} == (
        {"change-7.example.com", "/"} if by == "host" else {"localhost", "/change-7/"}
    )
    both = with_changes(base, {7: 2, 3: 1})
    assert both.routes[:3] == base.routes
    assert [route.name for route in both.routes[3:]] == ["change-3", "change-7"]
    assert both.services == base.services
    assert len({(route.authority, route.prefix) for route in both.routes}) == 5
    assert with_changes(base, {}) == base
