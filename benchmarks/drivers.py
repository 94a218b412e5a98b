"""`python -m benchmarks.drivers`: the io_uring driver beside the epoll one and wrk, in alternated rounds."""

from __future__ import annotations

import argparse
import asyncio
import json
import shutil
import statistics
import sys

from benchmarks.generators import WRK, Generator, Outcome, _load, _seatrial
from benchmarks.server import nginx

DRIVERS = ("epoll", "io_uring")
PACES = {
    "--closed": ("--closed",),
    "-R 20k": ("-R", "20k"),
    "-R 20k fine": ("-R", "20k", "--resolution", "fine"),
}
FIELDS = ("requests_per_s", "cpu_us_per_request", "p50_us", "service_p50_us", "lateness_p99_us")


def main() -> None:
    """Run the rounds and print the table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.drivers", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=3, help="whole ones: wrk reads no others")
    arguments = parser.parse_args()
    if shutil.which("wrk") is None:
        sys.exit("error: wrk not found\nhint: apt-get install wrk")
    generators = (WRK, *(_over(driver, pace) for pace in PACES for driver in DRIVERS))
    outcomes = asyncio.run(_measure(generators, arguments.rounds, arguments.seconds))
    _print(outcomes)


def _over(driver: str, pace: str) -> Generator:
    def read(output: str, cpu_s: float, seconds: float) -> Outcome:
        document = json.loads(output)
        if document["driver"] != driver:
            sys.exit(f"error: no figures of {driver}: {document['driver_fallback']}")
        return _seatrial(output, cpu_s, seconds)

    return Generator(f"{pace}, {driver}", _load(*PACES[pace], "--driver", driver), read)


async def _measure(
    generators: tuple[Generator, ...], rounds: int, seconds: float
) -> dict[str, list[Outcome]]:
    outcomes: dict[str, list[Outcome]] = {generator.name: [] for generator in generators}
    async with nginx(core=0) as url:
        for number in range(rounds):
            # Neither driver always goes first.
            for generator in generators if number % 2 == 0 else reversed(generators):
                sys.stderr.write(f"round {number + 1} of {rounds}: {generator.name}\n")
                outcomes[generator.name].append(await asyncio.to_thread(generator.run, url, seconds, 1))
    return outcomes


def _print(outcomes: dict[str, list[Outcome]]) -> None:
    print(
        f"{'medians':24}{'requests/s':>12}{'CPU us':>8}{'p50 us':>8}{'service':>9}{'late p99':>10}{'CPU/epoll':>11}"
    )
    for name, seen in outcomes.items():
        rate, cpu, p50, service, late = (_median(seen, field) for field in FIELDS)
        epoll = outcomes.get(name.replace("io_uring", "epoll"), seen)
        # Of each round, because the machine differs between rounds.
        ratio = statistics.median(
            one.cpu_us_per_request / other.cpu_us_per_request for one, other in zip(seen, epoll, strict=True)
        )
        print(f"{name:24}{rate:>12,.0f}{cpu:>8.2f}{p50:>8.0f}{service:>9.0f}{late:>10.0f}{ratio:>11.2f}")


def _median(outcomes: list[Outcome], field: str) -> float:
    found = [value for outcome in outcomes if (value := getattr(outcome, field)) is not None]
    return statistics.median(found) if found else float("nan")


if __name__ == "__main__":
    main()
