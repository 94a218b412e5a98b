"""File descriptors: each process has a hard limit of its own, and the machine has one for all."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from seatrial.preflight.findings import Finding

if TYPE_CHECKING:
    from collections.abc import Iterator

    from seatrial.machine.facts import Machine
    from seatrial.preflight.needs import Needs

# What a process opens beside its connections: epoll, timers, pipes, logs, libraries, the proxy's admin connections.
RESERVE = 256
# A worker opens less: its pipes, the epoll instance, the probe of the kernel's stamps. Of each kind of connection one
# worker may have one more than another.
WORKER_RESERVE = 64 + 2
# The kernel spreads connections over the processes of one port by hash or by who wakes first, never evenly.
SPREAD = 1.25
# More workers than this on one machine would spend their time taking turns.
MAX_WORKERS_HERE = 1_024


@dataclass(frozen=True, slots=True)
class Share:
    """Connections that several processes of one role share."""

    role: Literal["proxy", "origin"]
    total: int
    parts: str
    processes: int
    is_uneven: bool = True
    reserve: int = RESERVE

    @property
    def each(self) -> int:
        """The descriptors that each process needs."""
        return math.ceil(self.total * self._spread / self.processes) + self.reserve

    @property
    def text(self) -> str:
        """The same with its arithmetic."""
        uneven = f" x {SPREAD} (uneven)" if self.is_uneven else ""
        share = f"{uneven} / {self.processes} processes" if self.processes > 1 else ""
        sum_text = f"{self.parts}{share} + {self.reserve} reserved = {self.each} descriptors"
        return f"each {self.role} process needs {sum_text}"

    def most(self, limit: int) -> int:
        """Return how many connections all of them can hold with so many descriptors each."""
        return int((limit - self.reserve) * self.processes / self._spread)

    @property
    def _spread(self) -> float:
        return SPREAD if self.processes > 1 and self.is_uneven else 1.0


def check_descriptors(needs: Needs, machine: Machine) -> Iterator[Finding]:
    """Yield what the descriptor limits say about the workers, the proxy, the origin and the whole machine."""
    yield _workers(needs, machine)
    yield from (_fits(share, machine) for share in shares(needs))
    yield _whole_machine(needs, machine)


def workers_needed(connections: int, machine: Machine) -> int:
    """Return how many worker processes it takes to hold so many connections under the descriptor limit."""
    return max(1, math.ceil(connections / max(1, machine.nofile_hard - WORKER_RESERVE)))


def _workers(needs: Needs, machine: Machine) -> Finding:
    code, needed = "descriptors-workers", workers_needed(needs.connections, machine)
    room = f"{machine.nofile_hard} descriptors - {WORKER_RESERVE} reserved"
    sum_text = f"{needs.held} held + {needs.active} active connections over {room} : worker processes needed: {needed}"
    if needs.workers is not None and needs.workers < needed:
        remedy = f"`workers: {needed}` or more, or leave `workers` out"
        return Finding(code, "refuse", f"{sum_text}, given: {needs.workers}", remedy)
    if needed > MAX_WORKERS_HERE:
        remedy = "raise the hard limit of open files (`ulimit -Hn`), or hold fewer connections"
        return Finding(code, "refuse", f"{sum_text}, allowed: {MAX_WORKERS_HERE}", remedy)
    return Finding(code, "ok", sum_text)


def shares(needs: Needs) -> tuple[Share, ...]:
    """Return what the proxies and the origin hold: roles whose processes are as many as the plan says."""
    proxy = (_proxy(needs),) if needs.proxied else ()
    origin = () if needs.origin_processes is None else (_origin(needs, needs.origin_processes),)
    return proxy + origin


def files_needed(needs: Needs) -> int:
    """Return the open files of the whole machine: both ends of each connection."""
    return 2 * needs.pairs


def _proxy(needs: Needs) -> Share:
    total = needs.held + needs.active + needs.upstream
    parts = f"{needs.held} held + 2 x {needs.active} active (each goes on to the origin){_pools(needs)}"
    # To the members of a fleet connections are dealt in turns.
    is_uneven = needs.proxy_processes > needs.destinations
    return Share("proxy", total, parts, needs.proxy_processes, is_uneven=is_uneven)


def _origin(needs: Needs, processes: int) -> Share:
    total = needs.upstream if needs.proxied else needs.connections
    parts = (
        f"{needs.active} active{_pools(needs)}"
        if needs.proxied
        else f"{needs.held} held + {needs.active} active"
    )
    # Each process listens on every one of them.
    return Share("origin", total, parts, processes, reserve=RESERVE + needs.endpoints - 1)


def _pools(needs: Needs) -> str:
    return f" + {needs.pools} kept to the services" if needs.pools else ""


def _fits(share: Share, machine: Machine) -> Finding:
    code = f"descriptors-{share.role}"
    if share.each <= machine.nofile_hard:
        return Finding(code, "ok", f"{share.text} of {machine.nofile_hard}")
    kernel = f"sysctl -w fs.nr_open={share.each}, then " if share.each > machine.nr_open else ""
    raise_it = (
        f"{kernel}raise the hard limit of open files to {share.each} (`LimitNOFILE=` or `--ulimit nofile=`)"
    )
    text = f"{share.text}, but its hard limit is {machine.nofile_hard}"
    most = share.most(machine.nofile_hard)
    remedy = f"{raise_it}; or {_more_processes(share, machine)}; or plan for {most} connections at most"
    return Finding(code, "refuse", text, remedy)


def _more_processes(share: Share, machine: Machine) -> str:
    if share.role == "origin":
        return f"`origin: {{processes: {_processes_needed(share.total, machine, share.reserve)}}}`"
    processes = _processes_needed(share.total, machine)
    return f"`proxies: {processes}`, a fleet (or for nginx `worker_processes: {processes}`)"


def _processes_needed(total: int, machine: Machine, reserve: int = RESERVE) -> int:
    return math.ceil(total * SPREAD / max(1, machine.nofile_hard - reserve))


def _whole_machine(needs: Needs, machine: Machine) -> Finding:
    needed, free = files_needed(needs), machine.file_max - machine.files_open
    text = f"{needs.pairs} pairs of sockets = {needed} open files on the whole machine"
    if needed <= free:
        return Finding("descriptors-machine", "ok", f"{text}; fs.file-max leaves {free}")
    remedy = f"sysctl -w fs.file-max={machine.files_open + needed}"
    return Finding("descriptors-machine", "refuse", f"{text}, but fs.file-max leaves {free}", remedy)
