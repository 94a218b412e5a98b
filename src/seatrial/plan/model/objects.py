"""What a plan changes while it measures of what its systems have to know: how soon each change is live is asked."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, model_validator

from seatrial import limits
from seatrial.schema.fields import AnyRate, Model
from seatrial.schema.quantities import COUNT, DURATION, Quantity
from seatrial.topology.changed import Change, What
from seatrial.topology.options import RouteCount

CHANGES: tuple[Change, ...] = ("create", "update", "delete")

PROBE_TIMEOUT_S = 2.0
"""How long a probe waits for its answer."""


class ObjectsPlan(Model):
    """Routes that are created, changed and deleted beside those of the topology, one kind of change after the other."""

    of: What = Field(
        "routes",
        description="What an `update` changes: to which service a route leads, or the endpoints of the service that it "
        "leads to, which is its own then and created and deleted with it.",
        examples=["endpoints"],
    )
    routes: RouteCount = Field(
        10, description="How many routes change; those of the topology stay as they are.", examples=[1000]
    )
    at_a_time: RouteCount = Field(
        1,
        description="How many one change is of, at most all: a reload, where a system reloads.",
        examples=[100],
    )
    changes: tuple[Change, ...] = Field(
        CHANGES,
        description="What is done to them, in this order. `update`: each leads to another service, or to other "
        "endpoints, from then on.",
        examples=["[create, delete]"],
    )
    rounds: Annotated[int, Quantity(COUNT, 1, 10_000)] = Field(
        1,
        description="How often `changes` are gone through, one round after the other; more than once needs `delete`.",
        examples=[10],
    )
    rate_per_s: AnyRate | None = Field(
        None,
        alias="rate",
        description="How many changes are begun in a second. If left out: the next once the one before is taken.",
        examples=["5/s"],
    )
    probe_period_s: Annotated[float, Quantity(DURATION, 0.001, limits.MAX_DURATION_S)] = Field(
        0.01,
        alias="probe_period",
        description="How long after a probe the next one for the same route at the same proxy is sent. The moment at "
        "which a change is live is known to within as much.",
        examples=["10 ms"],
    )
    probe_rate_per_s: AnyRate = Field(
        1_000,
        alias="probe_rate",
        description="The most probes in a second, of all routes together: the more there are, the longer each waits.",
        examples=["1000/s"],
    )
    stable_after: Annotated[int, Quantity(COUNT, 1, 1_000)] = Field(
        5, description="How many answers in a row have to be as they should.", examples=[5]
    )

    @model_validator(mode="after")
    def _fits(self) -> ObjectsPlan:
        known = [change for change in CHANGES if change in self.changes]
        if list(self.changes) != known or self.changes[:1] != ("create",):
            raise ValueError("`changes` are `create`, and then `update`, `delete` or both, each once")
        if self.rounds > 1 and "delete" not in self.changes:
            raise ValueError(
                "`rounds` need `delete` among the `changes`: what is there cannot be created again"
            )
        return self
