"""`make bench`: rounds of every generator, one after another, and the medians as ratios to wrk's."""

from __future__ import annotations

import argparse
import asyncio
import shutil
import statistics
import sys
from collections.abc import Sequence

from benchmarks.generators import CLOSED, H2LOAD, OPEN_20K, OPEN_20K_FINE, WRK, Generator, Outcome
from benchmarks.server import BODY_BYTES, nginx

GENERATORS = (WRK, H2LOAD, CLOSED, OPEN_20K, OPEN_20K_FINE)
DEBIAN_PACKAGES = {"wrk": "wrk", "h2load": "nghttp2-client"}
TARGET_CPU_RATIO = 1.3


def main() -> None:
    """Run the rounds and print the table."""
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=4, help="whole ones: wrk reads no others")
    arguments = parser.parse_args()
    missing = [name for name in DEBIAN_PACKAGES if shutil.which(name) is None]
    if missing:
        packages = " ".join(DEBIAN_PACKAGES[name] for name in missing)
        sys.exit(f"error: {', '.join(missing)} not found\nhint: apt-get install {packages}")
    outcomes = asyncio.run(_measure(arguments.rounds, arguments.seconds))
    _print(outcomes, arguments.rounds, arguments.seconds)


async def _measure(rounds: int, seconds: float) -> dict[str, list[Outcome]]:
    """Run every generator once a round, so that a slow minute of the machine falls on all of them."""
    outcomes: dict[str, list[Outcome]] = {generator.name: [] for generator in GENERATORS}
    async with nginx(core=0) as url:
        for number in range(rounds):
            for generator in GENERATORS:
                sys.stderr.write(f"round {number + 1} of {rounds}: {generator.name}\n")
                outcomes[generator.name].append(await _run(generator, url, seconds))
    return outcomes


async def _run(generator: Generator, url: str, seconds: float) -> Outcome:
    return await asyncio.to_thread(generator.run, url, seconds, 1)


def _print(outcomes: dict[str, list[Outcome]], rounds: int, seconds: float) -> None:
    print(f"nginx, {BODY_BYTES} B, core 0; generators one at a time on core 1, 100 connections, 1 thread;")
    print(f"medians of {rounds} rounds of {seconds:g} s, (least to greatest), ratios to wrk's median\n")
    print(
        f"{'':34}{'requests/s':>22}{'ratio':>7}{'CPU us/request':>24}{'ratio':>7}{'p50 us':>8}{'late p99':>10}"
    )
    wrk_rate, wrk_cpu = (
        _median(outcomes["wrk"], "requests_per_s"),
        _median(outcomes["wrk"], "cpu_us_per_request"),
    )
    for name, seen in outcomes.items():
        rate, cpu = _median(seen, "requests_per_s"), _median(seen, "cpu_us_per_request")
        p50, late = _median(seen, "p50_us"), _median(seen, "lateness_p99_us")
        print(
            f"{name:34}{_spread(seen, 'requests_per_s', ',.0f'):>22}{rate / wrk_rate:>7.2f}"
            f"{_spread(seen, 'cpu_us_per_request', '.1f'):>24}{cpu / wrk_cpu:>7.2f}{p50:>8.0f}{late:>10.0f}"
        )
    ratio = _median(outcomes[CLOSED.name], "cpu_us_per_request") / wrk_cpu
    word = "met" if ratio <= TARGET_CPU_RATIO else "MISSED"
    print(f"\ntarget, closed loop: at most {TARGET_CPU_RATIO}x wrk's CPU per request: {ratio:.2f}x, {word}")


def _values(outcomes: Sequence[Outcome], field: str) -> list[float]:
    return [value for outcome in outcomes if (value := getattr(outcome, field)) is not None]


def _median(outcomes: Sequence[Outcome], field: str) -> float:
    return statistics.median(_values(outcomes, field) or [float("nan")])


def _spread(outcomes: Sequence[Outcome], field: str, form: str) -> str:
    values = _values(outcomes, field)
    return f"{statistics.median(values):{form}} ({min(values):{form}}-{max(values):{form}})"


if __name__ == "__main__":
    main()
