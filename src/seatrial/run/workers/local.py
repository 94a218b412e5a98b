"""Workers that are processes of this machine, in one of its networks."""

from __future__ import annotations

import dataclasses
import resource
import socket
from typing import TYPE_CHECKING

from seatrial.generator.channel import LocalChannel
from seatrial.generator.split import sources_needed, split
from seatrial.machine.members import Member
from seatrial.machine.namespace import entered
from seatrial.machine.settings import local_ports
from seatrial.preflight.sources import require_sources
from seatrial.run.workers.cost import CostMeter

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

    from seatrial.generator.account import Driven, WorkersCost
    from seatrial.generator.messages import Hello
    from seatrial.machine.namespace import Namespace
    from seatrial.machine.place import Places
    from seatrial.workload.spec import LoadSpec


class LocalWorkers:
    """Processes at the load's place; without ``places`` anywhere on this machine."""

    def __init__(self, places: Places | None = None) -> None:
        self._place = None if places is None else places.load
        self._networks = (None,) if places is None else places.namespaces
        self._namespace = None if places is None else places.load.namespace
        self._ports = _ports_in(self._namespace)

    def fitted(self, load: LoadSpec) -> LoadSpec:
        """Return the load with addresses of its namespace; see ``Workers``."""
        if self._place is not None and self._namespace is not None and not load.sources:
            needed = sources_needed(load, self._ports)
            sources = self._place.sources(needed) if needed > 1 else ()
            load = dataclasses.replace(load, sources=sources)
        require_sources(load.sources, self._namespace)
        return load

    def split(self, load: LoadSpec) -> tuple[dict[str, Any], ...]:
        """Return one spec for each; a process raises its limit to the hard one."""
        return split(load, resource.getrlimit(resource.RLIMIT_NOFILE)[1], self._ports)

    def serves_here(self, load: LoadSpec) -> bool:
        """Return whether every target is here; what is in a namespace of ours is."""
        return self._namespace is not None or _is_here(load)

    async def start(self, count: int) -> None:
        """Do nothing: a process needs no preparation."""

    async def open(self, spec: Mapping[str, Any]) -> LocalChannel:
        """Start a process."""
        cpus = None if self._place is None else self._place.cpus
        return await LocalChannel.open(spec, namespace=self._namespace, cpus=cpus)

    async def open_prober(self, spec: Mapping[str, Any]) -> LocalChannel:
        """Start a process, beside the workers."""
        cpus = None if self._place is None else self._place.cpus
        return await LocalChannel.open(spec, namespace=self._namespace, cpus=cpus, role="prober")

    def members(self, hellos: Sequence[Hello]) -> tuple[Member, ...]:
        """Return those that are still there."""
        found = (Member.alone("generator", f"worker {index}", one.pid) for index, one in enumerate(hellos))
        return tuple(worker for worker in found if worker is not None)

    def meter(self, hellos: Sequence[Hello], *, served_here: bool) -> CostMeter:
        """Return what reads the kernel's counters."""
        networks = self._networks if served_here else ()
        return CostMeter([hello.pid for hello in hellos], networks=networks)

    def completed_cost(self, cost: WorkersCost, driven: Driven) -> WorkersCost:  # noqa: ARG002
        """Return it as it is: the kernel has said everything."""
        return cost

    async def close(self) -> None:
        """Do nothing: each process ends with its channel."""


def _ports_in(namespace: Namespace | None) -> int:
    with entered(namespace):
        return local_ports()


def _is_here(load: LoadSpec) -> bool:
    for host in {target.host for target in load.targets}:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            try:
                probe.bind((host, 0))
            except OSError:
                return False
    return True
