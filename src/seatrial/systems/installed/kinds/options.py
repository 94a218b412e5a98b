"""What a plan may say of a system that is installed on a cluster, beside what it may say of every proxy."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, ClassVar

from pydantic import Field

from seatrial.errors import PlanError
from seatrial.schema.fields import Model, Processes
from seatrial.schema.quantities import SIZE, Quantity
from seatrial.systems.disturbance import OF_OBJECTS, Action
from seatrial.systems.installed.manifests.workloads import Resources
from seatrial.systems.options import SystemOptions
from seatrial.systems.vocabulary import Lack, SharedOptions

if TYPE_CHECKING:
    from seatrial.systems.base import System

GIB = 1 << 30
MIN_MEMORY_BYTES, MAX_MEMORY_BYTES = 64 << 20, 1_000_000_000_000
"""Below, no proxy starts; above is no machine."""
BREAKERS_LEAST = 50_000
"""The procedure raises circuit breakers to this; Envoy's default of 1,024 would be measured instead of the proxy."""

Cpus = Annotated[float, Field(gt=0, le=1_024)]
Memory = Annotated[int, Quantity(SIZE, MIN_MEMORY_BYTES, MAX_MEMORY_BYTES)]

NO_TLS_UPSTREAM = Lack("tls_upstream", (False,), "TLS to the origin is not rendered for a cluster")
NO_LOG_FILE = Lack("access_log", ("off", "stdout"), "a pod has no file that would outlive it: `stdout`")


class OnCluster(Model):
    """What pods of a proxy are given; on this machine none of it matters."""

    version: str | None = Field(
        None,
        description="On a cluster: the version to install. If left out: the one that is tried.",
        examples=["1.33.8"],
    )
    image: str | None = Field(
        None,
        description="On a cluster: the image, where it is not the makers' own of that version.",
        examples=["registry.example.com/contour:v1.33.8"],
    )
    cpus: Cpus | None = Field(
        None,
        description="On a cluster: CPUs of each proxy, which are its limit and reserved for it. If left out: one for "
        "each of its threads.",
        examples=[2],
    )
    memory_bytes: Memory = Field(
        GIB,
        alias="memory",
        description="On a cluster: memory of each proxy, which is its limit and reserved for it.",
        examples=["2 GiB"],
    )

    def resources(self, threads: int) -> Resources:
        """Return what each proxy may use."""
        return Resources(self.cpus or threads, self.memory_bytes)


class InstalledOptions(SystemOptions, SharedOptions):
    """The options of a kind that there is on a cluster only."""

    lacks: ClassVar[tuple[Lack, ...]] = (NO_TLS_UPSTREAM, NO_LOG_FILE)

    def create(self) -> System:
        """Raise ``PlanError``: there is none of it on this machine."""
        kind = type(self).model_fields["kind"].default
        raise PlanError(
            f"`{kind}` is a system on a cluster, and this plan runs on this machine",
            next_step="run it with --on kubernetes, or name a proxy of this machine",
        )


class ControlledOptions(InstalledOptions, OnCluster):
    """The options of proxies that a controller beside them configures: both are installed."""

    routes_are_objects: ClassVar[bool] = True
    # There is none of it anywhere else.
    disturbances: ClassVar[frozenset[Action]] = OF_OBJECTS | {"restart controller"}
    disturbances_on_cluster: ClassVar[frozenset[Action]] = disturbances

    beside_each_proxy: ClassVar[Resources] = Resources(0.0, 0)
    """What the controller puts into the pod of each proxy, too, as it reserves it."""

    proxies: Processes = Field(
        1, description="Proxies side by side: the replicas of the Deployment.", examples=[1, 8]
    )
    concurrency: Processes = Field(1, description="Worker threads of each Envoy.", examples=[1, 4])
    proxy_image: str | None = Field(
        None,
        description="The image of each Envoy, where it is not the makers' own of the version that is tried.",
        examples=["registry.example.com/envoy:v1.35.8"],
    )
    controller_cpus: Cpus = Field(
        0.5, description="CPUs of the controller, its limit and reserved for it.", examples=[2]
    )
    controller_memory_bytes: Memory = Field(
        GIB,
        alias="controller_memory",
        description="Memory of the controller, its limit and reserved for it.",
        examples=["4 GiB"],
    )

    @property
    def proxy_processes(self) -> int:
        """One for each proxy."""
        return self.proxies

    @property
    def controller_resources(self) -> Resources:
        """What the controller may use."""
        return Resources(self.controller_cpus, self.controller_memory_bytes)

    def breaker_limit(self, max_connections: int) -> int | None:
        """Return what the circuit breakers of every service are to be; None leaves them at their default."""
        if self.limits == "default":
            return None
        return max(BREAKERS_LEAST, max_connections) if self.limits == "raised" else self.limits
