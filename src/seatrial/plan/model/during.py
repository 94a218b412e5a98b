"""What a plan does to its systems while they are measured, each thing at its time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from pydantic import Field, model_validator

from seatrial import limits
from seatrial.schema.fields import Model, Time
from seatrial.schema.quantities import COUNT, DURATION, Quantity
from seatrial.systems.disturbance import OF_ONE_MEMBER, OF_ORIGIN, Action
from seatrial.topology.options import EndpointCount, RouteCount
from seatrial.units import format_duration

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from seatrial.topology.options import TopologyPlan

DRAIN_LIMIT_S = 10.0
"""A member that drains is ended after this unless the plan says: a supervisor mostly waits 10 to 30 s."""

_COUNTED = frozenset({"add routes", "remove routes", "add endpoints", "remove endpoints"})
_LASTING = {
    "kill": "how long it stays down; for ever if left out",
    "drain": f"when it is ended at the latest; {format_duration(DRAIN_LIMIT_S)} if left out",
    "pause origin": "how long the origin stands still",
    "pause endpoint": "how long it stands still",
}


class DisturbancePlan(Model):
    """One thing that is done to a system, at its time in the measure phase."""

    at_s: Time = Field(
        alias="at",
        description="When, from the start of the measure phase. What comes of it is reported in a window of its own, "
        "from the step of the time series (`interval`) in which it begins to that of the next.",
        examples=["10 s"],
    )
    do: Action = Field(
        description="`reload`: the proxy reads its configuration again. `restart`: ended and started again. "
        "`kill`: ended with SIGKILL. `drain`: takes no more connections and ends when it has none. Routes and "
        "endpoints: its topology has more, or again fewer. `swap certificate`: it shows another. "
        "`restart controller`: on a cluster the pods of the controller are deleted, and others take their place. "
        "`pause origin`: no endpoint answers. `pause endpoint`: one does not, and the others do.",
        examples=["reload", "add routes"],
    )
    systems: tuple[str, ...] | None = Field(
        None,
        description="The labels of the systems that it is done to. If left out: all that have a proxy.",
        examples=["[nginx, haproxy]"],
    )
    member: Annotated[int, Quantity(COUNT, 1, limits.MAX_PROCESSES)] | None = Field(
        None,
        description="Which proxy of a fleet, from 1 on. If left out: all of them, one after another.",
        examples=[1],
    )
    count: RouteCount | None = Field(
        None, description="How many routes, or endpoints of each service. If left out: one.", examples=[10]
    )
    endpoint: EndpointCount | None = Field(
        None, description="Which endpoint of a service is paused, from 1 on.", examples=[2]
    )
    service: str | None = Field(
        None,
        description="Of which service, by its name: the first is `service-0`. If left out: of each.",
        examples=["service-0"],
    )
    for_s: Annotated[float, Quantity(DURATION, limits.MIN_TIME_S, limits.MAX_DURATION_S)] | None = Field(
        None,
        alias="for",
        description="; ".join(f"of `{action}` {meaning}" for action, meaning in _LASTING.items()).capitalize()
        + ".",
        examples=["5 s"],
    )

    @model_validator(mode="after")
    def _fits(self) -> DisturbancePlan:
        if self.member is not None and self.do not in OF_ONE_MEMBER:
            raise ValueError(f"`{self.do}` is of all members: no `member`")
        if self.count is not None and self.do not in _COUNTED:
            raise ValueError(f"`{self.do}` has no `count`: no such key")
        if self.for_s is not None and self.do not in _LASTING:
            raise ValueError(f"`{self.do}` takes as long as it takes: no `for`")
        if self.for_s is None and self.do in OF_ORIGIN:
            what = self.do.removeprefix("pause ")
            raise ValueError(f"an {what} that is paused has to go on at some time: `for`, such as 2 s")
        if self.systems == ():
            raise ValueError("`systems` is empty: labels of systems, or no `systems`")
        self._names_an_endpoint()
        return self

    def _names_an_endpoint(self) -> None:
        if self.do == "pause endpoint":
            if self.endpoint is None:
                raise ValueError("`pause endpoint` does not say which: `endpoint`, its number from 1 on")
        elif self.endpoint is not None or self.service is not None:
            raise ValueError(f"`{self.do}` is of no single endpoint: neither `endpoint` nor `service`")

    @property
    def number(self) -> int:
        """How many routes or endpoints."""
        return self.count or 1

    @property
    def lasts_s(self) -> float:
        """How long it takes at least."""
        return self.for_s or 0.0 if self.do in {"kill", *OF_ORIGIN} else 0.0

    def is_of(self, label: str) -> bool:
        """Return whether it is done to the system of this label, where that has a proxy."""
        return self.systems is None or label in self.systems

    @property
    def leaves_it_down(self) -> bool:
        """Whether the member that it is done to does not serve again."""
        return self.do == "drain" or (self.do == "kill" and self.for_s is None)

    @property
    def words(self) -> str:
        """It in words, such as ``kill member 2 for 5 s``."""
        action, _, what = self.do.partition(" ")
        parts = [action]
        if self.do in _COUNTED:
            parts += [f"{self.number:,}", what if self.number > 1 else what.removesuffix("s")]
        elif what:
            parts.append(what)
        if self.endpoint is not None:
            parts.append(str(self.endpoint))
        if self.service is not None:
            parts.append(f"of {self.service}")
        if self.member is not None:
            parts.append(f"member {self.member}")
        if self.for_s is not None:
            parts.append(f"for {format_duration(self.for_s)}")
        return " ".join(parts)

    def changed(self, topology: TopologyPlan) -> TopologyPlan:
        """Return what the topology is after it."""
        name = self.do.rpartition(" ")[2]
        if self.do not in _COUNTED:
            return topology
        number = self.number if self.do.startswith("add") else -self.number
        return topology.model_copy(update={name: getattr(topology, name) + number})


def topologies(topology: TopologyPlan, during: Iterable[DisturbancePlan]) -> Iterator[TopologyPlan]:
    """Yield the topology as it is at first, and as it is after each disturbance."""
    yield topology
    for disturbance in during:
        topology = disturbance.changed(topology)
        yield topology
