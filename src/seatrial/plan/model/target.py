"""What the load meets: the systems under test and the origin behind them."""

from __future__ import annotations

from typing import Annotated, Literal, TypeAlias, get_args

from pydantic import Field, field_validator, model_validator

from seatrial import limits
from seatrial.plan.model.fields import AnyRate, Model, Processes, Time, file_safe_word
from seatrial.plan.model.quantities import COUNT, SIZE, Quantity

SystemKind = Literal["envoy", "nginx", "direct"]
SYSTEM_KINDS: tuple[SystemKind, ...] = get_args(SystemKind)
RESERVED_LABELS = frozenset({"origin", "generator"})
"""Files and processes of a run are named after these beside its systems."""


class EnvoyOptions(Model):
    """Envoy, started as a process of this machine with a static configuration."""

    kind: Literal["envoy"] = "envoy"
    proxies: Processes = Field(1, description="Envoy processes side by side; just 1 for now.", examples=[1])
    concurrency: Processes = Field(1, description="Worker threads of each Envoy.", examples=[1, 4])

    @field_validator("proxies")
    @classmethod
    def _one_for_now(cls, proxies: int) -> int:
        return _only_one_proxy(proxies)


class NginxOptions(Model):
    """Nginx, started as a process of this machine."""

    kind: Literal["nginx"] = "nginx"
    proxies: Processes = Field(1, description="nginx masters side by side; just 1 for now.", examples=[1])
    worker_processes: Processes = Field(1, description="Worker processes of each nginx.", examples=[1, 4])
    keepalive_upstream: Annotated[int, Quantity(COUNT, 1, 65_536)] = Field(
        512, description="Idle connections to the origin that each worker process keeps open.", examples=[512]
    )

    @field_validator("proxies")
    @classmethod
    def _one_for_now(cls, proxies: int) -> int:
        return _only_one_proxy(proxies)


class DirectOptions(Model):
    """No proxy: the load goes straight to the origin. The baseline that the proxies are compared with."""

    kind: Literal["direct"] = "direct"


Options: TypeAlias = Annotated[EnvoyOptions | NginxOptions | DirectOptions, Field(discriminator="kind")]


class SystemPlan(Model):
    """One system under test; ``label`` names it in every output and is unique in the plan."""

    kind: SystemKind
    label: str
    options: Options

    @field_validator("label")
    @classmethod
    def _file_safe(cls, label: str) -> str:
        if label in RESERVED_LABELS:
            raise ValueError(f"the label `{label}` is taken, for a run has one itself: another word")
        return file_safe_word(label)

    @model_validator(mode="after")
    def _own_kind(self) -> SystemPlan:
        if self.label in SYSTEM_KINDS and self.label != self.kind:
            raise ValueError(
                f"`{self.label}` as the label of `{self.kind}` would be taken for another kind of system"
            )
        return self


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


def _only_one_proxy(proxies: int) -> int:
    if proxies > 1:
        raise ValueError(f"`{proxies}` proxies are a fleet, and fleets are not there yet: 1, for now")
    return proxies
