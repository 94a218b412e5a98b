"""Starting and ending a Prometheus that outlives the command: written down first, so that it is always found again."""

from __future__ import annotations

import http.client
import os
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from seatrial.errors import EnvironmentFault, RecordError
from seatrial.machine import proc, sockets
from seatrial.machine.address import Address
from seatrial.machine.processes import leftovers, programs
from seatrial.machine.processes.guard import last_lines
from seatrial.machine.undoers import Undone
from seatrial.record.changes import UNDOERS, mark_undone, note_change, open_changes
from seatrial.record.lock import is_live
from seatrial.record.tables.rows import Change
from seatrial.run.observer import programs as ours
from seatrial.run.observer.targets import FOLLOWED, follow

HOST = "127.0.0.1"
START_LIMIT_S = 60.0
"""It is ready in a second; one with a day of data to read again takes longer."""
_POLL_S = 0.05


@dataclass(frozen=True, slots=True)
class Standing:
    """A program of an observer that runs, where it answers, and the run directory in which it is written down."""

    name: str
    url: str
    pid: int
    run: Path


def observers(runs: Path) -> tuple[Standing, ...]:
    """Return those that run, of every run below a directory."""
    return tuple(
        Standing(change.detail["name"], str(change.detail.get("url", "")), found[0], run)
        for run, change in _written_down(runs)
        if (found := leftovers.find(change.detail, run))
    )


def require_possible(runs: Path, port: int) -> None:
    """Raise ``EnvironmentFault`` where there is no Prometheus, one is up for these runs, or its port is taken."""
    programs.find(ours.PROMETHEUS)
    if standing := observers(runs):
        raise EnvironmentFault(
            f"a Prometheus is up for these runs: {standing[0].url} (process {standing[0].pid})",
            next_step="use it, or end it: seatrial observe down",
        )
    if port:
        sockets.require_free(Address(HOST, port))


def start(run: Path, wanted: ours.Wanted) -> tuple[Standing, ...]:
    """Start Prometheus, and a node exporter where there is one, for a run directory and those beside it.

    Raises ``EnvironmentFault`` where there is no Prometheus, one is up for these runs already, or it does not come up:
    nothing is left of it then.
    """
    run = run.resolve()
    require_possible(run.parent, wanted.port)
    program = programs.find(ours.PROMETHEUS)
    at = Address(HOST, wanted.port) if wanted.port else sockets.free_address()
    layout = ours.Layout(run, run.parent / FOLLOWED)
    for folder in (layout.targets, layout.data, layout.folder / "textfile", run / "logs"):
        folder.mkdir(parents=True, exist_ok=True)
    follow(layout.targets, *(one for one in _runs(run.parent) if is_live(one)))
    machine = _node_exporter() if wanted.machine else None
    started: list[Standing] = []
    try:
        where = None if machine is None else sockets.free_address()
        if machine is not None and where is not None:
            argv = ours.node_exporter_argv(machine, layout, where)
            started.append(_started("node exporter", argv, layout, where, "/metrics"))
        text = ours.configuration(layout, at, wanted.exposition, where, wanted.interval)
        layout.configuration.write_text(text)
        argv = ours.prometheus_argv(program, layout, at)
        started.insert(0, _started("prometheus", argv, layout, at, "/-/ready"))
    except BaseException:
        stop(run)
        raise
    return tuple(started)


def stop(runs: Path) -> tuple[tuple[Path, Undone], ...]:
    """End what was started for the runs below a directory, or for one of them; return what was found of each."""
    ended = []
    for run, change in _written_down(runs):
        undone = UNDOERS[change.kind](change.detail, run)
        ended.append((run, undone))
        if undone.is_done:
            mark_undone(run, change.id)
    for parent in {run.parent for run, _ in ended}:
        if not observers(parent):
            _follow_no_more(parent / FOLLOWED)
    return tuple(ended)


def _written_down(runs: Path) -> Iterator[tuple[Path, Change]]:
    """Yield every observer's process that is not known to be gone; a record that cannot be read is passed over."""
    for run in _runs(runs):
        with suppress(RecordError, OSError):
            for change in reversed(open_changes(run)[0]):
                if change.kind == "process" and change.detail.get("is_observer"):
                    yield run, change


def _runs(runs: Path) -> tuple[Path, ...]:
    databases = (*runs.glob("record.db"), *sorted(runs.glob("*/record.db"), reverse=True))
    return tuple(database.parent.resolve() for database in databases)


def live_run(runs: Path) -> Path | None:
    """Return the run that goes on, of several the one that began last; None without any."""
    return next((run for run in _runs(runs) if is_live(run)), None)


def _node_exporter() -> Path | None:
    try:
        return programs.find(ours.NODE_EXPORTER)
    except EnvironmentFault:
        return None


def _started(name: str, argv: tuple[str, ...], layout: ours.Layout, at: Address, ready: str) -> Standing:
    log = layout.log(name.replace(" ", "-"))
    detail: dict[str, Any] = {
        "name": name, "argv": list(argv), "log": str(log), "boot_id": proc.boot_id(), "url": f"http://{at}",
        "is_observer": True,
    }  # fmt: skip
    intent = note_change(layout.run, "process", detail)
    try:
        pid = _spawned(argv, log)
    except OSError as error:
        mark_undone(layout.run, intent)
        raise EnvironmentFault(f"cannot start {name}: {argv[0]}", cause=error.strerror) from error
    try:
        note_change(
            layout.run, "process", {**detail, "pid": pid, "started_ticks": proc.started_ticks(pid) or 0}
        )
    except BaseException:
        leftovers.end((pid,))
        raise
    finally:
        # Either it is written down by its id, or it is gone.
        mark_undone(layout.run, intent)
    _wait_until_ready(name, pid, at, ready, log)
    return Standing(name, f"http://{at}", pid, layout.run)


def _spawned(argv: tuple[str, ...], log: Path) -> int:
    """Start a program in a session of its own, which a Ctrl-C in this terminal does not reach."""
    environment = {**os.environ, **programs.libraries_of(Path(argv[0]))}
    opened = os.O_WRONLY | os.O_CREAT | os.O_APPEND
    actions = [
        (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
        (os.POSIX_SPAWN_OPEN, 1, str(log), opened, 0o644),
        (os.POSIX_SPAWN_DUP2, 1, 2),
    ]
    return os.posix_spawn(argv[0], argv, environment, file_actions=actions, setsid=True)


def _wait_until_ready(name: str, pid: int, at: Address, path: str, log: Path) -> None:
    deadline_s = time.monotonic() + START_LIMIT_S
    cause = f"it is not ready within {START_LIMIT_S:g} s"
    while time.monotonic() < deadline_s:
        if os.waitpid(pid, os.WNOHANG)[0]:
            cause = "it ended"
            break
        if _answers(at, path):
            return
        time.sleep(_POLL_S)
    raise EnvironmentFault(
        f"{name} does not come up: {last_lines(log, 1)}", cause=cause, next_step=f"look at its log: {log}"
    )


def _answers(at: Address, path: str) -> bool:
    connection = http.client.HTTPConnection(at.host, at.port, timeout=5.0)
    try:
        connection.request("GET", path)
        return connection.getresponse().status == http.client.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def _follow_no_more(folder: Path) -> None:
    with suppress(OSError):
        for link in folder.glob("*.json"):
            link.unlink(missing_ok=True)
        folder.rmdir()


def documents(standing: tuple[Standing, ...]) -> list[Mapping[str, Any]]:
    """Return them for JSON."""
    return [{"name": one.name, "url": one.url, "pid": one.pid, "run": str(one.run)} for one in standing]
