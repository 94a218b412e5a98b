"""Whatever is changed, the text that lists remember of a resource is what it is now."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as some

from seatrial.openstack.api.answers import Face
from seatrial.openstack.api.shown import Shown
from seatrial.openstack.cloud.cloud import Cloud
from seatrial.openstack.cloud.moments import Clock
from seatrial.openstack.cloud.projects import Directory
from seatrial.openstack.cloud.resources import Kind, Resource
from seatrial.openstack.cloud.services import Services, Shape

PARENTS = {
    Kind.LISTENER: Kind.LOAD_BALANCER,
    Kind.POOL: Kind.LOAD_BALANCER,
    Kind.MEMBER: Kind.POOL,
    Kind.HEALTH_MONITOR: Kind.POOL,
}
REQUIRED: dict[Kind, dict[str, Any]] = {
    Kind.LISTENER: {"protocol": "HTTP", "protocol_port": 81},
    Kind.POOL: {"protocol": "HTTP", "lb_algorithm": "ROUND_ROBIN"},
    Kind.MEMBER: {"address": "10.0.0.1", "protocol_port": 80},
    Kind.HEALTH_MONITOR: {"type": "TCP", "delay": 1, "timeout": 1, "max_retries": 1},
}
STEPS = some.lists(
    some.tuples(
        some.sampled_from(["create", "update", "rename", "default", "delete", "wait"]),
        some.sampled_from(list(Kind)),
        some.integers(0, 20),
        some.integers(0, 2),
    ),
    min_size=1,
    max_size=8,
)


class Changing:
    """Two services whose resources are changed one step at a time, on a clock of the test."""

    def __init__(self) -> None:
        self.now_ns = 0
        clock = Clock(lambda: self.now_ns, ahead_ns=0)
        self.cloud = Cloud(1, clock)
        self.services = Services(self.cloud, Directory(1, "password"))
        for _ in self.services.create(Shape(services=2, projects=1, listeners=2, members=1)):
            pass
        self.shown = Shown(clock)

    def step(self, what: str, kind: Kind, which: int, pending_ns: int) -> None:
        if what == "wait":
            self.now_ns += which
            self.cloud.settle()
        elif what == "create" and kind in PARENTS:
            parent = self.chosen(PARENTS[kind], which)
            if parent is not None:
                self.cloud.create(kind, parent.project_id, REQUIRED[kind], parent, pending_ns)
        elif what == "default":
            listener, pool = self.chosen(Kind.LISTENER, which), self.chosen(Kind.POOL, which + 1)
            if listener is not None and pool is not None:
                self.cloud.update(listener, {"default_pool_id": pool.id}, pending_ns)
        elif what == "update":
            balancer = self.chosen(Kind.LOAD_BALANCER, which)
            if balancer is not None:
                self.services.update(balancer)
        else:
            found = self.chosen(kind, which)
            if found is not None and what == "rename":
                self.cloud.update(found, {"name": str(which)}, pending_ns)
            elif found is not None and what == "delete":
                self.cloud.delete(found, pending_ns)

    def chosen(self, kind: Kind, which: int) -> Resource | None:
        there = list(self.cloud.all(kind))
        return there[which % len(there)] if there else None


@settings(max_examples=60)
@given(steps=STEPS)
def test_what_is_remembered_is_what_is(steps: list[tuple[str, Kind, int, int]]) -> None:
    changing = Changing()
    for step in [None, *steps]:
        if step is not None:
            changing.step(*step)
        for kind in Kind:
            for one in changing.cloud.all(kind):
                for face in (Face.NEUTRON, Face.OCTAVIA):
                    text = changing.shown.text(one, face)
                    assert json.loads(text) == changing.shown.document(one, face), (step, kind)
