"""Seatrial's own discoverer: what others are compared with, and what a plan can be tried with."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from seatrial.machine.processes import programs
from seatrial.schema.quantities import COUNT, Quantity
from seatrial.systems.discoverers.invocation import Carries, Invocation
from seatrial.systems.discoverers.options import (
    DiscovererOptions,
    Period,
    PerSecond,
    Workers,
    seconds,
)
from seatrial.systems.discovering import QueueNames

if TYPE_CHECKING:
    from seatrial.machine.address import Address
    from seatrial.machine.processes.programs import BinaryInfo
    from seatrial.systems.discovering import Wiring

_PREFIX = "seatrial_discoverer"
QUEUE = QueueNames(
    depth=f"{_PREFIX}_queue_depth",
    enqueued=f"{_PREFIX}_enqueued_total",
    done=f"{_PREFIX}_done_total",
    dropped=f"{_PREFIX}_dropped_total",
    retries=f"{_PREFIX}_retries_total",
)


class SeatrialDiscovererOptions(DiscovererOptions):
    """Seatrial's own discoverer, `seatrial discoverer`, started as a process of this machine."""

    kind: Literal["seatrial-discoverer"] = "seatrial-discoverer"
    period_s: Period = Field(
        5.0,
        alias="period",
        description="How often it looks at the whole source; at an API server it also watches.",
        examples=["30 s"],
    )
    workers: Workers = Field(2, description="Items of its queue that are worked on at once.", examples=[8])
    qps: PerSecond = Field(50, description="Calls per second to the destination's API server.", examples=[5])
    burst: PerSecond = Field(100, description="Calls that may be made at once after a pause.", examples=[10])
    retries: Annotated[int, Quantity(COUNT, 0, 100)] = Field(
        3, description="How often an item that failed is tried again before it is dropped.", examples=[10]
    )

    @property
    def carries(self) -> Carries:
        """All of them."""
        return Carries(frozenset({"openstack", "kubernetes", "http"}), "endpointslices", "endpointslices")

    @property
    def notices_within_s(self) -> float:
        """Its period."""
        return self.period_s

    def program(self) -> Path:
        """Return the interpreter that runs this program."""
        return Path(sys.executable)

    def version(self) -> BinaryInfo:
        """Return the same, with the version of this program."""
        from importlib.metadata import version

        return programs.describe(self.program(), version("seatrial"))

    def invocation(self, wiring: Wiring, metrics: Address, directory: Path) -> Invocation:  # noqa: ARG002
        """Return the command; how it gets at OpenStack is in the environment."""
        flags = {
            "from": wiring.kind,
            "into": wiring.into,
            "backend": wiring.backend,
            "period": seconds(self.period_s),
            "workers": self.workers,
            "qps": self.qps,
            "burst": self.burst,
            "retries": self.retries,
            "metrics": metrics,
            **_source(wiring),
        }
        given = (word for name, value in flags.items() for word in (f"--{name}", str(value)))
        return Invocation(
            # Whatever lies where the run was begun, it is this program that runs.
            ("-P", "-m", "seatrial", "discoverer", *given),
            metrics_url=f"http://{metrics}/metrics",
            queue=QUEUE,
        )


def _source(wiring: Wiring) -> dict[str, str]:
    if wiring.kind == "http":
        return {"source-url": wiring.source["url"]}
    names = ("kubeconfig", "context") if wiring.kind == "kubernetes" else ()
    return {f"source-{name}": wiring.source[name] for name in names if name in wiring.source}
