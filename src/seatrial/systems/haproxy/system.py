"""HAProxy as the system under test: a master and one worker with ``nbthread`` threads."""

from __future__ import annotations

import asyncio
import csv
import os
import resource
import signal
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field

from seatrial.machine.namespace import stream_socket
from seatrial.machine.processes.programs import Program
from seatrial.schema.fields import Processes
from seatrial.systems.catalogue import HAPROXY
from seatrial.systems.certificate import ORIGIN_NAME
from seatrial.systems.disturbance import OF_ANY_PROXY, OF_CONFIGURATION, Action
from seatrial.systems.haproxy import exporter, in_force
from seatrial.systems.local.configured import digest
from seatrial.systems.local.dialect import Dialect, Own, Ports, Prepared
from seatrial.systems.local.templates import rendered
from seatrial.systems.options import ProxyOptions
from seatrial.systems.raw import Document, lines
from seatrial.systems.vocabulary import Lack

if TYPE_CHECKING:
    from collections.abc import Mapping

    from seatrial.machine.address import Address
    from seatrial.systems.base import Launch
    from seatrial.systems.settings import Setting

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
_LIMITS = ("Maxconn:", "Hard_maxconn:", "ConnRateLimit:", "SessRateLimit:", "Nbthread:", "Ulimit-n:")
_OF_SERVERS = ("be_name", "srv_name", "srv_addr", "srv_port", "srv_admin_state", "srv_uweight")
_SIDES = {"FRONTEND": "frontend", "BACKEND": "backend"}
PLACES: Mapping[str, tuple[str, int]] = {
    "global": ("at the end of `global`", 4),
    "defaults": ("at the end of `defaults`", 4),
    "frontend": ("within `frontend`, before its routes", 4),
    "backend": ("within each `backend`, before its servers", 4),
    "sections": ("after everything: whole sections", 0),
}
"""Where text may be put in, what that is, and how far its lines are indented."""


