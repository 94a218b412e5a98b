"""What a plan says of a system, and what all that is above needs to know of its kind."""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING, Annotated, ClassVar

from pydantic import Field

from seatrial.schema.fields import Model, Processes
from seatrial.schema.quantities import COUNT, Quantity
from seatrial.systems.disturbance import OF_ANY_PROXY, OF_CONFIGURATION, Action
from seatrial.systems.raw import Document
from seatrial.systems.vocabulary import Lack, SharedOptions

if TYPE_CHECKING:
    from seatrial.systems.base import System
    from seatrial.systems.local.dialect import Dialect


Keepalive = Annotated[int, Quantity(COUNT, 0, 65_536)]
KEEPALIVE = (
    "Idle connections to the origin that each {who} keeps open; 0 turns keep-alive to the origin off: a connection for "
    "each request."
)
"""Of the kinds that keep a pool of a set size, in which it cannot be left to grow."""


class SystemOptions(Model):
    """The options of one kind of system; each kind has ``kind``, a Literal with its word as the default.

    ``discovers`` is whether it is a discoverer, ``proxied`` whether a proxy stands before the origin, ``disturbances``
    what may be done to it while it is measured, on this machine or else on a cluster (``disturbances_on_cluster``),
    ``routes_are_objects`` whether each of its routes changes by itself, ``bytes_per_connection`` its user memory of one
    connection, ``raw`` what of its configuration a plan may merge in, ``lacks`` which options it has not, and
    ``not_counted`` what nobody can learn from it. On a cluster some take ``one_endpoint_a_host`` for a service, and
    leave out others at its other ports.
    """

    proxied: ClassVar[bool] = True
    discovers: ClassVar[bool] = False
    disturbances: ClassVar[frozenset[Action]] = frozenset()
    disturbances_on_cluster: ClassVar[frozenset[Action]] = frozenset()
    routes_are_objects: ClassVar[bool] = False
    one_endpoint_a_host: ClassVar[bool] = False
    bytes_per_connection: ClassVar[int]
    raw: ClassVar[Document] = Document({})
    lacks: ClassVar[tuple[Lack, ...]] = ()
    not_counted: ClassVar[tuple[str, ...]] = ()

    @property
    def proxy_processes(self) -> int:
        """How many processes share its connections, each with descriptors of its own."""
        return 1

    @property
    def asks_origin_over_tls(self) -> bool:
        """Whether the origin behind it has to serve TLS; without a proxy that is the load's own matter."""
        return False

    @abstractmethod
    def create(self) -> System:
        """Return the system, not started."""


class ProxyOptions(SystemOptions, SharedOptions):
    """The options of a kind of proxy that runs on this machine, alone or as a fleet.

    ``restart_s`` is how long it takes to end and start one anew while it serves, rounded up.
    """

    disturbances: ClassVar[frozenset[Action]] = OF_ANY_PROXY
    restart_s: ClassVar[float] = 1.0

    proxies: Processes = Field(
        1,
        description="Proxies side by side, a fleet that connections are dealt to in turns.",
        examples=[1, 8],
    )

    @property
    def asks_origin_over_tls(self) -> bool:
        """Whether it was asked to."""
        return self.tls_upstream

    @property
    def processes_each(self) -> int:
        """How many processes share the connections of one proxy."""
        return 1

    @property
    def pools_each(self) -> int:
        """How many sets of idle connections one proxy keeps to each service: its workers do not share them."""
        return self.processes_each

    @property
    def proxy_processes(self) -> int:
        """Those of all proxies."""
        return self.proxies * self.processes_each

    @abstractmethod
    def dialect(self) -> Dialect:
        """Return the dialect of one proxy."""

    def create(self) -> System:
        """Return the one proxy, or the fleet, not started."""
        from seatrial.systems.local.fleet import Fleet
        from seatrial.systems.local.proxy import Proxy

        if self.proxies == 1:
            return Proxy(self.dialect())
        return Fleet(tuple(Proxy(self.dialect()) for _ in range(self.proxies)))


class GoProxyOptions(ProxyOptions):
    """The options of proxies that are written in Go: net/http serves, and asks on."""

    disturbances: ClassVar[frozenset[Action]] = OF_ANY_PROXY | OF_CONFIGURATION
    # net/http, asked to end, waits 5 s for a connection that has not asked for anything; it is ended after as long.
    restart_s: ClassVar[float] = 6.0
    # 7 KB of goroutines and buffers, which the collector lets double before it collects.
    bytes_per_connection: ClassVar[int] = 16_384

    gomaxprocs: Processes = Field(
        1, description="CPUs that each proxy uses at once (GOMAXPROCS).", examples=[1, 4]
    )
    keepalive_upstream: Keepalive = Field(512, description=KEEPALIVE.format(who="proxy"), examples=[512, 0])
