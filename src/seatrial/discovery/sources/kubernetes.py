"""Another API server as a source: Services without selectors, and the endpoints of each."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from seatrial.cluster.objects import Objects, in_window
from seatrial.discovery.objects import KINDS, endpoints_object, path_of
from seatrial.discovery.sources.base import PORT, Addresses, Changed, Service, gone

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from seatrial.cluster.client import Client
    from seatrial.cluster.owned import Owned
    from seatrial.discovery.gate import Gate
    from seatrial.machine.members import Member
    from seatrial.systems.discovering import ReplicaKind


class KubernetesSource:
    """See ``Source``. ``owned`` makes its namespaces; ``reads`` is what a discoverer reads addresses from.

    ``owned`` is None where the destination is the same API server, and has them already. The discoverer is led through
    a ``gate``, which counts its calls.
    """

    def __init__(
        self, client: Client, owned: Owned | None, gate: Gate, reads: ReplicaKind, endpoints: int
    ) -> None:
        self._client = client
        self._owned = owned
        self._gate = gate
        self._calls = 0
        self._reads = reads
        self._endpoints = endpoints
        self._addresses = Addresses()
        self._namespaces: list[str] = []
        self._made = 0

    async def start(self, namespaces: Sequence[str]) -> None:
        """Make the namespaces."""
        self._namespaces = list(namespaces)
        if self._owned is not None:
            for name in namespaces:
                await self._owned.namespace(name)

    def wiring(self) -> Mapping[str, str]:
        """Return the kubeconfig that leads to it."""
        return {"kubeconfig": self._gate.kubeconfig}

    async def create(self, counts: Mapping[str, int]) -> Sequence[Changed]:
        """Make Services, each with its endpoints."""
        services = []
        for namespace, count in counts.items():
            for _ in range(count):
                self._made += 1
                name = f"service-{self._made:05}"
                services.append(Service(name, namespace, name, self._addresses.next(self._endpoints)))
        return await in_window(services, self._create, Objects(self._client).window)

    async def update(self, services: Sequence[Service]) -> Sequence[Changed]:
        """Give their endpoints other addresses."""
        changed = [
            Service(one.id, one.namespace, one.name, self._addresses.next(self._endpoints))
            for one in services
        ]
        return await in_window(changed, self._update, Objects(self._client).window)

    async def delete(self, services: Sequence[Service]) -> Sequence[Changed]:
        """Delete their endpoints, and them."""
        return await in_window(services, self._delete, Objects(self._client).window)

    async def calls(self) -> int:
        """Return how many calls of the discoverer its gate has counted, watches apart."""
        calls, lost = await self._gate.new_calls()
        self._calls += lost + sum(call["verb"] != "watch" for call in calls)
        return self._calls

    async def plant(self, words: str) -> None:
        """Plant a fault at its gate."""
        await self._gate.plant(words)

    async def lift(self) -> int:
        """Lift what was planted."""
        return await self._gate.lift()

    def members(self) -> tuple[Member, ...]:
        """Return its gate."""
        return self._gate.members()

    async def close(self) -> None:
        """Delete what was made, and wait for none of it."""
        try:
            if self._owned is not None:
                await self._owned.send_off(KINDS, self._namespaces)
        finally:
            await self._gate.close()

    async def _create(self, service: Service) -> Changed:
        await self._client.post(path_of("services", service.namespace), _service(service))
        answer = await self._client.post(path_of(self._reads, service.namespace), self._endpoints_of(service))
        return Changed(service, answer.sent_s)

    async def _update(self, service: Service) -> Changed:
        path = path_of(self._reads, service.namespace, service.name)
        answer = await self._client.patch(path, self._endpoints_of(service), "merge")
        return Changed(service, answer.sent_s)

    async def _delete(self, service: Service) -> Changed:
        # Endpoints go with their Service where a controller sees to that; here there may be none.
        await self._client.delete(path_of(self._reads, service.namespace, service.name))
        answer = await self._client.delete(path_of("services", service.namespace, service.name))
        return gone(service, answer.sent_s)

    def _endpoints_of(self, service: Service) -> dict[str, Any]:
        addresses = sorted(one.rpartition(":")[0] for one in service.endpoints)
        return endpoints_object(self._reads, service.namespace, service.name, addresses, PORT)


def _service(service: Service) -> dict[str, Any]:
    # Without an address of its own: those are few, and each takes the API server a while.
    spec = {"clusterIP": "None", "ports": [{"name": "http", "port": 80, "targetPort": PORT}]}
    metadata = {"name": service.name, "namespace": service.namespace}
    return {"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": spec}
