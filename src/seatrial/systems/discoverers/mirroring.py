"""Kubernetes' own: the controller that mirrors Endpoints without a selector into EndpointSlices of the same cluster."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from pydantic import Field

from seatrial.machine.processes.programs import Program
from seatrial.schema.quantities import DURATION, Quantity
from seatrial.systems.certificate import Certificate
from seatrial.systems.discoverers.invocation import Carries, Invocation
from seatrial.systems.discoverers.options import (
    MAX_PERIOD_S,
    ForeignOptions,
    Period,
    PerSecond,
    Workers,
    go_flags,
    seconds,
)
from seatrial.systems.discovering import QueueNames

if TYPE_CHECKING:
    from pathlib import Path

    from seatrial.machine.address import Address
    from seatrial.systems.discovering import Wiring

CONTROLLER = "endpointslice-mirroring-controller"
_OF = '{name="endpoint_slice_mirroring"}'
QUEUE = QueueNames(
    depth=f"workqueue_depth{_OF}",
    enqueued=f"workqueue_adds_total{_OF}",
    done=f"workqueue_work_duration_seconds_count{_OF}",
    retries=f"workqueue_retries_total{_OF}",
)
"""client-go's: an item that is tried again is enqueued again, and what waits for that is not in the depth."""


class MirroringOptions(ForeignOptions):
    """Kubernetes' EndpointSlice mirroring, as a process of this machine: a kube-controller-manager with nothing else.

    Source and destination are one API server: it reads Endpoints, and writes EndpointSlices.
    """

    own_flags: ClassVar[frozenset[str]] = frozenset(
        {
            "authorization-always-allow-paths",
            "bind-address",
            "controllers",
            "kube-api-burst",
            "kube-api-qps",
            "kubeconfig",
            "leader-elect",
            "master",
            "mirroring-concurrent-service-endpoint-syncs",
            "mirroring-endpointslice-updates-batch-period",
            "secure-port",
            "tls-cert-file",
            "tls-private-key-file",
        }
    )
    looked_for: ClassVar[Program] = Program(
        ("kube-controller-manager",),
        ("--version",),
        r"v(\S+)",
        "name Kubernetes' own: `endpointslice-mirroring: {binary: PATH}`; `make cluster` builds one",
    )

    kind: Literal["endpointslice-mirroring"] = "endpointslice-mirroring"
    concurrency: Workers = Field(5, description="Services that are worked on at once.", examples=[1])
    batch_period_s: Annotated[float, Quantity(DURATION, 0, MAX_PERIOD_S)] = Field(
        0.0,
        alias="batch_period",
        description="For how long a change waits for others, to be written together with them.",
        examples=["500 ms"],
    )
    client_qps: PerSecond = Field(20, description="Calls per second to the API server.", examples=[100])
    client_burst: PerSecond = Field(
        30, description="Calls that may be made at once after a pause.", examples=[200]
    )
    period_s: Period = Field(
        5.0,
        alias="period",
        description="What a trial takes for its period; it has none itself, for it watches.",
        examples=["10 s"],
    )

    @property
    def carries(self) -> Carries:
        """The API server that it writes to."""
        return Carries(frozenset({"kubernetes"}), "endpoints", "endpointslices")

    @property
    def notices_within_s(self) -> float:
        """What the plan says, and never less than it waits for other changes."""
        return max(self.period_s, self.batch_period_s)

    def invocation(self, wiring: Wiring, metrics: Address, directory: Path) -> Invocation:
        """Return the command; its page is served over TLS only, by a certificate of ours, and to everybody."""
        folder = directory / self.kind
        folder.mkdir(exist_ok=True)
        certificate = Certificate.issue(folder, (metrics.host,))
        flags = {
            "kubeconfig": wiring.into,
            "controllers": CONTROLLER,
            "leader-elect": "false",
            "mirroring-concurrent-service-endpoint-syncs": self.concurrency,
            "mirroring-endpointslice-updates-batch-period": seconds(self.batch_period_s),
            "kube-api-qps": self.client_qps,
            "kube-api-burst": self.client_burst,
            "bind-address": metrics.host,
            "secure-port": metrics.port,
            "tls-cert-file": certificate.cert,
            "tls-private-key-file": certificate.key,
            "authorization-always-allow-paths": "/healthz,/readyz,/livez,/metrics",
        }
        return Invocation(
            (*go_flags(flags), *self.flags),
            metrics_url=f"https://{metrics}/metrics",
            ca=certificate.ca,
            queue=QUEUE,
        )
