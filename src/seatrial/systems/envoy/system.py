"""Envoy as the system under test: one process, configured by a static bootstrap."""

from __future__ import annotations

import json
import re
from collections import Counter
from typing import TYPE_CHECKING, ClassVar, Literal
from urllib.parse import quote

from pydantic import Field

from seatrial.machine.processes.programs import Program
from seatrial.schema.fields import Processes
from seatrial.systems.catalogue import ENVOY
from seatrial.systems.disturbance import OF_ANY_PROXY, OF_CONFIGURATION, OF_OBJECTS, Action
from seatrial.systems.envoy import dynamic, in_force
from seatrial.systems.envoy.bootstrap import KEPT, LISTENER, STAT_PREFIX, bootstrap, breaker_limit
from seatrial.systems.local import http as status_page
from seatrial.systems.local.configured import digest
from seatrial.systems.local.dialect import Dialect, Own, Ports, Prepared
from seatrial.systems.options import ProxyOptions
from seatrial.systems.raw import Document
from seatrial.systems.vocabulary import Lack

if TYPE_CHECKING:
    from collections.abc import Mapping

    from seatrial.machine.address import Address
    from seatrial.systems.base import Launch
    from seatrial.systems.settings import Setting

# It says: envoy version: COMMIT/1.40.0/Clean/RELEASE/BoringSSL.
PROGRAM = Program(
    ("envoy",), ("--version",), r"version: \w+/([^/\s]+)/", "run `make setup`, or put envoy on the PATH"
)
_STATS = (
    rf"^(http\.{STAT_PREFIX}\.(downstream_(cx|rq)|no_)"
    r"|cluster\.service-\d+\.(circuit_breakers\.default|membership|upstream_(cx|rq))"
    rf"|listener\.{LISTENER}\.downstream"
    rf"|server\.(memory|total_connections|concurrency|worker)|{in_force.REJECTED})"
)
# Only what has been counted at all: a stat that is absent is 0, and a sample is a third of the size.
_STATS_PAGE = f"/stats?usedonly&filter={quote(_STATS)}"
CONFIGURATION_LIMIT_S = 30.0
"""With thousands of routes the page is megabytes."""
_CLUSTER = re.compile(r"^cluster\.service-\d+\.")
_INGRESS = f"http.{STAT_PREFIX}.downstream"


class EnvoyOptions(ProxyOptions):
    """Envoy, started as a process of this machine with a static configuration."""

    disturbances: ClassVar[frozenset[Action]] = OF_ANY_PROXY | OF_CONFIGURATION
    disturbances_on_cluster: ClassVar[frozenset[Action]] = OF_OBJECTS
    # Its connection, filter chain and codec objects.
    bytes_per_connection: ClassVar[int] = 8_192
    raw: ClassVar[Document] = Document({}, KEPT)
    lacks: ClassVar[tuple[Lack, ...]] = (
        Lack(
            "keepalive_upstream",
            (None, 0),
            "Envoy has no limit of idle connections to the origin: 0 for no keep-alive, or leave it out",
        ),
    )

    kind: Literal["envoy"] = "envoy"
    concurrency: Processes = Field(1, description="Worker threads of each Envoy.", examples=[1, 4])

    @property
    def pools_each(self) -> int:
        """One for each of its threads."""
        return self.concurrency

    def dialect(self) -> EnvoyDialect:
        """Return how one is configured and asked."""
        return EnvoyDialect(self)


