"""What may be done to a system while it is measured, and what a proxy has to be able to do for it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Literal, Protocol, TypeAlias, runtime_checkable

if TYPE_CHECKING:
    from seatrial.machine.proc import ProcessRef
    from seatrial.systems.certificate import Certificate
    from seatrial.topology.changed import Changed
    from seatrial.topology.expand import Topology

Action = Literal[
    "reload",
    "restart",
    "kill",
    "drain",
    "add routes",
    "remove routes",
    "add endpoints",
    "remove endpoints",
    "swap certificate",
    "restart controller",
    "pause origin",
    "pause endpoint",
]

OF_ORIGIN: frozenset[Action] = frozenset({"pause origin", "pause endpoint"})
"""What is done to the origin behind it."""

OF_ANY_PROXY: frozenset[Action] = OF_ORIGIN | {"restart", "kill", "drain"}
"""What can be done to whatever is a process: none of it needs a configuration to be read again."""

OF_CONFIGURATION: frozenset[Action] = frozenset(
    {"add routes", "remove routes", "add endpoints", "remove endpoints", "swap certificate"}
)
"""What is done by writing the configuration anew and having it read while the proxy serves."""

OF_OBJECTS: frozenset[Action] = OF_CONFIGURATION | {"pause endpoint"}
"""What can be done where the configuration is objects of a cluster, and proxies and origin are pods there."""

OF_ONE_MEMBER: frozenset[Action] = frozenset({"reload", "restart", "kill", "drain"})
"""What can be done to one member of a fleet alone."""


_NO_CONTROLLER = "no controller of its own stands beside it"
_OTHER_ADDRESS = "clients speak to the address of its pod, which the pod in its place does not have"
_NOT_ON_CLUSTER: Mapping[Action, str] = {
    "reload": "what it serves by is objects there, which are taken as they change",
    "restart": _OTHER_ADDRESS,
    "kill": _OTHER_ADDRESS,
    "drain": _OTHER_ADDRESS,
    "pause origin": "no process of its origin is on this machine",
}


def why_not(action: Action, *, on_cluster: bool) -> str | None:
    """Return why an action cannot be done to a system that cannot have it, where there is more to say than that."""
    if action == "restart controller":
        return _NO_CONTROLLER
    return _NOT_ON_CLUSTER.get(action) if on_cluster else None


class Disturbable(Protocol):
    """One proxy that may be disturbed while it serves. Each method returns when it is done.

    All raise ``SystemFault`` where the proxy does not come to the state that was asked for.
    """

    @property
    def name(self) -> str:
        """Its own among the members of its system."""

    @property
    def put_down(self) -> frozenset[ProcessRef]:
        """Processes of it that have ended, or may end, because they were asked to."""

    async def reload(self, topology: Topology | None = None, certificate: Certificate | None = None) -> None:
        """Have it read its configuration again, with another topology or certificate where given; it serves all along.

        Done when it serves by the new one; what is left of the old may still be finishing what it had begun.
        """

    async def restart(self) -> None:
        """End it as a supervisor does, SIGTERM and at last SIGKILL, and start it again at the same address."""

    async def kill(self) -> None:
        """End it with SIGKILL."""

    async def drain(self, limit_s: float) -> None:
        """Have it take no more connections and end when it has none, or else after ``limit_s``."""

    async def revive(self) -> None:
        """Start one that is down again, at the same address."""


@runtime_checkable
class Reconfigured(Protocol):
    """What a ``System`` has, too, whose configuration is objects of a cluster: they are changed, and no proxy is asked.

    All raise ``SystemFault`` where its proxies do not come to the state that was asked for, ``ClusterFault`` where the
    API server refuses.
    """

    async def change_topology(self, before: Topology, after: Topology) -> None:
        """Have the objects made, changed and deleted in which two topologies differ.

        Done when every proxy sends each service's requests to its endpoints of the latter, and to no others.
        """

    async def change_certificate(self, certificate: Certificate) -> None:
        """Put another certificate in the place of that which clients are shown; done when the API server has it."""

    async def restart_controller(self) -> None:
        """Have the pods of its controllers deleted; done when these are gone and others in their place are ready."""


RouteHeard: TypeAlias = Callable[[Literal["asked", "accepted", "status"], str, str, float, float], None]
"""Hears what became of the change of a route: what, at which place ("" is the control plane), the route's name, and
after and by when (CLOCK_MONOTONIC, s)."""


@runtime_checkable
class Changing(Protocol):
    """What a ``System`` has, too, whose routes are objects that change one by one."""

    async def change_routes(self, changed: Changed, heard: RouteHeard) -> None:
        """Have routes made, changed or deleted; return once whoever keeps them has taken all.

        What their status says ``heard`` hears whenever it comes. Raises ``SeatrialError`` where one is refused.
        """

    async def routes_said(self, limit_s: float) -> None:
        """Wait until the status of every route that was put says that it is in order; ``limit_s`` at most."""
