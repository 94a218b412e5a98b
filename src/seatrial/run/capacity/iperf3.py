"""Capacity by iperf3, where it is installed: a second opinion that shares no code with ours."""

from __future__ import annotations

import asyncio
import itertools
import json
import os
from typing import TYPE_CHECKING, Any

from seatrial.errors import EnvironmentFault, SystemFault
from seatrial.machine import sockets
from seatrial.machine.processes import programs
from seatrial.machine.processes.guard import Command, GuardedProcess, run_to_end
from seatrial.machine.processes.programs import Program
from seatrial.preflight.capacity import Figure
from seatrial.run.capacity.engine import CONNECTIONS
from seatrial.systems.local.ready import until_ready, within

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from seatrial.machine.address import Address
    from seatrial.machine.place import Place
    from seatrial.machine.processes.changes import ChangeLog
    from seatrial.preflight.capacity import Direction
    from seatrial.run.capacity.ways import Way

PROGRAM = Program(
    ("iperf3",),
    ("--version",),
    r"iperf (\S+)",
    "install Debian's iperf3, or run `make tools`, which unpacks it into the project's folder",
)
TOOL = "iperf3"
# What goes to the server is what requests would be; with -R the server sends.
_FLAGS: dict[Direction, tuple[str, ...]] = {"responses": ("-R",), "requests": ()}
_BESIDE_S = 30.0
"""What a client may take beside the time that it measures for."""
_FREE_LIMIT_S = 5.0
_TERM_S = 1.0


async def figures(way: Way, measure_s: float, scratch: Path, changes: ChangeLog) -> AsyncIterator[Figure]:
    """Yield each figure as it is measured.

    Raises ``EnvironmentFault`` where there is no iperf3, ``SystemFault`` where it does not measure.
    """
    clients, servers = way.clients.place, way.servers.place
    if clients is None or servers is None:
        raise EnvironmentFault(
            "iperf3 is not in the image", cause="workers and origins are all that pods run"
        )
    program = await asyncio.to_thread(programs.find, PROGRAM)
    at = servers.address()
    log = scratch / "iperf3-server.log"
    serve = (str(program), "-s", "-B", at.host, "-p", str(at.port))
    server = await GuardedProcess.start(_command("iperf3 (server)", serve, log, log, servers), changes)
    try:
        await until_ready("iperf3 (server)", lambda: _listens(at), server.failure, log)
        for direction, connections in itertools.product(_FLAGS, CONNECTIONS):
            # It serves one client after another, and is not free again at once.
            await within(_FREE_LIMIT_S, lambda: _listens(at))
            out = scratch / f"iperf3-{direction}-{connections}.json"
            words = (
                str(program), "-c", at.host, "-p", str(at.port), "-J", "-P", str(connections),
                "-t", f"{max(1, round(measure_s))}", *_FLAGS[direction],
            )  # fmt: skip
            command = _command("iperf3 (client)", words, out, out.with_suffix(".log"), clients)
            await run_to_end(command, changes, measure_s + _BESIDE_S)
            yield Figure(TOOL, direction, connections, bytes_per_s(out.read_text(), str(out)))
    finally:
        await server.stop(_TERM_S)


def bytes_per_s(text: str, where: str) -> float:
    """Return what the receiver got, by what a client printed as JSON; raise ``SystemFault`` where that is none."""
    try:
        document: dict[str, Any] = json.loads(text)
        if "error" not in document:
            return float(document["end"]["sum_received"]["bits_per_second"]) / 8
        why = str(document["error"])
    except (ValueError, KeyError, TypeError):
        why = text.strip()[-200:] or "it printed nothing"
    raise SystemFault("iperf3 has measured nothing", cause=why, next_step=f"read {where}")


async def _listens(at: Address) -> bool:
    return await asyncio.to_thread(sockets.is_listening, at.port, at.namespace)


def _command(name: str, argv: tuple[str, ...], stdout: Path, stderr: Path, place: Place) -> Command:
    program = programs.find(PROGRAM)
    environment = {**os.environ, **programs.libraries_of(program)}
    return Command(
        name, argv, stdout, stderr, environment=environment, namespace=place.namespace, cpus=place.cpus
    )
