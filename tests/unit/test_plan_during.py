"""What a plan may do to its systems while they are measured, and what is refused with its place."""

from __future__ import annotations

from fractions import Fraction

import pytest
from tests.unit.test_plan_meant import plan, refusal

from seatrial.errors import PlanError
from seatrial.plan.cases import compile_cases
from seatrial.plan.model.during import topologies
from seatrial.plan.read import given_again
from seatrial.preflight.places.cluster import check_words

TOPOLOGY = {"topology": "{routes: 4, endpoints: 2}"}
FLEET = {"systems": "[nginx: {proxies: 2}]"}
ON_CLUSTER = {"place": "kubernetes"}
CONTOUR = {"systems": "[contour]"}
BOTH = {"systems": "[nginx: {proxies: 2}, envoy]"}


@pytest.mark.parametrize(
    ("during", "parts", "why"),
    [
        ("{at: 9.5 s, do: reload}", {}, "9.5 s leaves no step of 1 s of a `measure` of 10 s"),
        ("{at: 1 s, do: reload}, {at: 1.5 s, do: reload}", {}, "1.5 s is too soon after the one before it"),
        ("{at: 1 s, do: reload}", {"systems": "[direct]"}, "`reload` is of a proxy, and this plan has none"),
        ("{at: 1 s, do: reload}", {"systems": "[nginx, envoy]"}, "`reload` cannot be done to `envoy`"),
        ("{at: 1 s, do: swap certificate}", {}, "without `tls` in `load` there is no certificate"),
        ("{at: 1 s, do: reload, member: 2}", {}, "there is no member 2 of 1"),
        ("{at: 1 s, do: kill}", FLEET, "`kill` of every member leaves nothing"),
        ("{at: 1 s, do: kill}", {}, "`kill` of the only proxy leaves nothing"),
        ("{at: 1 s, do: drain}", {}, "`drain` of the only proxy leaves nothing"),
        ("{at: 1 s, do: add routes}", {}, "the one route takes whatever comes"),
        ("{at: 1 s, do: remove routes}", TOPOLOGY, "routes that the load asks for cannot be removed"),
        ("{at: 1 s, do: remove endpoints, count: 2}", TOPOLOGY, "each service needs an endpoint"),
        ("{at: 1 s, do: add endpoints, count: 9k}", TOPOLOGY, "are too many"),
        ("{at: 1 s, do: add routes, member: 1}", TOPOLOGY, "`add routes` is of all members"),
        ("{at: 1 s, do: restart, count: 2}", {}, "`restart` has no `count`"),
        ("{at: 1 s, do: reload, for: 2 s}", {}, "`reload` takes as long as it takes"),
        ("{at: 1 s, do: pause origin}", {}, "has to go on at some time"),
        ("{at: 1 s, do: pause origin, for: 9 s}", {}, "1 s and 9 s leaves no step of 1 s of a `measure` of 10 s"),
        ("{at: 1 s, do: pause origin, for: 4 s}, {at: 4 s, do: reload}", {}, "which is not done by then"),
        ("{at: 1 s, do: kill, member: 1}, {at: 3 s, do: reload}", FLEET, "member 1 is down by then"),
        ("{at: 1 s, do: drain, member: 1}, {at: 3 s, do: restart, member: 1}", FLEET, "member 1 is down by then"),
        ("{at: 1 s, do: kill, member: 1}, {at: 3 s, do: kill, member: 2}", FLEET, "leaves nothing: the others are"),
        ("{at: 1 s, do: reload, systems: []}", {}, "`systems` is empty"),
        ("{at: 1 s, do: reload, systems: [apache]}", {}, "no system of this plan has the label `apache`"),
        ("{at: 1 s, do: reload, systems: [direct]}", {"systems": "[nginx, direct]"}, "`direct` has no proxy"),
        ("{at: 1 s, do: reload}", {"systems": "[envoy, nginx: {label: web}]"}, "`systems: [web]` with it"),
        ("{at: 1 s, do: restart, systems: [envoy], member: 2}", BOTH, "there is no member 2 of 1"),
        ("{at: 1 s, do: pause endpoint, for: 1 s}", TOPOLOGY, "`pause endpoint` does not say which"),
        ("{at: 1 s, do: pause endpoint, endpoint: 1}", TOPOLOGY, "an endpoint that is paused has to go on"),
        ("{at: 1 s, do: pause origin, endpoint: 1, for: 1 s}", TOPOLOGY, "neither `endpoint` nor `service`"),
        ("{at: 1 s, do: pause endpoint, endpoint: 3, for: 1 s}", TOPOLOGY, "there is no endpoint 3 of 2"),
        ("{at: 1 s, do: pause endpoint, endpoint: 1, service: web, for: 1 s}", TOPOLOGY, "there is no service `web`"),
        ("{at: 1 s, do: pause endpoint, endpoint: 2, for: 1 s}",
         TOPOLOGY | {"origin": "{kind: nginx}"}, "is one process for all of its endpoints"),
        ("{at: 1 s, do: remove endpoints}, {at: 3 s, do: pause endpoint, endpoint: 2, for: 1 s}",
         TOPOLOGY, "there is no endpoint 2 of 1"),
        ("{at: 1 s, do: restart controller}", {}, "to `nginx`: no controller of its own stands beside it"),
        ("{at: 1 s, do: restart controller}", ON_CLUSTER | {"systems": "[traefik]"}, "no controller of its own"),
        ("{at: 1 s, do: restart controller}", ON_CLUSTER | {"systems": "[traefik, contour]"}, "[contour]` with it"),
        ("{at: 1 s, do: restart controller, member: 1}", CONTOUR, "is of all members"),
        ("{at: 1 s, do: restart controller, for: 1 s}", CONTOUR, "takes as long as it takes"),
        ("{at: 1 s, do: restart}", ON_CLUSTER | CONTOUR, "`contour` on a cluster: clients speak to the address"),
        ("{at: 1 s, do: kill, for: 1 s}", ON_CLUSTER | {"systems": "[envoy]"}, "clients speak to the address"),
        ("{at: 1 s, do: reload}", ON_CLUSTER | CONTOUR, "what it serves by is objects there"),
        ("{at: 1 s, do: pause origin, for: 1 s}", ON_CLUSTER | CONTOUR, "no process of its origin is on this machine"),
        ("{at: 1 s, do: add endpoints}", ON_CLUSTER | {"systems": "[ingress: {class: a}]"}, "nothing can be done to"),
        ("{at: 1 s, do: explode}", {}, "not one of the words allowed here"),
    ],
)  # fmt: skip
def test_what_cannot_be_done_is_refused(during: str, parts: dict[str, str], why: str) -> None:
    assert why in refusal(during=f"[{during}]", **({"systems": "[nginx]"} | parts))


