"""Memory: the kernel's sockets, the proxy's connections, ours."""

from __future__ import annotations

from typing import TYPE_CHECKING

from seatrial.preflight.descriptors import workers_needed
from seatrial.preflight.findings import Finding
from seatrial.units import format_size

if TYPE_CHECKING:
    from collections.abc import Iterator

    from seatrial.machine.facts import Machine
    from seatrial.preflight.findings import Severity
    from seatrial.preflight.needs import Needs

# Both ends of an idle connection over loopback: 9.54 kB of slab, measured over 1,000,000 of them on Linux 6.18.
KERNEL_BYTES_PER_PAIR = 9_600
# The design's bound for a worker's own state of an idle plaintext connection.
WORKER_BYTES_PER_CONNECTION = 256
# The same with a TLS 1.3 session, as benchmarks/memory.py measures it.
WORKER_BYTES_PER_TLS_CONNECTION = 4_500
# A process of ours or the proxy's before its first connection.
PROCESS_BYTES = 40_000_000
# Beyond this share of what is free, the page cache and everything else on the machine begin to suffer.
CAUTION = 0.8
# Each direction of a busy connection may hold a whole body in the kernel's buffers, up to tcp_wmem's default maximum.
MAX_BUFFER_BYTES = 4 << 20
# What a head takes at most, beside what a plan adds to it.
HEAD_BYTES = 1024


def check_memory(needs: Needs, machine: Machine) -> Iterator[Finding]:
    """Yield whether the connections fit into memory, and their buffers into TCP's."""
    yield _whole(needs, machine)
    yield _buffers(needs, machine)


def memory_needed_bytes(needs: Needs, machine: Machine) -> int:
    """Return the memory that the load takes on a machine that holds both ends and the proxy between them."""
    processes = (
        workers_needed(needs.connections, machine) + (needs.origin_processes or 0) + needs.proxy_processes
    )
    kernel = needs.pairs * KERNEL_BYTES_PER_PAIR
    user = needs.connections * _bytes_per_connection(needs)
    return kernel + user + processes * PROCESS_BYTES


def message_bytes(needs: Needs) -> int:
    """Return the largest request or response with its head, as far as one buffer of the kernel holds it."""
    return min(needs.body_bytes + HEAD_BYTES, MAX_BUFFER_BYTES)


def tcp_memory_needed(needs: Needs) -> tuple[int, str]:
    """Return how many bytes wait in the kernel where every active connection is full, and the arithmetic."""
    pairs = needs.active * (2 if needs.proxied else 1)
    needed = 2 * pairs * message_bytes(needs)
    return needed, f"2 x {pairs} active pairs x one body in a buffer = {_rounded(needed)} of TCP memory"


def _bytes_per_connection(needs: Needs) -> int:
    ours = WORKER_BYTES_PER_TLS_CONNECTION if needs.tls else WORKER_BYTES_PER_CONNECTION
    return ours + needs.proxy_bytes_per_connection


def _whole(needs: Needs, machine: Machine) -> Finding:
    needed, free = memory_needed_bytes(needs, machine), machine.memory_available_bytes
    each = _bytes_per_connection(needs)
    text = (
        f"{needs.pairs} pairs of sockets x {KERNEL_BYTES_PER_PAIR} B + {needs.connections} connections x {each} B "
        f"(proxy and worker) + processes = {_rounded(needed)} of {_rounded(free)} available"
    )
    remedy = "hold fewer connections, or use a machine (or a memory limit) with more"
    severity: Severity = "refuse" if needed > free else "warn" if needed > CAUTION * free else "ok"
    return Finding("memory", severity, text, "" if severity == "ok" else remedy)


def _buffers(needs: Needs, machine: Machine) -> Finding:
    needed, text = tcp_memory_needed(needs)
    pressure = machine.tcp_mem_pages[1] * machine.page_bytes
    if not pressure:
        # It is of the whole machine, and shown in its first network namespace only.
        return Finding("tcp-memory", "ok", f"{text}; when pressure begins is not known here")
    if needed > pressure:
        remedy = "fewer `active` connections, a smaller body, or a higher net.ipv4.tcp_mem"
        return Finding("tcp-memory", "warn", f"{text}, but pressure begins at {_rounded(pressure)}", remedy)
    return Finding("tcp-memory", "ok", f"{text}; pressure begins at {_rounded(pressure)}")


def _rounded(size_bytes: int) -> str:
    """Print megabytes, or kilobytes of what is small: an estimate is not known to the byte."""
    return format_size(round(size_bytes, -6 if size_bytes >= 10_000_000 else -3))
