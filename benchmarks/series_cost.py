"""What the time series costs: CPU per request with frames every second, and every 100 ms, beside next to none:
`python -m benchmarks.series_cost`.

CPU per request moves by more than a percent from run to run, so loads that follow each other are compared, and the
median of their ratios is taken.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import sys

from benchmarks.bars import Bar, print_bars, spread
from benchmarks.programs import load
from benchmarks.server import nginx

INTERVALS = ("10s", "1s", "100ms")
MOST_SHARE_PERCENT = 1.0
SECONDS = 4


def main() -> None:
    """Measure the intervals in turns."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.series_cost", description=__doc__)
    parser.add_argument("--rounds", type=int, default=9)
    costs = asyncio.run(_measure(parser.parse_args().rounds))
    print("CPU us per request at 20,000 requests/s, 100 connections, by the interval of the frames")
    for interval, seen in costs.items():
        print(f"  {interval:>6}  {spread(seen, '.2f')}")
    # Neighbours in time saw the same machine: the median of their ratios is steadier than a ratio of medians.
    bars = []
    for interval in INTERVALS[1:]:
        ratios = [mine / without for mine, without in zip(costs[interval], costs[INTERVALS[0]], strict=True)]
        percent = (statistics.median(ratios) - 1) * 100
        bars.append(Bar(f"frames every {interval}", percent, "at most", MOST_SHARE_PERCENT, " %"))
    print_bars(*bars)


async def _measure(rounds: int) -> dict[str, list[float]]:
    costs: dict[str, list[float]] = {interval: [] for interval in INTERVALS}
    async with nginx(core=0) as url:
        for number in range(rounds):
            sys.stderr.write(f"round {number + 1} of {rounds}\n")
            for interval in INTERVALS:
                costs[interval].append(await asyncio.to_thread(_cost_us, url, interval))
    return costs


def _cost_us(url: str, interval: str) -> float:
    flags = (
        "-t",
        "1",
        "-c",
        "100",
        "-R",
        "20k",
        "-d",
        f"{SECONDS}s",
        "--warmup",
        "500ms",
        "--interval",
        interval,
    )
    return float(load(url, *flags, core=1)["generator"]["cpu_us_per_request"])


if __name__ == "__main__":
    main()
