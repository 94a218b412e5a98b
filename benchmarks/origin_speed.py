"""Speed of the built-in origin beside nginx: requests per second of the server's CPU time.

Both answer with the same 600 bytes from memory, one worker each, on core 0. Two generators ask them in turns from core
1: our own, which keeps either of them busy, and wrk, for which the origin has to wait. Run it as
``python -m benchmarks.origin_speed``. Method and caveats are in BENCHMARKING.md.
"""

from __future__ import annotations

import argparse
import asyncio
import shutil
import statistics
import sys
from dataclasses import dataclass

from benchmarks.bars import Bar, print_bars, spread
from benchmarks.generators import CLOSED_WITHOUT_NAPS, WRK, Generator
from benchmarks.server import BODY_BYTES, Server, own_origin, serving
from seatrial.systems.origins.nginx import NginxOrigin

LEAST_RATIO = 1.2
SERVER_CORE, GENERATOR_CORE = 0, 1
WARM_UP_S = 1.0
GENERATORS = (CLOSED_WITHOUT_NAPS, WRK)
NGINX, OWN = "nginx, 1 worker", "seatrial origin"


@dataclass(frozen=True, slots=True)
class Run:
    """Requests per second of the server's CPU time, and the share of the time that the server was busy."""

    requests_per_cpu_s: float
    busy: float


Runs = dict[tuple[Generator, str], list[Run]]


def main() -> None:
    """Run the rounds and print both servers' medians and their ratio."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.origin_speed", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=3, help="whole ones: wrk reads no others")
    arguments = parser.parse_args()
    if shutil.which("wrk") is None:
        sys.exit("error: wrk not found\nhint: apt-get install wrk")
    runs = asyncio.run(_measure(arguments.rounds, arguments.seconds))
    print(
        f"100 connections from core {GENERATOR_CORE}, {BODY_BYTES} B, one server at a time on core {SERVER_CORE};"
    )
    print(f"requests per CPU-second of the server, {arguments.rounds} rounds of {arguments.seconds} s")
    ratios = {generator: _print(generator, runs) for generator in GENERATORS}
    print_bars(
        Bar(
            "origin, requests per CPU-second to nginx's",
            ratios[CLOSED_WITHOUT_NAPS],
            "at least",
            LEAST_RATIO,
            "x",
        )
    )


async def _measure(rounds: int, seconds: float) -> Runs:
    """Let the servers take turns, so that a slow minute of the machine falls on both."""
    runs: Runs = {(generator, name): [] for generator in GENERATORS for name in (NGINX, OWN)}
    async with (
        serving(NginxOrigin(BODY_BYTES, 200, 1), SERVER_CORE) as nginx,
        serving(own_origin(), SERVER_CORE) as own,
    ):
        servers = {NGINX: nginx, OWN: own}
        for server in servers.values():
            await _run(WRK, server, WARM_UP_S)
        for number in range(rounds):
            sys.stderr.write(f"round {number + 1} of {rounds}\n")
            for generator, name in runs:
                runs[generator, name].append(await _run(generator, servers[name], seconds))
    return runs


async def _run(generator: Generator, server: Server, seconds: float) -> Run:
    before_s = server.cpu_s()
    outcome = await asyncio.to_thread(generator.run, server.url, seconds, GENERATOR_CORE)
    used_s = server.cpu_s() - before_s
    return Run(outcome.requests_per_s * seconds / used_s, used_s / seconds)


def _print(generator: Generator, runs: Runs) -> float:
    """Print what one generator saw and return the ratio of the medians."""
    print(f"\n{generator.name}")
    medians = []
    for name in (NGINX, OWN):
        figures = [run.requests_per_cpu_s for run in runs[generator, name]]
        busy = statistics.median(run.busy for run in runs[generator, name])
        medians.append(statistics.median(figures))
        print(f"  {name:20}{spread(figures, ',.0f')}, busy {busy:.0%} of the time")
    theirs, ours = (runs[generator, name] for name in (NGINX, OWN))
    by_round = [
        own.requests_per_cpu_s / nginx.requests_per_cpu_s for nginx, own in zip(theirs, ours, strict=True)
    ]
    print(f"  {'ratio':20}{medians[1] / medians[0]:.2f}; by round {spread(by_round, '.2f')}")
    return medians[1] / medians[0]


if __name__ == "__main__":
    main()
