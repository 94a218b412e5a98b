"""Envoy as the system under test: one process, configured by a static bootstrap."""

from __future__ import annotations

import http.client
import json
import re
import subprocess
import time
from typing import TYPE_CHECKING, ClassVar, Literal
from urllib.parse import quote

from pydantic import Field, field_validator

from seatrial.errors import SystemFault
from seatrial.machine import sockets
from seatrial.machine.address import Address, Endpoint
from seatrial.machine.members import Member
from seatrial.machine.processes import programs
from seatrial.machine.processes.guard import Command, GuardedProcess, last_lines, run_to_end
from seatrial.machine.processes.programs import BinaryInfo
from seatrial.schema.fields import Processes
from seatrial.systems import http as status_page
from seatrial.systems.counters import Counters, Reading
from seatrial.systems.envoy.bootstrap import CLUSTER, LISTENER, STAT_PREFIX, bootstrap
from seatrial.systems.options import SystemOptions, only_one_proxy
from seatrial.systems.ready import VALIDATE_LIMIT_S, until_ready, within

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from seatrial.systems.base import Launch

STOP_LIMIT_S = 5.0
_STATS = (
    rf"^(http\.{STAT_PREFIX}\.(downstream_(cx|rq)|no_)"
    rf"|cluster\.{CLUSTER}\.(circuit_breakers\.default|membership|upstream_(cx|rq))"
    rf"|listener\.{LISTENER}\.downstream"
    r"|server\.(memory|total_connections|concurrency|worker))"
)
# Only what has been counted at all: a stat that is absent is 0, and a sample is a third of the size.
_STATS_PAGE = f"/stats?usedonly&filter={quote(_STATS)}"


class EnvoyOptions(SystemOptions):
    """Envoy, started as a process of this machine with a static configuration."""

    # Its connection, filter chain and codec objects.
    bytes_per_connection: ClassVar[int] = 8_192

    kind: Literal["envoy"] = "envoy"
    proxies: Processes = Field(1, description="Envoy processes side by side; just 1 for now.", examples=[1])
    concurrency: Processes = Field(1, description="Worker threads of each Envoy.", examples=[1, 4])

    @field_validator("proxies")
    @classmethod
    def _one_for_now(cls, proxies: int) -> int:
        return only_one_proxy(proxies)

    def create(self) -> EnvoySystem:
        """Return the system, not started."""
        return EnvoySystem(self.concurrency)


