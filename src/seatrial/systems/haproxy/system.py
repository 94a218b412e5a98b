"""HAProxy as the system under test: a master and one worker with ``nbthread`` threads."""

from __future__ import annotations

import asyncio
import csv
import resource
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field

from seatrial.machine.namespace import stream_socket
from seatrial.machine.processes.programs import Program
from seatrial.schema.fields import Processes
from seatrial.systems.local.dialect import Dialect, Own, Ports, Prepared
from seatrial.systems.local.templates import rendered
from seatrial.systems.options import ProxyOptions

if TYPE_CHECKING:
    from collections.abc import Mapping

    from seatrial.machine.address import Address
    from seatrial.systems.base import Launch

PROGRAM = Program(
    ("haproxy",),
    ("-v",),
    r"HAProxy version (\S+)",
    "install Debian's haproxy, or run `make tools`, which unpacks it into the project's folder",
)
_TEMPLATE = Path(__file__).with_name("templates") / "haproxy.cfg.j2"
_ANSWER_LIMIT_S = 5.0
LEAST_MAXCONN = 1_000
"""Its limit on connections is what a trial opens, or this where that is less."""
_SIDES = {"FRONTEND": "frontend", "BACKEND": "backend"}


class HaproxyOptions(ProxyOptions):
    """HAProxy, started as a process of this machine."""

    # Its connection, stream endpoint and H1 objects; buffers are given back while a connection is idle.
    bytes_per_connection: ClassVar[int] = 2_048

    kind: Literal["haproxy"] = "haproxy"
    nbthread: Processes = Field(1, description="Threads of each HAProxy.", examples=[1, 4])

    @property
    def pools_each(self) -> int:
        """One for each of its threads."""
        return self.nbthread

    def dialect(self) -> HaproxyDialect:
        """Return how one is configured and asked."""
        return HaproxyDialect(self)


class HaproxyDialect(Dialect):
    """Counts exactly: its statistics are asked for over the runtime API, a line for each side."""

    program = PROGRAM

    def __init__(self, options: HaproxyOptions) -> None:
        self._nbthread = options.nbthread

    def prepare(self, launch: Launch, ports: Ports) -> Prepared:
        """Write the configuration, and certificate with key in one file as HAProxy wants them."""
        values = {
            "maxconn": max(launch.max_connections, LEAST_MAXCONN),
            "descriptors": resource.getrlimit(resource.RLIMIT_NOFILE)[1],
            "nbthread": self._nbthread,
            "status": ports.status,
            "listen": ports.listen,
            "bundle": _bundle(launch),
            "topology": launch.topology,
            "routes": self._routes(launch),
        }
        config = launch.directory / f"{launch.label}.cfg"
        config.write_text(rendered(_TEMPLATE, values))
        # In the foreground, as a master with its worker: that is how it is run where it is to be reloaded.
        return Prepared(("-W", "-f", str(config)), ("-c", "-f", str(config)), processes=2)

    def _routes(self, launch: Launch) -> Path:
        """Write which service a host or the first part of a path leads to: a map is found in one step, however long."""
        routes = launch.directory / f"{launch.label}.map"
        names = (
            (route.prefix.strip("/") if launch.topology.by_path else route.host, route.service.name)
            for route in launch.topology.routes
            if launch.topology.is_routed
        )
        routes.write_text("".join(f"{name} {service}\n" for name, service in names))
        return routes

    async def is_live(self, status: Address) -> bool:
        """Return whether the worker answers."""
        return bool(await ask(status, "show info"))

    async def read(self, status: Address) -> Mapping[str, float]:
        """Read what both sides count, as ``frontend.req_tot`` and so on."""
        # Frontends and backends, of all proxies, and not their servers.
        return parse_statistics(await ask(status, "show stat -1 3 -1"))

    def own(self, values: Mapping[str, float]) -> Own:
        """Return what the frontend and the backend count."""
        return Own(
            requests=int(values["frontend.req_tot"]),
            upstream_requests=int(values["backend.lbtot"]),
            connections_accepted=int(values["frontend.conn_tot"]),
            connections_active=int(values["frontend.scur"]),
        )


async def ask(status: Address, command: str) -> str:
    """Ask the runtime API one thing; raise ``OSError`` where it does not answer in time."""
    async with asyncio.timeout(_ANSWER_LIMIT_S):
        stream = stream_socket(status.host, status.namespace)
        stream.setblocking(False)
        try:
            await asyncio.get_running_loop().sock_connect(stream, (status.host, status.port))
        except BaseException:
            stream.close()
            raise
        reader, writer = await asyncio.open_connection(sock=stream)
        try:
            writer.write(f"{command}\n".encode())
            await writer.drain()
            return (await reader.read()).decode(errors="replace")
        finally:
            writer.close()


def parse_statistics(page: str) -> Mapping[str, float]:
    """Read the numbers of the frontend, and those of all backends together, from the CSV of ``show stat``."""
    values: Counter[str] = Counter()
    for row in csv.DictReader(page.removeprefix("# ").splitlines()):
        if side := _SIDES.get(row.get("svname") or ""):
            values.update(
                {f"{side}.{name}": float(text) for name, text in row.items() if text and text.isdigit()}
            )
    return values


def _bundle(launch: Launch) -> Path | None:
    if launch.certificate is None:
        return None
    bundle = launch.directory / f"{launch.label}.pem"
    bundle.touch(mode=0o600)
    bundle.write_text(launch.certificate.cert.read_text() + launch.certificate.key.read_text())
    return bundle
