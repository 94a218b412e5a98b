"""The cluster's own processes: started, written down with the moment of their start, waited for, and ended.

None of them has a parent that looks after it: they outlive the command that starts them, as on a real node.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import ssl
import time
import urllib.request
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from seatrial.errors import EnvironmentFault
from seatrial.machine import proc
from seatrial.machine.namespace import entered
from tools.cluster import debian

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from seatrial.machine.namespace import Namespace
    from tools.cluster.layout import Cluster

LOG_LINES = 8
MORE_WATCHES = (
    "let this machine's root watch more files, a cluster takes about 40 of them: "
    "sysctl -w fs.inotify.max_user_instances=1024"
)
KILL_LIMIT_S = 10.0
PROBE_LIMIT_S = 2.0
_POLL_S = 0.05


@dataclass(frozen=True, slots=True)
class Daemon:
    """A program that runs for as long as the cluster does.

    ``mounts`` is the file of the mount namespace that it is in, None where it is this machine's. ``is_ready`` looks
    whether it does what it is for, within ``limit_s``, which is for a machine that is loaded to the brim.
    """

    name: str
    argv: tuple[str, ...]
    namespace: Namespace
    is_ready: Callable[[], bool]
    mounts: Path | None = None
    environment: Mapping[str, str] = field(default_factory=dict)
    limit_s: float = 60.0


def run(cluster: Cluster, daemon: Daemon) -> bool:
    """Start a daemon unless it runs, and wait until it is ready; return whether it was started.

    Raises ``EnvironmentFault`` with the end of its log where it ends, or is not ready in time.
    """
    started = pid_of(cluster, daemon.name) is None
    if started:
        _start(cluster, daemon)
    wait_until(daemon.is_ready, f"{daemon.name} is ready", daemon.limit_s, cluster, daemon.name)
    return started


def wait_until(ready: Callable[[], bool], what: str, limit_s: float, cluster: Cluster, daemon: str) -> None:
    """Look again and again; raises ``EnvironmentFault`` where it is not so in time, or the daemon has ended."""
    deadline_s = time.monotonic() + limit_s
    while not ready():
        if pid_of(cluster, daemon) is None:
            raise _failed(cluster, daemon, f"{daemon} ended before {what}")
        if time.monotonic() > deadline_s:
            raise _failed(cluster, daemon, f"not within {limit_s:g} s: {what}")
        time.sleep(_POLL_S)


def pid_of(cluster: Cluster, name: str) -> int | None:
    """Return the process of a daemon, None where it does not run."""
    try:
        written = json.loads(_record(cluster, name).read_text())
    except (OSError, ValueError):
        return None
    if written["boot_id"] != proc.boot_id():
        return None
    pid = int(written["pid"])
    with suppress(ChildProcessError):
        # Whoever started it in this very process, as a test does, would have a zombie of it.
        os.waitpid(pid, os.WNOHANG)
    return pid if proc.is_alive(pid, int(written["started_ticks"])) else None


def recorded(cluster: Cluster) -> dict[str, int]:
    """Return the daemons that run, by name."""
    names = sorted(path.stem for path in _records(cluster).glob("*.json"))
    return {name: pid for name in names if (pid := pid_of(cluster, name)) is not None}


def kill(find: Callable[[], set[int]]) -> set[int]:
    """Kill whatever is found, until nothing is; return what lives on after all.

    Nothing here needs to end in peace: what they keep is thrown away. One may start others meanwhile.
    """
    deadline_s = time.monotonic() + KILL_LIMIT_S
    while (found := find()) and time.monotonic() < deadline_s:
        for pid in found:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
            with suppress(ChildProcessError):
                os.waitpid(pid, os.WNOHANG)
        time.sleep(_POLL_S)
    return found


def answers(namespace: Namespace, url: str, identity: tuple[Path, Path] | None = None) -> bool:
    """Return whether a URL in a network answers 200; ``identity`` is a client's certificate and key.

    Whom a server says to be is not looked at: who else would listen in there?
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    if identity is not None:
        context.load_cert_chain(*identity)
    # Whatever proxy this machine is to use does not lead in there.
    directly = urllib.request.build_opener(
        urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=context)
    )
    try:
        with entered(namespace), directly.open(url, timeout=PROBE_LIMIT_S) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


def write(path: Path, text: str) -> None:
    """Write a file unless it has this text: some programs end when their configuration changes."""
    if not path.exists() or path.read_text() != text:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def log_of(cluster: Cluster, name: str) -> Path:
    """Return where a daemon's words are."""
    return cluster.home / "logs" / f"{name}.log"


def _start(cluster: Cluster, daemon: Daemon) -> None:
    for folder in (_records(cluster), log_of(cluster, daemon.name).parent):
        folder.mkdir(parents=True, exist_ok=True)
    argv = daemon.namespace.within(daemon.argv)
    if daemon.mounts is not None:
        argv = (argv[0], f"--mount={daemon.mounts}", *argv[1:])
    nsenter = shutil.which(argv[0]) or "/usr/bin/nsenter"
    log = os.open(log_of(cluster, daemon.name), os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    try:
        # No Popen: it would look after a process that is to outlive this one. `nsenter` becomes the program.
        pid = os.posix_spawn(
            nsenter,
            argv,
            {**debian.environment(), **daemon.environment},
            file_actions=[
                (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
                (os.POSIX_SPAWN_DUP2, log, 1),
                (os.POSIX_SPAWN_DUP2, log, 2),
            ],
            setsid=True,
            setsigdef=[signal.SIGINT, signal.SIGHUP, signal.SIGPIPE],
        )
    finally:
        os.close(log)
    written = {"pid": pid, "started_ticks": proc.started_ticks(pid) or 0, "boot_id": proc.boot_id()}
    part = _record(cluster, daemon.name).with_suffix(".part")
    part.write_text(json.dumps({**written, "argv": daemon.argv}, indent=1))
    part.rename(_record(cluster, daemon.name))


def _failed(cluster: Cluster, daemon: str, what: str) -> EnvironmentFault:
    log = log_of(cluster, daemon)
    lines = log.read_text(errors="replace").strip().splitlines()[-LOG_LINES:] if log.exists() else []
    said = "\n".join(lines)
    next_step = MORE_WATCHES if "too many open files" in said else f"read {log}"
    return EnvironmentFault(what, cause=said or "it said nothing", next_step=next_step)


def _records(cluster: Cluster) -> Path:
    return cluster.home / "processes"


def _record(cluster: Cluster, name: str) -> Path:
    return _records(cluster) / f"{name}.json"
