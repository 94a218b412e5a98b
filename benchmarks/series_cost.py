"""What the time series costs, as the workers count it themselves: the share of their CPU time that goes into making and
sending frames, every second and every 100 ms: `python -m benchmarks.series_cost`.

CPU per request moves by several percent from one load to the next, so a comparison of loads could not show one percent.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import sys

from benchmarks.bars import Bar, print_bars, spread
from benchmarks.programs import load
from benchmarks.server import nginx

PACES = {"closed loop": ("--closed",), "20,000/s": ("-R", "20k")}
INTERVALS = ("1s", "100ms")
MOST_SHARE_PERCENT = 1.0


def main() -> None:
    """Measure every pace and interval in turns."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.series_cost", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    shares = asyncio.run(_measure(parser.parse_args().rounds))
    print("% of the worker's CPU time that its frames take, 100 connections")
    bars = []
    for what, seen in shares.items():
        print(f"  {what:>30}  {spread(seen, '.2f')}")
        bars.append(Bar(what, statistics.median(seen), "at most", MOST_SHARE_PERCENT, " %"))
    print_bars(*bars)


async def _measure(rounds: int) -> dict[str, list[float]]:
    shares: dict[str, list[float]] = {}
    async with nginx(core=0) as url:
        for number in range(rounds):
            sys.stderr.write(f"round {number + 1} of {rounds}\n")
            for pace, flags in PACES.items():
                for interval in INTERVALS:
                    seen = shares.setdefault(f"{pace}, frames every {interval}", [])
                    seen.append(await asyncio.to_thread(_share_percent, url, interval, flags))
    return shares


def _share_percent(url: str, interval: str, pace: tuple[str, ...]) -> float:
    common = ("-t", "1", "-c", "100", "-d", "4s", "--warmup", "500ms", "--interval", interval)
    generator = load(url, *common, *pace, core=1)["generator"]
    return 100 * float(generator["cpu_frames_s"]) / float(generator["cpu_user_s"] + generator["cpu_system_s"])


if __name__ == "__main__":
    main()
