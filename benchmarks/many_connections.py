"""What many connections cost: 10,000 requests/s over 15,000 connections beside 100, CPU per request:
`python -m benchmarks.many_connections`."""

from __future__ import annotations

import argparse
import asyncio
import statistics
import sys

from benchmarks.bars import Bar, print_bars, spread
from benchmarks.programs import load
from benchmarks.server import nginx

COUNTS = (100, 15_000)
MOST_RATIO = 1.5


def main() -> None:
    """Measure both in turns and compare the medians."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.many_connections", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    few, many = asyncio.run(_measure(parser.parse_args().rounds))
    print("CPU us per request at 10,000 requests/s, nginx on core 0, generator on core 1")
    print(f"  {COUNTS[0]:>6,} connections  {spread(few)}\n  {COUNTS[1]:>6,} connections  {spread(many)}")
    ratio = statistics.median(many) / statistics.median(few)
    print_bars(Bar("CPU per request over 15,000 connections to over 100", ratio, "at most", MOST_RATIO, "x"))


async def _measure(rounds: int) -> tuple[list[float], list[float]]:
    costs: tuple[list[float], list[float]] = ([], [])
    async with nginx(core=0) as url:
        for number in range(rounds):
            sys.stderr.write(f"round {number + 1} of {rounds}\n")
            for count, seen in zip(COUNTS, costs, strict=True):
                seen.append(await asyncio.to_thread(_cost_us, url, count))
    return costs


def _cost_us(url: str, connections: int) -> float:
    flags = (
        "-t",
        "1",
        "-c",
        str(connections),
        "--connect-rate",
        "5k",
        "-R",
        "10k",
        "-d",
        "4s",
        "--warmup",
        "2s",
    )
    document = load(url, *flags, core=1)
    if document["requests"]["completed"] != document["requests"]["intended"]:
        raise RuntimeError(f"requests were left unanswered: {document['requests']}")
    return float(document["generator"]["cpu_us_per_request"])


if __name__ == "__main__":
    main()
