"""The sanity cells of a plan: what has to hold of every system before anything is measured."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from seatrial import limits
from seatrial.schema.fields import AnyRate, Model
from seatrial.schema.quantities import COUNT, DURATION, Quantity


class SanityPlan(Model):
    """Before the first case each system answers a moderate rate, all as expected, and holds idle connections.

    A system that does not ends the run. What is left out is never more than the plan itself asks for.
    """

    rate_per_s: AnyRate | None = Field(
        None,
        alias="rate",
        description="Requests per second. If left out: 10k/s, or the most that any case asks for if that is less.",
        examples=["1k/s"],
    )
    connections: Annotated[int, Quantity(COUNT, 1, limits.MAX_CONNECTIONS)] | None = Field(
        None,
        description="Idle connections. If left out: 10k, or the most that any case holds if that is less.",
        examples=["10k"],
    )
    for_s: Annotated[float, Quantity(DURATION, limits.MIN_MEASURE_S, limits.MAX_DURATION_S)] | None = Field(
        None,
        alias="for",
        description="How long each of the two is looked at. If left out: 2 min, or `measure` if that is less.",
        examples=["2 min"],
    )
    p99_s: Annotated[float, Quantity(DURATION, limits.MIN_TIME_S, limits.MAX_TIMEOUT_S)] = Field(
        0.01, alias="p99", description="The p99 of the answers has to be below this.", examples=["10 ms"]
    )
