"""Gimbal's discoverers: of OpenStack by polling, of Kubernetes by watching.

Flags and metrics: projectcontour/gimbal, ``cmd/*-discoverer/main.go`` and ``pkg/metrics/metrics.go``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field

from seatrial.machine.address import Address
from seatrial.machine.processes.programs import Program
from seatrial.systems.discoverers.invocation import Carries, Invocation
from seatrial.systems.discoverers.options import (
    ForeignOptions,
    Period,
    PerSecond,
    Workers,
    go_flags,
    kubeconfig_of,
    seconds,
)
from seatrial.systems.discovering import QueueNames

if TYPE_CHECKING:
    from pathlib import Path

    from seatrial.systems.discovering import Wiring

QUEUE = QueueNames(depth="gimbal_queuesize")
"""It counts nothing else of its queue, and this leaves out what waits for the rate limiter."""
HEALTH = Address("127.0.0.1", 8000)
"""Where the one of OpenStack answers /healthz, and no flag moves it."""
_OWN = frozenset(
    {
        "backend-name",
        "gimbal-client-burst",
        "gimbal-client-qps",
        "gimbal-kubecfg-file",
        "num-threads",
        "prometheus-listen-address",
        "version",
    }
)
_VERSION = (("--version",), r"Version: (\S+)")
_GET_IT = "build it from github.com/projectcontour/gimbal and name it: `{kind}: {{binary: PATH}}`"


class GimbalOptions(ForeignOptions):
    """What both of them are given."""

    client_qps: PerSecond = Field(
        5, description="Calls per second to the destination's API server.", examples=[50]
    )
    client_burst: PerSecond = Field(
        10, description="Calls that may be made at once after a pause.", examples=[100]
    )
    threads: Workers = Field(2, description="Items of its queue that are worked on at once.", examples=[16])

    def _flags(self, wiring: Wiring, metrics: Address) -> dict[str, object]:
        return {
            "gimbal-kubecfg-file": wiring.into,
            "backend-name": wiring.backend,
            "num-threads": self.threads,
            "gimbal-client-qps": self.client_qps,
            "gimbal-client-burst": self.client_burst,
            # A port, whatever it is called.
            "prometheus-listen-address": metrics.port,
        }

    def _invocation(
        self, flags: dict[str, object], metrics: Address, environment: dict[str, str]
    ) -> Invocation:
        return Invocation(
            (*go_flags(flags), *self.flags), environment, f"http://{metrics}/metrics", queue=QUEUE
        )


class GimbalOpenstackOptions(GimbalOptions):
    """Gimbal's OpenStack discoverer, started as a process of this machine. It needs port 8000 of it."""

    own_flags: ClassVar[frozenset[str]] = _OWN | {"reconciliation-period"}
    looked_for: ClassVar[Program] = Program(
        ("openstack-discoverer",), *_VERSION, _GET_IT.format(kind="gimbal-openstack")
    )

    listens_at: ClassVar[tuple[Address, ...]] = (HEALTH,)

    kind: Literal["gimbal-openstack"] = "gimbal-openstack"
    reconciliation_period_s: Period = Field(
        30.0,
        alias="reconciliation_period",
        description="How often it looks at the whole cloud.",
        examples=["5 s"],
    )

    @property
    def carries(self) -> Carries:
        """OpenStack."""
        return Carries(frozenset({"openstack"}), "endpoints", "endpoints")

    @property
    def notices_within_s(self) -> float:
        """The time between two of its cycles."""
        return self.reconciliation_period_s

    def invocation(self, wiring: Wiring, metrics: Address, directory: Path) -> Invocation:  # noqa: ARG002
        """Return the command; how it gets at the cloud is in the environment, in the words of its time."""
        flags = {
            **self._flags(wiring, metrics),
            "reconciliation-period": seconds(self.reconciliation_period_s),
        }
        environment = {}
        if (project := wiring.source.get("OS_PROJECT_NAME")) is not None:
            environment["OS_TENANT_NAME"] = project
        return self._invocation(flags, metrics, environment)


class GimbalKubernetesOptions(GimbalOptions):
    """Gimbal's Kubernetes discoverer, started as a process of this machine."""

    own_flags: ClassVar[frozenset[str]] = _OWN | {"resync-interval", "discover-kubecfg-file"}
    looked_for: ClassVar[Program] = Program(
        ("kubernetes-discoverer",), *_VERSION, _GET_IT.format(kind="gimbal-kubernetes")
    )

    kind: Literal["gimbal-kubernetes"] = "gimbal-kubernetes"
    resync_interval_s: Period = Field(
        1_800.0,
        alias="resync_interval",
        description="How often it takes everything for changed, beside what it watches.",
        examples=["30 s"],
    )

    @property
    def carries(self) -> Carries:
        """Another API server."""
        return Carries(frozenset({"kubernetes"}), "endpoints", "endpoints")

    @property
    def notices_within_s(self) -> float:
        """The time between two of its resyncs."""
        return self.resync_interval_s

    def invocation(self, wiring: Wiring, metrics: Address, directory: Path) -> Invocation:  # noqa: ARG002
        """Return the command."""
        flags = {
            **self._flags(wiring, metrics),
            "discover-kubecfg-file": kubeconfig_of(wiring, self.kind),
            "resync-interval": seconds(self.resync_interval_s),
        }
        return self._invocation(flags, metrics, {})
