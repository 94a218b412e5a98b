"""Requests per second and CPU time per request beside wrk and h2load: `python -m benchmarks.speed`."""

from __future__ import annotations

import argparse
import asyncio
import statistics
import sys
from collections.abc import Sequence

from benchmarks.bars import Bar, print_bars, spread
from benchmarks.generators import CLOSED, H2LOAD, OPEN_20K, OPEN_20K_FINE, WRK, Generator, Outcome
from benchmarks.server import BODY_BYTES, nginx

GENERATORS = (WRK, H2LOAD, CLOSED, OPEN_20K, OPEN_20K_FINE)

Outcomes = dict[str, list[Outcome]]


def main() -> None:
    """Run the rounds and print the table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.speed", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=4, help="whole ones: wrk reads no others")
    arguments = parser.parse_args()
    outcomes = asyncio.run(_measure(arguments.rounds, arguments.seconds))
    print(f"nginx, {BODY_BYTES} B, core 0; generators one at a time on core 1, 100 connections, 1 thread;")
    print(f"medians of {arguments.rounds} rounds of {arguments.seconds} s (least to greatest)\n")
    _print_table(outcomes)
    print_bars(*_bars(outcomes))


async def _measure(rounds: int, seconds: int) -> Outcomes:
    """Run every generator once a round, so that a slow minute of the machine falls on all of them."""
    outcomes: Outcomes = {generator.name: [] for generator in GENERATORS}
    async with nginx(core=0) as url:
        for number in range(rounds):
            for generator in GENERATORS:
                sys.stderr.write(f"round {number + 1} of {rounds}: {generator.name}\n")
                outcomes[generator.name].append(await _run(generator, url, seconds))
    return outcomes


async def _run(generator: Generator, url: str, seconds: float) -> Outcome:
    return await asyncio.to_thread(generator.run, url, seconds, 1)


def _print_table(outcomes: Outcomes) -> None:
    columns = (
        "requests/s",
        "to wrk",
        "CPU us/request",
        "to wrk",
        "p50 us",
        "service p50",
        "late p99",
        "p99.9",
    )
    print(
        f"{'':34}{columns[0]:>26}{columns[1]:>7}{columns[2]:>18}" + "".join(f"{c:>12}" for c in columns[3:])
    )
    wrk = outcomes[WRK.name]
    for name, seen in outcomes.items():
        latencies = ("p50_us", "service_p50_us", "lateness_p99_us", "lateness_p999_us")
        print(
            f"{name:34}{spread(_values(seen, 'requests_per_s'), ',.0f'):>26}{_ratio(seen, wrk, 'requests_per_s'):>7.2f}"
            f"{spread(_values(seen, 'cpu_us_per_request')):>18}{_ratio(seen, wrk, 'cpu_us_per_request'):>12.2f}"
            + "".join(f"{_median(seen, field):>12.0f}" for field in latencies)
        )


def _bars(outcomes: Outcomes) -> tuple[Bar, ...]:
    wrk, closed, paced, fine = (
        outcomes[generator.name] for generator in (WRK, CLOSED, OPEN_20K, OPEN_20K_FINE)
    )
    beyond_fine_us = _median(paced, "service_p50_us") - _median(fine, "service_p50_us")
    return (
        Bar("closed loop, requests/s to wrk's", _ratio(closed, wrk, "requests_per_s"), "at least", 1.0, "x"),
        Bar(
            "closed loop, CPU per request to wrk's",
            _ratio(closed, wrk, "cpu_us_per_request"),
            "at most",
            0.85,
            "x",
        ),
        Bar("20k/s, CPU per request to wrk's", _ratio(paced, wrk, "cpu_us_per_request"), "at most", 1.3, "x"),
        Bar("20k/s, p50 from the intended time", _median(paced, "p50_us"), "at most", 150, " us", 0),
        Bar("20k/s, service p50 beyond the fine one", beyond_fine_us, "at most", 20, " us", 0),
        Bar("20k/s fine, p50 from the intended time", _median(fine, "p50_us"), "at most", 100, " us", 0),
        Bar("20k/s fine, lateness p99", _median(fine, "lateness_p99_us"), "at most", 100, " us", 0),
        Bar("20k/s fine, lateness p99.9", _median(fine, "lateness_p999_us"), "at most", 1000, " us", 0),
    )


def _ratio(seen: Sequence[Outcome], other: Sequence[Outcome], field: str) -> float:
    return _median(seen, field) / _median(other, field)


def _values(outcomes: Sequence[Outcome], field: str) -> list[float]:
    return [value for outcome in outcomes if (value := getattr(outcome, field)) is not None]


def _median(outcomes: Sequence[Outcome], field: str) -> float:
    return statistics.median(_values(outcomes, field) or [float("nan")])


if __name__ == "__main__":
    main()
