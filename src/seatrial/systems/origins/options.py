"""What a plan says of the origin."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from seatrial import limits
from seatrial.schema.fields import AnyRate, Model, Processes, Time
from seatrial.schema.quantities import COUNT, SIZE, Quantity


class DelayPlan(Model):
    """How long the origin thinks before it answers."""

    kind: Literal["none", "fixed", "uniform", "exponential"] = Field(
        "none", description="Shape of the delay.", examples=["fixed", "exponential"]
    )
    mean_s: Time = Field(
        0, alias="mean", description="The delay if fixed, its mean if exponential.", examples=["5 ms"]
    )
    low_s: Time = Field(0, alias="low", description="Shortest delay, if uniform.", examples=["1 ms"])
    high_s: Time = Field(0, alias="high", description="Longest delay, if uniform.", examples=["10 ms"])

    @model_validator(mode="after")
    def _parts_fit_the_kind(self) -> DelayPlan:
        wanted = {"none": (), "fixed": ("mean",), "exponential": ("mean",), "uniform": ("high",)}[self.kind]
        for name, value in (("mean", self.mean_s), ("high", self.high_s)):
            if (name in wanted) != (value > 0):
                need = "needs" if name in wanted else "does not have"
                raise ValueError(f"a delay of kind `{self.kind}` {need} `{name}`")
        if self.low_s > 0 and self.kind != "uniform":
            raise ValueError(f"a delay of kind `{self.kind}` does not have `low`")
        if self.low_s > self.high_s:
            raise ValueError("`low` is above `high`")
        return self


class OriginPlan(Model):
    """The target service behind the proxy."""

    kind: Literal["seatrial", "nginx"] = Field(
        "seatrial", description="Seatrial's own origin, or nginx in its place.", examples=["seatrial"]
    )
    body_bytes: Annotated[int, Quantity(SIZE, 0, limits.MAX_BODY_BYTES)] = Field(
        600, alias="body", description="Size of each response body.", examples=["600 B", "22 KB"]
    )
    delay: DelayPlan = Field(
        DelayPlan(), description="Delay before each answer: a duration, or a mapping.", examples=["5 ms"]
    )
    status: Annotated[int, Quantity(COUNT, 200, 599)] = Field(
        200, description="Status of each answer.", examples=[200]
    )
    processes: Processes = Field(1, description="Processes that serve, behind one port.", examples=[1])
    capacity_per_s: AnyRate | None = Field(
        None, alias="capacity", examples=["5k/s"],
        description="Answers per second at most; the rest queue. No limit if left out.",
    )  # fmt: skip

    @model_validator(mode="after")
    def _nginx_serves_only(self) -> OriginPlan:
        if self.kind == "nginx" and (self.delay.kind != "none" or self.capacity_per_s is not None):
            raise ValueError(
                "an origin of kind `nginx` has neither `delay` nor `capacity`; kind `seatrial` has both"
            )
        return self