class HaproxyOptions(ProxyOptions):
    """HAProxy, started as a process of this machine."""

    disturbances: ClassVar[frozenset[Action]] = OF_ANY_PROXY | OF_CONFIGURATION | {"reload"}
    # Its connection, stream endpoint and H1 objects; buffers are given back while a connection is idle.
    bytes_per_connection: ClassVar[int] = 2_048
    raw: ClassVar[Document] = Document({place: where for place, (where, _) in PLACES.items()})
    lacks: ClassVar[tuple[Lack, ...]] = (
        Lack(
            "access_log",
            ("off", "stdout"),
            "HAProxy writes no files: `stdout`, whose lines come into a file of the run's logs",
        ),
        Lack(
            "header_buffer",
            (None,),
            "HAProxy has one buffer for heads and bodies: `buffer` (tune.bufsize)",
        ),
    )

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
    # Each reload starts a new worker, which counts from 0.
    keeps_counts = False
    metrics = HAPROXY

    def __init__(self, options: HaproxyOptions) -> None:
        self._options = options
        self._maxconn: int | None = None
        self._page: Address | None = None

    def prepare(self, launch: Launch, ports: Ports) -> Prepared:
        """Write the configuration, and certificate with key in one file as HAProxy wants them."""
        options = self._options
        self._maxconn = _maxconn(options, launch)
        # The same one after a reload.
        if self._page is None and exporter.is_built_in(PROGRAM):
            self._page = launch.place.address()
        values = {
            "page": self._page,
            "page_name": exporter.FRONTEND,
            "page_path": exporter.PATH,
            "maxconn": self._maxconn,
            "bufsize": options.buffer_bytes,
            "logs": options.access_log != "off",
            "pool": options.keepalive_upstream,
            "server": _of_each_server(options, launch),
            "snippets": {
                place: lines((options.config or {}).get(place, ""), indent)
                for place, (_, indent) in PLACES.items()
            },
            "descriptors": resource.getrlimit(resource.RLIMIT_NOFILE)[1],
            "nbthread": options.nbthread,
            "status": ports.status,
            "listen": ports.listen,
            "bundle": _bundle(launch),
            "topology": launch.topology,
            "routes": self._routes(launch),
        }
        config = launch.directory / f"{launch.label}.cfg"
        config.write_text(rendered(_TEMPLATE, values))
        # In the foreground, as a master with its worker: that is how it is run where it is to be reloaded.
        stdout = launch.access_log if options.access_log == "stdout" else None
        run, validate = ("-W", "-f", str(config)), ("-c", "-f", str(config))
        # What it is told twice it says so loudly, and passes over.
        return Prepared(run, validate, processes=2, stdout=stdout, objections=("[ALERT]",))

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

    def metrics_page(self, status: Address) -> tuple[Address, str] | None:  # noqa: ARG002
        """Return where its exporter answers, which is a frontend of its own; None where it was built without."""
        return None if self._page is None else (self._page, exporter.PATH)

    async def reload(self, pid: int, status: Address) -> None:  # noqa: ARG002
        """Have the master start a new worker, and the old one end with what it has begun."""
        os.kill(pid, signal.SIGUSR2)

    async def drain(self, pid: int, status: Address) -> None:  # noqa: ARG002
        """Have master and worker end once every connection has."""
        os.kill(pid, signal.SIGUSR1)

    async def is_live(self, status: Address) -> bool:
        """Return whether the worker answers."""
        return bool(await ask(status, "show info"))

    async def read(self, status: Address) -> Mapping[str, float]:
        """Read what both sides count, as ``frontend.req_tot`` and so on."""
        # Frontends and backends, of all proxies, and not their servers.
        return parse_statistics(await ask(status, "show stat -1 3 -1"))

    async def configuration(self, status: Address) -> Mapping[str, str]:
        """Read its limits and its servers, which may be changed over the runtime API."""
        info, servers = await ask(status, "show info"), await ask(status, "show servers state")
        limits = [line for line in info.splitlines() if line.startswith(_LIMITS)]
        # The first line is a version, the second names the columns.
        rows = csv.DictReader(servers.replace("# ", "", 1).splitlines()[1:], delimiter=" ")
        return {
            "info": digest(limits),
            "servers": digest([[row[name] for name in _OF_SERVERS] for row in rows]),
        }

    async def settings(self, member: str, status: Address) -> tuple[Setting, ...]:
        """Ask the runtime API for its limits and sizes."""
        commands = {"show info": "show info", "show stat": "show stat -1 7 -1", "show pools": "show pools"}
        pages = {name: await ask(status, command) for name, command in commands.items()}
        # As many as come is what it has by itself; none is another option.
        pool = self._options.keepalive_upstream or None
        sizes = {"pool-max-conn": pool, "tune.bufsize": self._options.buffer_bytes}
        return tuple(in_force.settings(member, pages, self._maxconn, sizes))

    def limits_met(self, values: Mapping[str, float]) -> Mapping[str, int]:
        """Return what its frontend says of its limit."""
        return in_force.limits_met(values)

    def own(self, values: Mapping[str, float]) -> Own:
        """Return what the frontend and the backend count."""
        return Own(
            requests=int(values.get("frontend.req_tot", 0)),
            upstream_requests=int(values.get("backend.lbtot", 0)),
            connections_accepted=int(values.get("frontend.conn_tot", 0)),
            connections_active=int(values.get("frontend.scur", 0)),
        )


def _maxconn(options: HaproxyOptions, launch: Launch) -> int | None:
    """Return how many connections of clients it may have at once; None leaves that to HAProxy."""
    match options.limits:
        case "default":
            return None
        case "raised":
            return max(launch.max_connections, LEAST_MAXCONN)
        case limit:
            return limit


def _of_each_server(options: HaproxyOptions, launch: Launch) -> str:
    pool = f" pool-max-conn {options.keepalive_upstream}" if options.keepalive_upstream is not None else ""
    if launch.topology.ca is None:
        return pool
    verified = f"verify required ca-file {launch.topology.ca} verifyhost {ORIGIN_NAME}"
    return f"{pool} ssl {verified} sni str({ORIGIN_NAME}) alpn http/1.1"


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
        if row.get("pxname") == exporter.FRONTEND:
            # Who reads its page is no client.
            continue
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