class EnvoyDialect(Dialect):
    """One Envoy process with ``concurrency`` worker threads.

    Worker threads count in shared atomics, so every reading is exact. Only the ``server.memory`` gauges lag, by up to
    Envoy's flush interval of 5 s.
    """

    program = PROGRAM
    metrics = ENVOY
    metrics_path = "/stats/prometheus"

    def __init__(self, options: EnvoyOptions) -> None:
        self._options = options
        self._breaker: int | None = None
        self._services = 0

    def prepare(self, launch: Launch, ports: Ports) -> Prepared:
        """Write the bootstrap; where the trial changes its configuration, what may change in files that it watches."""
        self._breaker = breaker_limit(self._options, launch)
        config = launch.directory / f"{launch.label}.json"
        document = bootstrap(launch, ports, self._options)
        if launch.is_reconfigured:
            document, files = dynamic.dynamic(document, launch.directory, launch.label)
            services = len(launch.topology.services)
            dynamic.write(files, grows=services >= self._services)
            self._services = services
        config.write_text(json.dumps(document, indent=2) + "\n")
        threads = str(self._options.concurrency)
        given = ("-c", str(config), "--concurrency", threads, "--log-level", "warning")
        stdout = launch.access_log if self._options.access_log == "stdout" else None
        return Prepared((*given, "--disable-hot-restart"), (*given, "--mode", "validate"), stdout=stdout)

    async def drain(self, pid: int, status: Address) -> None:  # noqa: ARG002
        """Have its listeners close their connections as answers end; it then runs on without any."""
        await status_page.post(status, "/drain_listeners?graceful", b"", {})

    async def is_live(self, status: Address) -> bool:
        """Ask the admin port whether every listener is up."""
        code, text = await status_page.get(status, "/ready")
        return code == 200 and text.strip() == "LIVE"

    async def read(self, status: Address) -> Mapping[str, float]:
        """Read the admin port's counters and gauges; those of all clusters together."""
        return of_all_clusters(parse_stats((await status_page.get(status, _STATS_PAGE))[1]))

    async def configuration(self, status: Address) -> Mapping[str, str]:
        """Read what it runs, without when it came by it, and how it was started: with which restart epoch, too."""
        _, dump = await status_page.get(status, "/config_dump", CONFIGURATION_LIMIT_S)
        _, info = await status_page.get(status, "/server_info")
        return {
            "config_dump": digest(json.loads(dump), {"last_updated"}),
            "command_line": digest(json.loads(info)["command_line_options"]),
        }

    async def settings(self, member: str, status: Address) -> tuple[Setting, ...]:
        """Read its circuit breakers, the limits of its listener and its sizes."""
        sizes = {
            "per_connection_buffer_limit_bytes": self._options.buffer_bytes,
            "max_request_headers_kb": self._options.header_buffer_bytes,
        }

        async def ask(path: str) -> object:
            return json.loads((await status_page.get(status, path, CONFIGURATION_LIMIT_S))[1])

        return await in_force.settings(member, ask, self._breaker, sizes)

    def limits_met(self, values: Mapping[str, float]) -> Mapping[str, int]:
        """Return what its circuit breakers and its listener's limits have counted."""
        return in_force.limits_met(values)

    def rejected(self, values: Mapping[str, float]) -> Mapping[str, int]:
        """Return what each of its subscriptions has not taken."""
        return in_force.rejected(values)

    def own(self, values: Mapping[str, float]) -> Own:
        """Return what the listener's connection manager and the clusters count."""
        return own_of(values)


def own_of(values: Mapping[str, float]) -> Own:
    """Return what an Envoy's counters say, by the names that they have here."""
    return Own(
        requests=int(values.get(f"{_INGRESS}_rq_total", 0)),
        upstream_requests=int(values.get("cluster.upstream_rq_total", 0)),
        connections_accepted=int(values.get(f"{_INGRESS}_cx_total", 0)),
        connections_active=int(values.get(f"{_INGRESS}_cx_active", 0)),
        upstream_connections=int(values.get("cluster.upstream_cx_active", 0)),
    )


def of_all_clusters(values: Mapping[str, float]) -> Mapping[str, float]:
    """Add up what each cluster counts under one name: thousands of them would fill a record."""
    added: Counter[str] = Counter()
    for name, value in values.items():
        added[_CLUSTER.sub("cluster.", name)] += value  # type: ignore[assignment]
    return added


def parse_stats(page: str) -> Mapping[str, float]:
    """Read ``name: number`` lines; histograms and texts are left out."""
    values = {}
    for line in page.splitlines():
        name, _, text = line.rpartition(": ")
        if text.isdigit():
            values[name] = float(text)
    return values
