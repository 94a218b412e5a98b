"""Opening connections, beside a bare connect() loop: `python -m benchmarks.opening`.

Both open the same number of idle connections to our own origin, in turns, each time from a source address that nothing
has used yet. Percentiles is timed by the worker itself: from its start until the last connection is established.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import subprocess
import sys
from pathlib import Path
from urllib.parse import urlsplit

from benchmarks.bars import Bar, print_bars, spread
from benchmarks.programs import origin
from seatrial.generator.frames import Frame
from seatrial.run.load import LoadHooks, run_load
from seatrial.workload.spec import LoadSpec, Target

CONNECTIONS = 15_000
LOOP = Path("target/release/examples/connect_loop")
LEAST_RATIO = 0.95
NO_LIMIT_PER_S = 1e6


def main() -> None:
    """Open in turns and compare the medians."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.opening", description=__doc__)
    parser.add_argument("--rounds", type=int, default=15)
    arguments = parser.parse_args()
    build = [
        "cargo",
        "build",
        "--release",
        "--quiet",
        "--package",
        "seatrial-net",
        "--example",
        "connect_loop",
    ]
    subprocess.run(build, check=True)
    bare, ours = [], []
    for number in range(arguments.rounds):
        sys.stderr.write(f"round {number + 1} of {arguments.rounds}\n")
        with origin() as url:
            bare.append(bare_rate_per_s(url, f"127.1.{number}.1"))
        with origin() as url:
            ours.append(asyncio.run(rate_per_s(url, f"127.1.{number}.2")))
    print(f"{CONNECTIONS:,} connections, both ends on this machine, connections opened per second")
    print(f"  bare connect() loop  {spread(bare, ',.0f')}\n  seatrial load --hold {spread(ours, ',.0f')}")
    ratio = statistics.median(ours) / statistics.median(bare)
    print_bars(Bar("opening connections, to a bare connect() loop", ratio, "at least", LEAST_RATIO, "x"))


def bare_rate_per_s(url: str, source: str) -> float:
    """Return how many connections the bare loop opens in a second."""
    command = [str(LOOP), urlsplit(url).netloc, source, str(CONNECTIONS)]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True, input="")
    return float(ended.stdout)


async def rate_per_s(url: str, source: str) -> float:
    """Return how many connections one of our workers opens in a second."""
    frames: list[Frame] = []
    parts = urlsplit(url)
    target = Target(parts.hostname or "", parts.port or 0)
    load = LoadSpec(
        targets=(target,), active=0, held=CONNECTIONS, connect_rate_per_s=NO_LIMIT_PER_S, sources=(source,),
        profile=(), loop="closed", measure_s=0.1, workers=1, interval_s=60,
    )  # fmt: skip
    await run_load(load, LoadHooks(on_frame=frames.append))
    # Nothing but being complete ends the first frame before its interval is over.
    first = frames[0]
    if first.held != CONNECTIONS:
        raise RuntimeError(f"only {first.held} connections were open in the end")
    return CONNECTIONS / ((first.end_ns - first.start_ns) / 1e9)


if __name__ == "__main__":
    main()
