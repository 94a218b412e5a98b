"""Reading /proc: who a process is, whether it still is that process, and what it has started."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path

_ALLOWED = b"\nCpus_allowed_list:"


@dataclass(frozen=True, slots=True)
class ProcessRef:
    """A process to watch.

    ``started_ticks`` (field 22 of /proc/PID/stat) distinguishes it from a later one with the same id.
    """

    name: str
    pid: int
    started_ticks: int

    @property
    def incarnation(self) -> str:
        """What tells it from every other process of its member, the ones before a restart among them."""
        return f"{self.pid}@{self.started_ticks}"


@dataclass(frozen=True, slots=True)
class Stat:
    """The fields of /proc/PID/stat that are used here; times in clock ticks (see proc(5))."""

    state: str
    parent: int
    group: int
    user_ticks: int
    system_ticks: int
    threads: int
    started_ticks: int
    rss_pages: int


def stat(pid: int) -> Stat | None:
    """Read /proc/PID/stat; None where there is no such process."""
    try:
        text = Path(f"/proc/{pid}/stat").read_bytes()
    except OSError:
        return None
    # The second field is the name in brackets, and may itself hold brackets and spaces.
    fields = text[text.rindex(b")") + 2 :].split()
    return Stat(
        state=fields[0].decode(),
        parent=int(fields[1]),
        group=int(fields[2]),
        user_ticks=int(fields[11]),
        system_ticks=int(fields[12]),
        threads=int(fields[17]),
        started_ticks=int(fields[19]),
        rss_pages=int(fields[21]),
    )


def started_ticks(pid: int) -> int | None:
    """Return when the process started, in clock ticks since boot; None where there is no such process."""
    found = stat(pid)
    return None if found is None else found.started_ticks


def is_alive(pid: int, ticks: int) -> bool:
    """Return whether this very process still runs; a zombie does not."""
    found = stat(pid)
    return found is not None and found.started_ticks == ticks and found.state not in {"Z", "X"}


def children(pid: int) -> tuple[int, ...]:
    """Return the ids of a process's children, ascending."""
    try:
        tasks = list(Path(f"/proc/{pid}/task").iterdir())
        texts = [(task / "children").read_text() for task in tasks]
    except FileNotFoundError:
        # Either the process is gone, or the kernel is built without CONFIG_PROC_CHILDREN.
        return _children_by_scan(pid)
    except OSError:
        return ()
    return tuple(sorted(int(word) for text in texts for word in text.split()))


def descendants(pid: int) -> tuple[int, ...]:
    """Return the ids of everything below a process, parents before children."""
    found: list[int] = []
    waiting = [pid]
    while waiting:
        below = children(waiting.pop(0))
        found.extend(below)
        waiting.extend(below)
    return tuple(found)


def group(leader: int, leader_started_ticks: int) -> tuple[int, ...]:
    """Return the living processes of a group, also when its leader has died.

    Empty where the id is another process's by now. The kernel does not give an id away again as long as a
    group of that id has members.
    """
    now = stat(leader)
    if now is not None and now.started_ticks != leader_started_ticks:
        return ()
    found = ((pid, stat(pid)) for pid in all_pids())
    return tuple(
        pid
        for pid, its in found
        if its is not None
        and its.group == leader
        and its.state != "Z"
        and its.started_ticks >= leader_started_ticks
    )


@dataclass(frozen=True, slots=True)
class Scheduling:
    """How the threads of a process that live were scheduled, added up; None is "this kernel does not say".

    A switch is voluntary where the thread waited for something, and not where its CPU was given to another. ``wait_s``
    is how long threads were ready to run and had no CPU. ``cpus`` are the lists of those that they may use, each once,
    as the kernel prints them.
    """

    voluntary_switches: int
    involuntary_switches: int
    wait_s: float | None
    cpus: frozenset[str] = frozenset()


def scheduling(pid: int) -> Scheduling | None:
    """Read it thread by thread: the files of the process itself are of its first thread only. None if it is gone."""
    try:
        tasks = list(Path(f"/proc/{pid}/task").iterdir())
    except OSError:
        return None
    switches, waits_ns, allowed = [0, 0], [], set()
    for task in tasks:
        # One that ends meanwhile takes its counts with it.
        with suppress(OSError):
            status = (task / "status").read_bytes()
            for index, name in enumerate((b"\nvoluntary_ctxt_switches:", b"\nnonvoluntary_ctxt_switches:")):
                at = status.index(name) + len(name)
                switches[index] += int(status[at:].split(None, 1)[0])
            at = status.index(_ALLOWED) + len(_ALLOWED)
            allowed.add(status[at:].split(None, 1)[0].decode())
            waits_ns.append(int((task / "schedstat").read_bytes().split()[1]))
    wait_s = sum(waits_ns) / 1e9 if waits_ns else None
    return Scheduling(switches[0], switches[1], wait_s, frozenset(allowed))


def program(pid: int) -> str | None:
    """Return the path of the program that a process runs; None where this one may not know, or it is gone."""
    try:
        return str(Path(f"/proc/{pid}/exe").readlink())
    except OSError:
        return None


def command_line(pid: int) -> tuple[str, ...]:
    """Return the argument vector; empty where there is no such process, or it is a zombie."""
    try:
        raw = Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return ()
    return tuple(word.decode(errors="replace") for word in raw.rstrip(b"\0").split(b"\0")) if raw else ()


def all_pids() -> tuple[int, ...]:
    """Return the ids of every process that this one can see."""
    return tuple(int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit())


@cache
def boot_id() -> str:
    """Return the kernel's name for this boot: process ids and start times mean nothing in another one."""
    return Path("/proc/sys/kernel/random/boot_id").read_text().strip()


def _children_by_scan(pid: int) -> tuple[int, ...]:
    found = ((candidate, stat(candidate)) for candidate in all_pids())
    return tuple(sorted(candidate for candidate, its in found if its is not None and its.parent == pid))
