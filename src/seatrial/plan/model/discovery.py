"""What a plan asks of a discoverer: from which source of truth, how much of it, and what goes on there meanwhile."""

from __future__ import annotations

from typing import Annotated, Literal, TypeAlias

from pydantic import Field, model_validator

from seatrial import limits
from seatrial.schema.fields import Model, Time
from seatrial.schema.quantities import COUNT, DURATION, Quantity
from seatrial.systems.discovering import SourceKind

Services: TypeAlias = Annotated[int, Quantity(COUNT, 1, limits.MAX_DISCOVERED_SERVICES)]
Samples: TypeAlias = Annotated[int, Quantity(COUNT, 0, 1_000)]
FaultPlace = Literal["source", "destination"]


class FaultPlan(Model):
    """What goes wrong in one step of a trial: in the words of `seatrial openstack --fault`, and where."""

    at: FaultPlace = Field(description="Where it happens.", examples=["destination"])
    words: str = Field(
        description="What happens, as for `seatrial openstack --fault`.",
        examples=["status status=409 share=20%"],
    )

    @property
    def text(self) -> str:
        """What a person reads of it."""
        return f"{self.words} at the {self.at}"


class DiscoveryPlan(Model):
    """Services that a discoverer carries from a source of truth into a cluster, and how soon each change arrives."""

    source: SourceKind = Field(
        "openstack",
        description="Where the services are: a simulated OpenStack cloud, another API server (a context of the "
        "kubeconfig), or a list that is fetched over HTTP. Seatrial fills it, and changes it. A system may have "
        "another `source`.",
        examples=["kubernetes"],
    )
    source_context: str | None = Field(
        None, description="With `source: kubernetes`: the context of the API server that has them.", examples=["source"]
    )  # fmt: skip
    services: Services = Field(
        100, description="How many are there when the discoverer begins.", examples=[1000]
    )
    namespaces: Annotated[int, Quantity(COUNT, 1, 1_000)] = Field(
        10, description="Over how many namespaces (projects) they are spread.", examples=[20]
    )
    endpoints: Annotated[int, Quantity(COUNT, 1, 100)] = Field(
        2, description="Endpoints (members) of each.", examples=[2]
    )
    samples: Samples = Field(
        5,
        description="How often one service is added, changed and deleted, each at a moment of its own in the "
        "discoverer's period, one after another.",
        examples=[5],
    )
    idle_periods: Samples = Field(
        3,
        description="For how many of the discoverer's periods nothing is changed, and it should write nothing.",
        examples=[3],
    )
    storm: Annotated[int, Quantity(COUNT, 0, limits.MAX_DISCOVERED_SERVICES)] = Field(
        0,
        description="How many services of one namespace are deleted at once, while one is added in another: how long "
        "does that one wait?",
        examples=[500],
    )
    faults: tuple[FaultPlan, ...] = Field(
        (),
        max_length=20,
        description="What goes wrong, one after the other, while `samples` services are added, changed and deleted; "
        "once it is lifted everything has to come right. Each in the words of `seatrial openstack --fault`, at the "
        "destination, or `{source: WORDS}`.",
        examples=["[status status=409 share=20%, {source: token}]"],
    )
    cloud: tuple[str, ...] = Field(
        (),
        max_length=20,
        description="With `source: openstack`: how that cloud is all the time, in the same words.",
        examples=["[latency p50=20ms p99=200ms]"],
    )
    settle_s: Annotated[float, Quantity(DURATION, 1, limits.MAX_DURATION_S)] = Field(
        60,
        alias="settle",
        description="At most so long is waited, beside three periods, for what is to come right after a fault, for the "
        "queue to be empty, and for one change.",
        examples=["60 s"],
    )
    sample_every_s: Time = Field(
        0.25,
        alias="sample_every",
        description="How often the discoverer's own page is read, for its queue.",
        examples=["250 ms"],
    )

    @model_validator(mode="after")
    def _fits(self) -> DiscoveryPlan:
        if self.services < self.namespaces:
            raise ValueError("there are fewer `services` than `namespaces`: fewer `namespaces`")
        if self.faults and not self.samples:
            raise ValueError(
                "`faults` stand while `samples` change, and there are none: `samples` of 1 or more"
            )
        return self
