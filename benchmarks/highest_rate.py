"""The highest open-loop rate of one worker whose lateness p99 is at most 1 ms, beside wrk's closed-loop rate:
`python -m benchmarks.highest_rate`.

Each round measures wrk and then bisects between half of wrk's rate and a fifth above it.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import sys

from benchmarks.bars import Bar, print_bars, spread
from benchmarks.generators import CONNECTIONS, WRK
from benchmarks.programs import load
from benchmarks.server import nginx

MOST_LATENESS_US = 1_000
LEAST_RATIO = 0.9
STEPS = 6
SECONDS = 2


def main() -> None:
    """Search a few times and compare the medians."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.highest_rate", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    wrk, ours = asyncio.run(_measure(parser.parse_args().rounds))
    print("requests per second, nginx on core 0, generator on core 1, 100 connections")
    print(f"  wrk, closed loop                        {spread(wrk, ',.0f')}")
    print(f"  seatrial, lateness p99 of at most 1 ms  {spread(ours, ',.0f')}")
    ratio = statistics.median(ours) / statistics.median(wrk)
    print_bars(Bar("highest open-loop rate, to wrk's closed loop", ratio, "at least", LEAST_RATIO, "x"))


async def _measure(rounds: int) -> tuple[list[float], list[float]]:
    wrk, ours = [], []
    async with nginx(core=0) as url:
        for number in range(rounds):
            sys.stderr.write(f"round {number + 1} of {rounds}\n")
            outcome = await asyncio.to_thread(WRK.run, url, SECONDS, 1)
            wrk.append(outcome.requests_per_s)
            ours.append(await asyncio.to_thread(search, url, wrk[-1]))
    return wrk, ours


def search(url: str, wrk_per_s: float) -> float:
    """Return the highest rate per second that was kept."""
    low, high = wrk_per_s * 0.5, wrk_per_s * 1.2
    best = 0.0
    for _ in range(STEPS):
        rate = (low + high) / 2
        if keeps(url, rate):
            low = best = rate
        else:
            high = rate
    return best


def keeps(url: str, rate_per_s: float) -> bool:
    """Whether one worker sends at this rate on time, and gets its answers."""
    flags = (
        "-t",
        "1",
        "-c",
        str(CONNECTIONS),
        "-R",
        f"{rate_per_s:.0f}",
        "-d",
        f"{SECONDS}s",
        "--warmup",
        "500ms",
    )
    document = load(url, *flags, core=1)
    is_on_time = document["lateness_us"]["p99"] <= MOST_LATENESS_US
    # A system that is too slow shows in the achieved rate, and is not the generator's lateness.
    return is_on_time and bool(document["rate_per_s"]["achieved"] >= 0.99 * rate_per_s)


if __name__ == "__main__":
    main()