class EnvoySystem:
    """One Envoy process with ``concurrency`` worker threads."""

    def __init__(self, concurrency: int = 1) -> None:
        self._concurrency = concurrency
        self._label = "envoy"
        self._process: GuardedProcess | None = None
        self._admin: Address | None = None

    async def start(self, launch: Launch) -> tuple[Endpoint, ...]:
        """Render, validate, start, and wait until Envoy is live and listens; see ``System.start``."""
        listen = launch.place.address()
        sockets.require_free(listen)
        self._label = launch.label
        config = launch.directory / f"{launch.label}.json"
        config.write_text(json.dumps(bootstrap(launch, listen), indent=2) + "\n")
        await self._validate(launch, config)
        admin_path = launch.directory / f"{launch.label}-admin-address"
        admin_path.unlink(missing_ok=True)
        log = launch.log_directory / f"{launch.label}.log"
        argv = (
            *self._argv(config),
            *("--disable-hot-restart", "--log-level", "warning", "--admin-address-path", str(admin_path)),
        )
        self._process = await GuardedProcess.start(Command(launch.label, argv, log, log), launch.changes)
        try:
            await until_ready(launch.label, lambda: self._is_ready(admin_path, listen), self.failure, log)
        except BaseException:
            await self.stop()
            raise
        return (launch.endpoint(listen),)

    async def counters(self, *, exact: bool = False) -> Counters:  # noqa: ARG002
        """Read the admin page. Worker threads count in shared atomics, so every reading is exact.

        Only the ``server.memory`` gauges lag, by up to Envoy's flush interval of 5 s.
        Raises ``SystemFault`` where Envoy does not answer.
        """
        values = _parse(await self._page(_STATS_PAGE))
        assert self._process is not None
        ingress = f"http.{STAT_PREFIX}.downstream"
        reading = Reading(
            incarnation=self._process.ref.incarnation,
            connections_active=int(values.get(f"{ingress}_cx_active", 0)),
            connections_accepted=int(values.get(f"{ingress}_cx_total", 0)),
            requests=int(values.get(f"{ingress}_rq_total", 0)),
            upstream_requests=int(values.get(f"cluster.{CLUSTER}.upstream_rq_total", 0)),
            values=values,
        )
        return Counters(time.monotonic(), {self._label: reading})

    async def drained(self, limit_s: float) -> bool:
        """Wait until the listener holds no connection and no request is under way."""
        return await within(limit_s, self._is_empty)

    def members(self) -> tuple[Member, ...]:
        """Return the one Envoy, a process, while it runs."""
        if self._process is None or self._process.exit_status is not None:
            return ()
        return (Member("system", self._label, (self._process.ref,)),)

    def failure(self) -> str | None:
        """Say how Envoy has ended, unless it was asked to."""
        return None if self._process is None else self._process.failure()

    def version(self) -> BinaryInfo:
        """Return the Envoy that is used; raise ``EnvironmentFault`` where there is none."""
        program = self._program()
        answer = subprocess.run(
            [program, "--version"], capture_output=True, text=True, timeout=60, check=False
        )
        # It says: envoy version: COMMIT/1.40.0/Clean/RELEASE/BoringSSL.
        found = re.search(r"version: \w+/([^/\s]+)/", answer.stdout)
        return programs.describe(program, found[1] if found else answer.stdout.strip())

    async def stop(self) -> None:
        """End Envoy."""
        if self._process is not None:
            await self._process.stop(STOP_LIMIT_S)

    def _program(self) -> Path:
        return programs.find(("envoy",), "run `make setup`, or put envoy on the PATH")

    def _argv(self, config: Path) -> tuple[str, ...]:
        return (str(self._program()), "-c", str(config), "--concurrency", str(self._concurrency))

    async def _validate(self, launch: Launch, config: Path) -> None:
        log = launch.log_directory / f"{launch.label}-validate.log"
        log.unlink(missing_ok=True)
        argv = (*self._argv(config), "--mode", "validate", "--log-level", "warning")
        command = Command(f"the validation of {config.name}", argv, log, log)
        if await run_to_end(command, launch.changes, VALIDATE_LIMIT_S) != 0:
            raise SystemFault(
                f"Envoy refuses its configuration {config}",
                cause=last_lines(log) or None,
                next_step="correct the plan's options for this system, or read the configuration",
            )

    async def _is_ready(self, admin_path: Path, listen: Address) -> bool:
        if self._admin is None:
            self._admin = _read_address(admin_path)
        if self._admin is None:
            return False
        try:
            status, text = await status_page.get(self._admin, "/ready")
        except (OSError, http.client.HTTPException):
            return False
        # No connection is made to the listener: Envoy would count it.
        return status == 200 and text.strip() == "LIVE" and sockets.is_listening(listen.port)

    async def _is_empty(self) -> bool:
        values = _parse(await self._page(_STATS_PAGE))
        names = ("downstream_cx_active", "downstream_rq_active")
        return not any(values.get(f"http.{STAT_PREFIX}.{name}", 0) for name in names)

    async def _page(self, path: str) -> str:
        if self._admin is None:
            raise SystemFault(f"{self._label} has not been started")
        try:
            return (await status_page.get(self._admin, path))[1]
        except (OSError, http.client.HTTPException) as error:
            raise SystemFault(
                f"the admin port of {self._label} does not answer", cause=self.failure() or str(error)
            ) from error


def _parse(page: str) -> Mapping[str, float]:
    """Read ``name: number`` lines; histograms and texts are left out."""
    values = {}
    for line in page.splitlines():
        name, _, text = line.rpartition(": ")
        if text.isdigit():
            values[name] = float(text)
    return values


def _read_address(path: Path) -> Address | None:
    """Read what Envoy writes to --admin-address-path, once it has."""
    try:
        host, _, port = path.read_text().rpartition(":")
    except OSError:
        return None
    return Address(host, int(port)) if port.isdigit() else None
