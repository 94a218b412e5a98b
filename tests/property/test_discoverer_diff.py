"""What differs between source and destination: nothing where both mean the same, else what makes them the same."""

from __future__ import annotations

import copy
import random
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from seatrial.discoverer.differences import Held, steps_between
from seatrial.discoverer.objects import ObjectId, Shape, manifests, shape_of
from seatrial.discoverer.services import Port, Upstream

KEY = ("team", "shop")
addresses = st.one_of(
    st.integers(1, 40).map(lambda number: f"172.16.0.{number}"),
    st.integers(1, 9).map(lambda number: f"fd00::{number}"),
)
endpoints = st.lists(st.tuples(addresses, st.sampled_from([8080, 9090])), max_size=8, unique=True)
ports = st.lists(
    st.tuples(st.sampled_from(["TCP", "UDP"]), st.integers(80, 85), endpoints),
    max_size=4,
    unique_by=lambda port: port[:2],
)


def service_of(given_ports: list[tuple[str, int, list[tuple[str, int]]]]) -> Upstream:
    made = [Port(f"{name.lower()}-{number}", name, number, tuple(ends)) for name, number, ends in given_ports]
    return Upstream(*KEY, tuple(made))


def shapes(made: dict[ObjectId, dict[str, Any]]) -> dict[ObjectId, Shape]:
    return {one: shape_of(manifest) for one, manifest in made.items()}


def held(made: dict[ObjectId, dict[str, Any]]) -> dict[ObjectId, Held]:
    return {one: Held("uid", "1", shape) for one, shape in shapes(made).items()}


def as_returned(manifest: dict[str, Any], dice: random.Random) -> dict[str, Any]:
    """Return an object as an API server has it: with defaults, in another order, and with what others have added."""
    one = copy.deepcopy(manifest)
    one["metadata"] |= {"uid": "uid", "resourceVersion": "7", "managedFields": [{}]}
    one["metadata"]["labels"] |= {"somebody/else": "x"}
    if one["kind"] == "Service":
        for port in one["spec"]["ports"]:
            port |= {"targetPort": port["port"]}
            if port["protocol"] == "TCP" and dice.random() < 0.5:
                del port["protocol"]
        one["spec"] |= {"sessionAffinity": "None", "ipFamilies": ["IPv4"]}
        dice.shuffle(one["spec"]["ports"])
    else:
        for key in ("endpoints", "ports"):
            dice.shuffle(one[key])
    return one


@given(ports, st.randoms(use_true_random=False))
def test_what_an_api_server_returns_does_not_differ(given_ports: Any, dice: random.Random) -> None:
    made = manifests(KEY, service_of(given_ports), "cloud")
    returned = {one: as_returned(manifest, dice) for one, manifest in made.items()}
    assert steps_between(shapes(made), held(returned)) == []


@given(ports, st.randoms(use_true_random=False))
def test_a_source_in_another_order_does_not_differ(given_ports: Any, dice: random.Random) -> None:
    again = [(name, number, dice.sample(ends, len(ends))) for name, number, ends in given_ports]
    dice.shuffle(again)
    before, after = (manifests(KEY, service_of(one), "cloud") for one in (given_ports, again))
    assert steps_between(shapes(after), held(before)) == []


@given(ports, ports)
def test_the_steps_make_one_of_the_other(before_ports: Any, after_ports: Any) -> None:
    before, after = (shapes(manifests(KEY, service_of(one), "cloud")) for one in (before_ports, after_ports))
    there = dict(before)
    steps = steps_between(after, {one: Held("uid", "1", shape) for one, shape in before.items()})
    for step in steps:
        assert (step.verb == "create") == (step.id not in there)
        if step.verb == "delete":
            del there[step.id]
        else:
            assert there.get(step.id) != after[step.id]
            there[step.id] = after[step.id]
    assert there == after
    # Nothing is done twice.
    assert len({step.id for step in steps}) == len(steps)


@given(ports)
def test_slices_carry_every_endpoint_of_every_port_and_no_other(given_ports: Any) -> None:
    service = service_of(given_ports)
    made = manifests(KEY, service, "cloud")
    carried = sorted(
        (port["name"], address, port["port"])
        for one in made.values()
        if one["kind"] == "EndpointSlice"
        for end in one["endpoints"]
        for address in end["addresses"]
        for port in one["ports"]
    )
    wanted = sorted(
        (port.name, address, number) for port in service.ports or () for address, number in port.endpoints
    )
    assert carried == wanted
    for one in made.values():
        if one["kind"] == "EndpointSlice":
            names = [port["name"] for port in one["ports"]]
            assert len(set(names)) == len(names)
            assert all(
                (":" in end["addresses"][0]) == (one["addressType"] == "IPv6") for end in one["endpoints"]
            )
