"""Speed of the built-in origin beside nginx: requests per second of the server's CPU time.

Both answer with the same 600 bytes from memory, one worker each, on core 0. wrk asks them in turns from core 1. Run it
as ``python -m benchmarks.origin_speed``. Method and caveats are in BENCHMARKING.md.
"""

from __future__ import annotations

import argparse
import asyncio
import shutil
import statistics
import sys
from collections.abc import Sequence

from benchmarks.generators import WRK
from benchmarks.server import BODY_BYTES, Server, own_origin, serving
from seatrial.systems.origins.nginx import NginxOrigin

TARGET_RATIO = 1.2
SERVER_CORE, GENERATOR_CORE = 0, 1
WARM_UP_S = 1.0


def main() -> None:
    """Run the rounds and print both servers' medians and their ratio."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.origin_speed", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=3, help="whole ones: wrk reads no others")
    arguments = parser.parse_args()
    if shutil.which("wrk") is None:
        sys.exit("error: wrk not found\nhint: apt-get install wrk")
    nginx, own = asyncio.run(_measure(arguments.rounds, arguments.seconds))
    print(
        f"wrk -t1 -c100 on core {GENERATOR_CORE}, {BODY_BYTES} B, one server at a time on core {SERVER_CORE};"
    )
    print(f"requests per CPU-second of the server, {arguments.rounds} rounds of {arguments.seconds} s\n")
    _print("nginx, 1 worker", nginx)
    _print("seatrial origin", own)
    rounds = [ours / theirs for ours, theirs in zip(own, nginx, strict=True)]
    print(
        f"{'ratio, by round':20}{statistics.median(rounds):>12.2f}  ({min(rounds):.2f} to {max(rounds):.2f})"
    )
    ratio = statistics.median(own) / statistics.median(nginx)
    word = "met" if ratio >= TARGET_RATIO else "MISSED"
    print(f"\ntarget: at least {TARGET_RATIO}x nginx's requests per CPU-second: {ratio:.2f}x, {word}")


async def _measure(rounds: int, seconds: float) -> tuple[list[float], list[float]]:
    """Let the servers take turns, so that a slow minute of the machine falls on both."""
    nginx: list[float] = []
    own: list[float] = []
    async with (
        serving(NginxOrigin(BODY_BYTES, 200, 1), SERVER_CORE) as nginx_server,
        serving(own_origin(), SERVER_CORE) as own_server,
    ):
        turns = ((nginx_server, nginx), (own_server, own))
        for server, _ in turns:
            await _requests_per_cpu_s(server, WARM_UP_S)
        for number in range(rounds):
            sys.stderr.write(f"round {number + 1} of {rounds}\n")
            for server, figures in turns:
                figures.append(await _requests_per_cpu_s(server, seconds))
    return nginx, own


async def _requests_per_cpu_s(server: Server, seconds: float) -> float:
    before_s = server.cpu_s()
    outcome = await asyncio.to_thread(WRK.run, server.url, seconds, GENERATOR_CORE)
    return outcome.requests_per_s * seconds / (server.cpu_s() - before_s)


def _print(name: str, figures: Sequence[float]) -> None:
    print(f"{name:20}{statistics.median(figures):>12,.0f}  ({min(figures):,.0f} to {max(figures):,.0f})")


if __name__ == "__main__":
    main()