def test_what_may_be_done_on_a_cluster_is_taken_and_the_rest_is_refused_where_only_a_flag_says_so() -> None:
    every = ("add routes", "add endpoints", "swap certificate", "remove endpoints", "remove routes")
    steps = [f"{{at: {number} s, do: {one}}}" for number, one in enumerate(every, start=1)]
    secure = {"load": "{rate: 1k/s, tls: yes}", "origin": "{processes: 3}", **TOPOLOGY}
    for systems, more in (
        ("[contour, envoy-gateway]", ["{at: 7 s, do: restart controller}"]),
        ("[traefik, envoy]", []),
    ):
        made = plan(during=f"[{', '.join([*steps, *more])}]", systems=systems, place="kubernetes", **secure)
        assert list(check_words(compile_cases(made))) == []
        assert not more or made.during[-1].words == "restart controller"
    # This one says nothing of where it runs, and is fit for one machine.
    made = plan(
        during="[{at: 1 s, do: add endpoints}, {at: 3 s, do: restart}]", systems="[envoy]", **TOPOLOGY
    )
    (finding,) = check_words(compile_cases(made))
    assert finding.severity == "refuse"
    assert finding.text.startswith(
        "`during`: `restart` cannot be done to `envoy` on a cluster: clients speak to"
    )
    assert "`add endpoints`" in finding.remedy


@pytest.mark.parametrize(
    ("does", "most"),
    [
        ({}, 2),
        ({"during": "[{at: 1 s, do: add endpoints}]"}, 3),
        ({"during": "[{at: 1 s, do: add routes}]"}, 2),
        ({"objects": "{routes: 2}"}, 2),
        ({"topology": "{routes: 4}", "vary": "{endpoints: [1, 4]}"}, 4),
    ],
)
def test_a_proxy_that_takes_one_endpoint_of_each_pod_is_not_given_more(
    does: dict[str, str], most: int
) -> None:
    for processes, found in ((most - 1, 1), (most, 0)):
        parts = {"systems": "[traefik, contour]", "origin": f"{{processes: {processes}}}"}
        made = plan(place="kubernetes", **parts, **{**TOPOLOGY, **does})
        findings = list(check_words(compile_cases(made)))
        assert len(findings) == found
        pods = f"{processes} pod{'s' * (processes > 1)}"
        for finding in findings:
            assert finding.severity == "refuse"
            assert finding.text.startswith(
                "`endpoints`: of a service's endpoints `traefik` takes one at each address"
            )
            assert finding.text.endswith(f"the {most} of each are on {pods} of the origin")
            assert finding.remedy == f"`origin: {{processes: {most}}}`"


