"""What a kind of system has to say for itself on a cluster: everything else about one is :class:`.system.Installed`."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from seatrial.systems.installed.manifests.objects import INSTANCE, NAME
from seatrial.systems.installed.manifests.routes import routes
from seatrial.systems.installed.manifests.services import certificate, services

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Collection, Iterator, Mapping

    from seatrial.systems.certificate import Certificate
    from seatrial.systems.counters import Reading
    from seatrial.systems.installed.manifests.objects import Object, Site
    from seatrial.systems.installed.manifests.routes import Dialect, Door
    from seatrial.systems.settings import Setting
    from seatrial.topology.expand import Topology

    Get = Callable[[str], Awaitable[str]]


@dataclass(frozen=True, slots=True)
class Asked:
    """What one trial asks of a system: whether it speaks TLS, and the most connections that there will be at once."""

    has_tls: bool
    max_connections: int


class Recipe(ABC):
    """One kind of system with its options, at a site.

    Its proxies are the pods that carry the labels of ``proxies``, and listen on ``listen_port``; what they count is
    read from their ``status_port``. ``missing`` says in words what they do not count. It needs the kinds of ``needs``,
    by API version, and ``deployments`` have to be available before it serves; ``controllers`` are those of them that
    configure its proxies, where these do not do so themselves, each with
    a metrics page at ``metrics_port``.
    """

    missing: ClassVar[tuple[str, ...]] = ()
    status_port: ClassVar[int]
    metrics_port: ClassVar[int] = 0
    needs: tuple[tuple[str, str], ...] = ()
    deployments: tuple[str, ...] = ()
    controllers: tuple[str, ...] = ()

    def __init__(self, site: Site, dialect: Dialect, door: Door) -> None:
        self.site, self.dialect, self.door = site, dialect, door

    @property
    @abstractmethod
    def images(self) -> Mapping[str, str]:
        """The images that are asked for, by container."""

    @property
    @abstractmethod
    def version(self) -> str:
        """The version that is asked for."""

    @property
    def namespace(self) -> str:
        """Where its proxies are."""
        return self.site.namespace

    @abstractmethod
    def proxies(self) -> Mapping[str, str]:
        """Return the labels by which its proxies' pods are found."""

    @abstractmethod
    def replicas(self) -> int:
        """Return how many proxies there are to be."""

    @abstractmethod
    def listen_port(self, asked: Asked) -> int:
        """Return the port of each proxy that clients speak to."""

    @abstractmethod
    def system(self, asked: Asked) -> Iterator[Object]:
        """Yield everything that has to stand before routes are of any use, in the order in which it may be made."""

    def annotations(self, asked: Asked) -> Mapping[str, str]:  # noqa: ARG002
        """Return those of each Service of the topology."""
        return {}

    def topology(self, topology: Topology, asked: Asked, files: Certificate | None) -> Iterator[Object]:
        """Yield the routes, services and endpoints, one after another, in the order in which they may be made."""
        if files is not None:
            yield certificate(self.site, files)
        yield from services(self.site, topology, self.annotations(asked))
        yield from routes(self.site, topology, self.dialect, self.door, has_tls=asked.has_tls)

    async def has_taken(self, topology: Topology, get: Get) -> bool:  # noqa: ARG002
        """Return whether a proxy has all of the topology, as far as it says so. Raises as ``get`` does."""
        return True

    @abstractmethod
    async def endpoints(self, get: Get, asked: Asked) -> Collection[frozenset[str]]:
        """Return the addresses (``host:port``) of each service that a proxy sends to. Raises as ``get`` does."""

    @abstractmethod
    async def reading(self, get: Get, incarnation: str, asked: Asked) -> Reading:
        """Read what one proxy counts; ``get`` returns a page of its status port. Raises as that does."""

    async def settings(self, member: str, get: Get, asked: Asked) -> tuple[Setting, ...]:  # noqa: ARG002
        """Return what is in force of its limits and sizes, beside what was asked for. Raises as ``get`` does."""
        return ()

    async def configuration(self, get: Get) -> Mapping[str, str]:  # noqa: ARG002
        """Return digests of what one proxy says that it runs. Raises as ``get`` does."""
        return {}

    def labelled(self, name: str) -> Mapping[str, str]:
        """Return the labels of the pods of one of our Deployments."""
        return {NAME: name, INSTANCE: self.site.label}
