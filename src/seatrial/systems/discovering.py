"""What a discoverer is, beside a ``System``: a program that carries services from a source of truth to a cluster."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, Protocol, runtime_checkable

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

SourceKind = Literal["openstack", "kubernetes", "http"]
"""What a source of truth is: a cloud, another API server, or a list that is fetched over HTTP."""

ReplicaKind = Literal["endpointslices", "endpoints"]
"""What has the addresses of a replicated service, beside its Service."""


@dataclass(frozen=True, slots=True)
class Wiring:
    """What a discoverer is given when it begins.

    ``source`` is how one gets at the source: of OpenStack what the clients of it take from the environment
    (``OS_AUTH_URL`` and so on), of Kubernetes a ``kubeconfig``, of HTTP a ``url``. ``into`` is the kubeconfig of the
    destination, ``backend`` the name that the source goes by there.
    """

    kind: SourceKind
    source: Mapping[str, str]
    into: Path
    backend: str = "seatrial"


@dataclass(frozen=True, slots=True)
class QueueNames:
    """What a discoverer's own metrics page calls what its queue does: a name, or a name with labels as on the page.

    Empty is "it does not say". All but ``depth`` are counters. ``dropped`` are items that were given up.
    """

    depth: str = ""
    enqueued: str = ""
    done: str = ""
    dropped: str = ""
    retries: str = ""


@dataclass(frozen=True, slots=True)
class Begun:
    """A discoverer that is under way: ``at_ns`` (CLOCK_MONOTONIC) is just before its program was started.

    ``metrics_url`` is its page, None where it has none; over TLS it shows a certificate that ``ca``, a file, vouches
    for. ``queue`` is what is read from it.
    """

    at_ns: int
    metrics_url: str | None = None
    ca: Path | None = None
    queue: QueueNames = field(default_factory=QueueNames)


@runtime_checkable
class Discovering(Protocol):
    """What a ``System`` has, too, that is a discoverer: ``start`` prepares it, and it begins when it is told to."""

    async def begin(self, wiring: Wiring) -> Begun:
        """Start the program; return as soon as it runs, whatever it has done by then.

        Raises ``SystemFault`` where it does not come up, ``PlanError`` where it cannot read such a source.
        """

    @property
    def period_s(self) -> float:
        """Within how many seconds it should notice a change by itself, or look at everything anew."""

    @property
    def sources(self) -> frozenset[SourceKind]:
        """What it can read."""

    @property
    def reads(self) -> ReplicaKind:
        """What of a Kubernetes source it reads the addresses of a service from."""

    @property
    def replicas(self) -> ReplicaKind:
        """What it writes the addresses of a service into."""