def test_objectives_on_windows_need_a_disturbance() -> None:
    assert "is of disturbances, and this plan has none" in refusal(objectives="[during_p99 < 30 ms]")
    made = plan(during="[{at: 1 s, do: reload}]", objectives="[during_p99 < 30 ms]", systems="[nginx]")
    assert made.objectives[0].metric == "during_p99"


def test_a_number_of_proxies_that_varies_has_every_member_that_is_named() -> None:
    parts = {"vary": "{proxies: [2, 3]}", "systems": "[nginx]"}
    assert "there is no member 3 of 2" in refusal(during="[{at: 1 s, do: kill, member: 3}]", **parts)
    assert plan(during="[{at: 1 s, do: kill, member: 2}]", **parts).during[0].member == 2


def test_the_topology_is_followed_through_the_disturbances() -> None:
    during = (
        "[{at: 1 s, do: add routes, count: 6}, {at: 2 s, do: add endpoints}, {at: 3 s, do: reload}, "
        "{at: 4 s, do: remove routes, count: 5}]"
    )
    made = plan(during=during, systems="[nginx]", **TOPOLOGY)
    seen = [(one.routes, one.endpoints) for one in topologies(made.topology, made.during)]
    assert seen == [(4, 2), (10, 2), (10, 3), (10, 3), (5, 3)]


def test_a_system_without_a_proxy_is_left_alone_beside_those_that_are_disturbed() -> None:
    made = plan(during="[{at: 1 s, do: reload}]", systems="[direct, nginx]")
    assert [len(case.disturbances) for case in compile_cases(made)] == [0, 1]


def test_what_is_done_to_some_systems_is_not_done_to_the_others() -> None:
    one = "{at: 2 s, do: reload, systems: [nginx]}, {at: 2 s, do: restart, systems: [envoy]}"
    during = f"[{one}, {{at: 4 s, do: restart}}]"
    made = plan(during=during, systems="[nginx, envoy, direct]")
    cases = compile_cases(made)
    assert [[one.do for one in case.disturbances] for case in cases] == [
        ["reload", "restart"], ["restart", "restart"], [],
    ]  # fmt: skip
    assert [[one.do for one in case.spared] for case in cases] == [
        ["restart"], ["reload"], ["reload", "restart", "restart"],
    ]  # fmt: skip
    # The times of one system do not stand in the way of another's, and its topology is its own.
    added = "[{at: 1 s, do: add endpoints, systems: [nginx]}, {at: 3 s, do: pause endpoint, endpoint: 3, for: 1 s}]"
    assert "there is no endpoint 3 of 2" in refusal(during=added, systems="[nginx, envoy]", **TOPOLOGY)
    assert plan(during=added, systems="[nginx]", **TOPOLOGY).during[1].endpoint == 3


@pytest.mark.parametrize(
    ("written", "words"),
    [
        ("{at: 1 s, do: pause endpoint, endpoint: 2, for: 1 s}", "pause endpoint 2 for 1 s"),
        (
            "{at: 1 s, do: pause endpoint, endpoint: 2, service: service-3, for: 1 s}",
            "pause endpoint 2 of service-3 for 1 s",
        ),
        ("{at: 1 s, do: kill, member: 1, for: 5 s}", "kill member 1 for 5 s"),
        ("{at: 1 s, do: add endpoints}", "add 1 endpoint"),
        ("{at: 1 s, do: add routes, count: 1k}", "add 1,000 routes"),
        ("{at: 1 s, do: pause origin, for: 250 ms}", "pause origin for 250 ms"),
        ("{at: 1 s, do: reload}", "reload"),
    ],
)
def test_each_is_said_in_words(written: str, words: str) -> None:
    made = plan(during=f"[{written}]", **TOPOLOGY, systems="[nginx: {proxies: 2}]")
    assert made.during[0].words == words


def test_what_cannot_be_at_a_part_of_the_size_is_refused_there() -> None:
    text = "name: a\nload: {rate: 1k/s}\nphases: {measure: 10 s}\nsystems: [nginx: {proxies: 4}]\n"
    during = "during: [{at: 1 s, do: kill, member: 4}]\n"
    assert given_again(text + during, "a.yaml", Fraction(1)).plan.during[0].member == 4
    with pytest.raises(PlanError, match="cannot be at this scale: there is no member 4 of 1"):
        given_again(text + during, "a.yaml", Fraction(1, 4))
    routes = "topology: {routes: 4}\nduring: [{at: 1 s, do: add routes}]\n"
    with pytest.raises(PlanError, match="the one route takes whatever comes"):
        given_again(text + routes, "a.yaml", Fraction(1, 4))
