"""The origin as pods: the program that serves on one machine, asked over the network."""

from __future__ import annotations

from typing import TYPE_CHECKING

from seatrial.errors import PlanError
from seatrial.systems.installed.manifests.objects import INSTANCE, NAME, Object, Site, service
from seatrial.systems.installed.manifests.workloads import Container, Pod, Resources, deployment

if TYPE_CHECKING:
    from collections.abc import Iterator

    from seatrial.systems.origins.options import DelayPlan, OriginPlan
    from seatrial.topology.options import TopologyPlan

ORIGIN = "origin"
PORT = 9000
MEMORY_BYTES = 256 << 20


def origin(site: Site, plan: OriginPlan, replicas: int, image: str) -> Object:
    """Return so many pods of the plan's origin, each of which serves on ``PORT``.

    Raises ``PlanError`` where it is of a kind that there is on one machine only.
    """
    if plan.kind != "seatrial":
        raise PlanError(
            f"an origin of kind `{plan.kind}` does not run on a cluster",
            next_step="`origin: {kind: seatrial}`",
        )
    container = Container(
        name=ORIGIN,
        image=image,
        command=("seatrial",),
        args=tuple(_arguments(plan, replicas)),
        resources=Resources(plan.processes, MEMORY_BYTES),
        ports={"http": PORT},
        ready={"tcpSocket": {"port": PORT}},
    )
    return deployment(site, ORIGIN, replicas, Pod(container, nodes=site.nodes, apart=True))


def selecting(site: Site, topology: TopologyPlan, annotations: dict[str, str]) -> Iterator[Object]:
    """Yield the services of a topology, each in front of all origin pods: what can be written before they run.

    A run writes the endpoints of each service down itself (``services.py``), once it knows the pods' addresses.
    """
    for number in range(topology.services_in_all):
        made = service(site, f"service-{number}", ORIGIN, {"http": (80, PORT)})
        if annotations:
            made["metadata"]["annotations"] = annotations
        made["spec"]["selector"] = {NAME: ORIGIN, INSTANCE: site.label}
        yield made


def _arguments(plan: OriginPlan, replicas: int) -> Iterator[str]:
    yield from ("origin", "--listen", "0.0.0.0", "--anywhere", "--port", str(PORT))
    yield from ("--body", f"{plan.body_bytes} B", "--status", str(plan.status))
    if plan.delay.kind != "none":
        yield from ("--delay", _delay(plan.delay))
    if plan.capacity_per_s is not None:
        yield from ("--capacity", f"{plan.capacity_per_s / replicas:g}/s")
    yield from ("--processes", str(plan.processes))


def _delay(plan: DelayPlan) -> str:
    if plan.kind == "uniform":
        return f"uniform:{_time(plan.low_s)}..{_time(plan.high_s)}"
    return _time(plan.mean_s) if plan.kind == "fixed" else f"exponential:{_time(plan.mean_s)}"


def _time(seconds: float) -> str:
    return f"{round(seconds * 1e6)}us"
