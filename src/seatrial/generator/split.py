"""Splitting one load over worker processes.

No process is trusted to hold every connection: each gets what its descriptor limit allows. The schedule is split by
phase: carrier i of n takes every n-th slot of one global schedule, so the whole stays even without any talk between
workers. Connections are shared as evenly as whole numbers allow.
"""

from __future__ import annotations

import dataclasses
import ipaddress
import math
from typing import Any

from seatrial.errors import EnvironmentFault
from seatrial.generator.series import written
from seatrial.machine.settings import DEFAULT_PORTS
from seatrial.preflight.descriptors import MAX_WORKERS_HERE, WORKER_RESERVE
from seatrial.preflight.ports import REUSED_AFTER_S, automatic_sources_needed
from seatrial.workload.profile import Stretch
from seatrial.workload.spec import HoldTraffic, LoadSpec

RESERVED_DESCRIPTORS = WORKER_RESERVE - 2
"""What a worker needs beside its connections; preflight counts alike."""

WORKER_LIMIT = MAX_WORKERS_HERE
"""More processes than this on one machine are a mistake in the plan."""

CONNECTING_LIMIT = 4_096
"""Connection attempts of all workers that may be under way at a time: what a listen queue takes at most by default
(net.core.somaxconn). Where each takes 100 ms, over a long way, that is 40,000 a second still."""
CONNECTING_LEAST = 16
"""What each worker may have under way, however many they are."""

AUTO_FINEST_S = 250e-6
AUTO_WIDEST_S = 500e-6
AUTO_REQUESTS_PER_STEP = 10
AUTO_NAP_S = 60e-6


def split(load: LoadSpec, descriptor_limit: int, ports: int = DEFAULT_PORTS) -> tuple[dict[str, Any], ...]:
    """Return one engine spec for each worker; ``ports`` is how many one source address has.

    Raises
    ------
    EnvironmentFault
        The descriptor limit is too low for the connections asked for.
    """
    count = worker_count(load, descriptor_limit)
    carriers = max(1, min(count, load.active))
    common = _common(load, carriers, ports)
    return tuple(
        common
        | {
            "worker": index,
            "workers": carriers if index < carriers else count,
            "active": _share(load.active, index, carriers) if index < carriers else 0,
            "held": _share(load.held, index, count),
            "first_active": _before(load.active, min(index, carriers), carriers),
            "first_held": _before(load.held, index, count),
            "connect_rate_per_s": load.connect_rate_per_s / count,
            "connecting_limit": max(CONNECTING_LEAST, CONNECTING_LIMIT // count),
        }
        for index in range(count)
    )


def worker_count(load: LoadSpec, descriptor_limit: int) -> int:
    """Return how many processes the load needs, or what it asks for where that is more."""
    # The shares of carriers and holders differ by one connection of each kind at most.
    room = descriptor_limit - RESERVED_DESCRIPTORS - 2
    connections = load.held + load.active
    if room <= 0 or math.ceil(connections / room) > WORKER_LIMIT:
        raise EnvironmentFault(
            f"{connections:,} connections need more than {WORKER_LIMIT:,} worker processes",
            cause=f"a process here may have {descriptor_limit:,} descriptors",
            next_step="raise the hard limit (ulimit -Hn, or LimitNOFILE of the service) or plan fewer connections",
        )
    return max(load.workers or 1, math.ceil(connections / room))


def _share(total: int, index: int, parts: int) -> int:
    return total // parts + (1 if index < total % parts else 0)


def _before(total: int, index: int, parts: int) -> int:
    """Return how much the shares before this one come to."""
    return total // parts * index + min(index, total % parts)


def resolution_s(load: LoadSpec, carriers: int) -> float:
    """Return the grid in seconds, 0 for none: what the load asks for, or the one that suits the rate of a worker.

    One wake-up costs as much CPU as several requests, so a step serves up to ``AUTO_REQUESTS_PER_STEP`` of them; wider
    steps than ``AUTO_WIDEST_S`` would show in the latency from the intended time, finer ones than ``AUTO_FINEST_S``
    save nothing.

    A closed loop has no grid. There it is how long a worker may nap before it looks for answers, where naps cost no
    throughput (``napping.rs``).
    """
    if load.resolution_s is not None:
        return load.resolution_s
    if load.loop == "closed":
        return AUTO_NAP_S
    rate_per_s = (load.peak_rate_per_s or 1.0) / carriers
    return min(AUTO_WIDEST_S, max(AUTO_FINEST_S, AUTO_REQUESTS_PER_STEP / rate_per_s))


def _common(load: LoadSpec, carriers: int, ports: int) -> dict[str, Any]:
    return {
        "targets": [str(target) for target in load.targets],
        "sources": list(load.sources or automatic_sources(load, ports)),
        "requests": written(load.requests),
        "expect": dataclasses.asdict(load.expect) if load.expect is not None else None,
        "route_histograms": load.route_latencies,
        "tls": load.tls.engine_spec() if load.tls else None,
        "loop": load.loop,
        "arrival": load.arrival,
        "profile": _profile(load),
        "reuse": load.reuse,
        "requests_per_connection": load.requests_per_connection or 0,
        "lifetime_ns": _ns(load.lifetime_s or 0.0),
        "hold": _hold(load.hold),
        "spin": load.spin,
        "driver": "epoll" if load.driver == "epoll" else "io_uring",
        "seed": load.seed,
        "resolution_ns": _ns(resolution_s(load, carriers)),
        "timeout_ns": _ns(load.timeout_s),
        "warmup_ns": _ns(load.warmup_s),
        "measure_ns": _ns(load.measure_s),
        "drain_ns": _ns(load.drain_s),
        "interval_ns": _ns(load.interval_s),
    }


def _profile(load: LoadSpec) -> list[dict[str, Any]]:
    if not load.profile:
        return []
    first = load.profile[0].from_per_s
    warmup = [Stretch(load.warmup_s, first, first)] if load.warmup_s else []
    return [
        {"length_ns": _ns(part.length_s), "from_per_s": part.from_per_s, "to_per_s": part.to_per_s}
        for part in (*warmup, *load.profile)
    ]


def _hold(hold: HoldTraffic) -> dict[str, Any]:
    if hold.kind == "silent":
        return {"kind": "silent"}
    paced = {"kind": hold.kind, "every_ns": _ns(hold.every_s)}
    return paced | {"bytes": hold.bytes} if hold.kind == "slow_read" else paced


def sources_needed(load: LoadSpec, ports: int = DEFAULT_PORTS) -> int:
    """Return how many addresses its connections have to leave from, for each to have one of so many ports."""
    closed = math.ceil(load.reopened_per_s * REUSED_AFTER_S)
    return automatic_sources_needed(load.held + load.active + closed, len(load.targets), ports)


def automatic_sources(load: LoadSpec, ports: int = DEFAULT_PORTS) -> tuple[str, ...]:
    """Return enough loopback addresses for the connections; elsewhere the machine's own address has to do.

    Every address of 127.0.0.0/8 is this machine's, so more of them cost nothing.
    """
    needed = sources_needed(load, ports)
    hosts = [ipaddress.ip_address(target.host) for target in load.targets]
    if needed <= 1 or not all(host.version == 4 and host.is_loopback for host in hosts):
        return ()
    first = ipaddress.IPv4Address("127.0.0.2")
    return tuple(str(first + offset) for offset in range(needed))


def _ns(seconds: float) -> int:
    return round(seconds * 1e9)
