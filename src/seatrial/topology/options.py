"""What a plan says of the topology: three numbers, and how a request says which route it is for."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from seatrial import limits
from seatrial.schema.fields import Model
from seatrial.schema.quantities import COUNT, Quantity

RouteCount = Annotated[int, Quantity(COUNT, 1, limits.MAX_ROUTES)]
EndpointCount = Annotated[int, Quantity(COUNT, 1, limits.MAX_ENDPOINTS)]


class TopologyPlan(Model):
    """How many routes lead to how many services, of how many endpoints each."""

    routes: RouteCount = Field(
        1, description="Routes, all of which the load exercises. One takes whatever comes.", examples=[1000]
    )
    by: Literal["host", "path"] = Field(
        "host", description="What tells routes apart: a virtual host or a path of its own.", examples=["path"]
    )
    services: RouteCount | None = Field(
        None,
        description="Services that routes lead to in turns. If left out: one for each route.",
        examples=[10],
    )
    endpoints: EndpointCount = Field(
        1, description="Endpoints of each service: addresses that the origin listens on.", examples=[4]
    )

    @model_validator(mode="after")
    def _fits(self) -> TopologyPlan:
        # Routes that are left out here may be varied: then the cases are looked at.
        if "routes" in self.model_fields_set:
            self.check()
        return self

    def check(self) -> None:
        """Raise ``ValueError`` where the numbers do not fit together: varied, they have not been looked at together."""
        if self.services is not None and self.services > self.routes:
            raise ValueError(
                f"{self.services:,} services behind {self.routes:,} routes: some would never be reached; as many "
                "routes as services, at least"
            )
        if self.endpoints_in_all > limits.MAX_ENDPOINTS:
            raise ValueError(
                f"{self.endpoints_in_all:,} endpoints are too many: {limits.MAX_ENDPOINTS:,} of all services together"
            )

    @property
    def services_in_all(self) -> int:
        """How many services there are."""
        return self.routes if self.services is None else self.services

    @property
    def service_names(self) -> tuple[str, ...]:
        """The name of each service, in the order of their numbers."""
        return tuple(f"service-{number}" for number in range(self.services_in_all))

    @property
    def endpoints_in_all(self) -> int:
        """How many endpoints all services have together."""
        return self.services_in_all * self.endpoints

    @property
    def is_routed(self) -> bool:
        """Whether there is more than the one route that takes whatever comes."""
        return self.routes > 1

    @property
    def hosts(self) -> str | None:
        """The template of every route's host; None where hosts do not matter."""
        return f"route-{{0..{self.routes - 1}}}.example.com" if self.is_routed and self.by == "host" else None

    @property
    def paths(self) -> str | None:
        """The template of every route's path; None where paths do not matter."""
        return f"/route-{{0..{self.routes - 1}}}/" if self.is_routed and self.by == "path" else None
