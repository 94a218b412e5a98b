"""File descriptors: each process has a hard limit of its own, and the machine has one for all."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

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


def check_descriptors(needs: Needs, machine: Machine) -> Iterator[Finding]:
    """Yield what the descriptor limits say about the workers, the proxy, the origin and the whole machine."""
    yield _workers(needs, machine)
    if needs.proxied:
        yield _proxy(needs, machine)
    if needs.origin_processes is not None:
        yield _origin(needs, needs.origin_processes, machine)
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


def _proxy(needs: Needs, machine: Machine) -> Finding:
    total = needs.held + needs.active + needs.upstream
    parts = f"{needs.held} held + 2 x {needs.active} active (each goes on to the origin){_pools(needs)}"
    processes = _processes_needed(total, machine)
    remedy = f"`proxies: {processes}`, a fleet (or for nginx `worker_processes: {processes}`)"
    # To the members of a fleet connections are dealt in turns.
    is_uneven = needs.proxy_processes > needs.destinations
    want = (total, parts, needs.proxy_processes, remedy)
    return _shared("descriptors-proxy", "proxy", want, machine, is_uneven=is_uneven)


def _origin(needs: Needs, processes: int, machine: Machine) -> Finding:
    total = needs.upstream if needs.proxied else needs.connections
    parts = (
        f"{needs.active} active{_pools(needs)}"
        if needs.proxied
        else f"{needs.held} held + {needs.active} active"
    )
    # Each process listens on every one of them.
    reserve = RESERVE + needs.endpoints - 1
    remedy = f"`origin: {{processes: {_processes_needed(total, machine, reserve)}}}`"
    return _shared(
        "descriptors-origin", "origin", (total, parts, processes, remedy), machine, reserve=reserve
    )


def _pools(needs: Needs) -> str:
    return f" + {needs.pools} kept to the services" if needs.pools else ""


def _shared(
    code: str,
    role: str,
    want: tuple[int, str, int, str],
    machine: Machine,
    *,
    is_uneven: bool = True,
    reserve: int = RESERVE,
) -> Finding:
    """Check connections that several processes of one role share."""
    total, parts, processes, remedy = want
    spread = SPREAD if processes > 1 and is_uneven else 1.0
    each = math.ceil(total * spread / processes) + reserve
    uneven = f" x {SPREAD} (uneven)" if is_uneven else ""
    share = f"{uneven} / {processes} processes" if processes > 1 else ""
    text = f"each {role} process needs {parts}{share} + {reserve} reserved = {each} descriptors"
    if each <= machine.nofile_hard:
        return Finding(code, "ok", f"{text} of {machine.nofile_hard}")
    most = int((machine.nofile_hard - reserve) * processes / spread)
    kernel = f"sysctl -w fs.nr_open={each}, then " if each > machine.nr_open else ""
    raise_it = f"{kernel}raise the hard limit of open files to {each} (`LimitNOFILE=` or `--ulimit nofile=`)"
    text = f"{text}, but its hard limit is {machine.nofile_hard}"
    return Finding(code, "refuse", text, f"{raise_it}; or {remedy}; or plan for {most} connections at most")


def _processes_needed(total: int, machine: Machine, reserve: int = RESERVE) -> int:
    return math.ceil(total * SPREAD / max(1, machine.nofile_hard - reserve))


def _whole_machine(needs: Needs, machine: Machine) -> Finding:
    needed, free = 2 * needs.pairs, machine.file_max - machine.files_open
    text = f"{needs.pairs} pairs of sockets = {needed} open files on the whole machine"
    if needed <= free:
        return Finding("descriptors-machine", "ok", f"{text}; fs.file-max leaves {free}")
    remedy = f"sysctl -w fs.file-max={machine.files_open + needed}"
    return Finding("descriptors-machine", "refuse", f"{text}, but fs.file-max leaves {free}", remedy)
