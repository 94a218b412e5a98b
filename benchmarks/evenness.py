"""How even a constant rate is where it arrives: variance over mean of the arrivals in each millisecond.

Uniform arrivals have an index of dispersion of 0, Poisson ones of 1; generators with millisecond timers reach 10 and
more. The server's kernel stamps each arrival. Run it as ``python -m benchmarks.evenness``.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from benchmarks.arrivals import Times, arrivals, index_of_dispersion

SEATRIAL = str(Path(sys.executable).with_name("seatrial"))
RATES_PER_S = (5_000, 10_000, 20_000)
UNIFORM_LIMIT = 0.2
POISSON_RANGE = (0.9, 1.1)
CONNECTIONS = 200


def main() -> None:
    """Measure uniform and Poisson arrivals on the default grid and without one, and print a row for each."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.evenness", description=__doc__)
    parser.add_argument("--seconds", type=int, default=10)
    parser.add_argument("--workers", type=int, default=1)
    arguments = parser.parse_args()
    print(
        f"index of dispersion in 1 ms, {arguments.seconds} s, {arguments.workers} worker(s), by the server's kernel"
    )
    print(f"{'requests/s':>10} {'arrival':8} {'resolution':10} {'index':>7}  bar")
    for rate_per_s in RATES_PER_S:
        for arrival in ("uniform", "poisson"):
            for resolution in ("auto", "fine"):
                times = measure(
                    rate_per_s, arrival, resolution, seconds=arguments.seconds, workers=arguments.workers
                )
                index = index_of_dispersion(times)
                print(
                    f"{rate_per_s:>10,} {arrival:8} {resolution:10} {index:>7.3f}  {verdict(arrival, index)}"
                )


def verdict(arrival: str, index: float) -> str:
    """Say whether the bar is met."""
    if arrival == "uniform":
        return f"< {UNIFORM_LIMIT}: {'met' if index < UNIFORM_LIMIT else 'MISSED'}"
    low, high = POISSON_RANGE
    return f"{low} to {high}: {'met' if low <= index <= high else 'MISSED'}"


def measure(
    rate_per_s: int, arrival: str, resolution: str, *, seconds: int = 4, workers: int = 1, seed: int = 1
) -> Times:
    """Run one load and return when its requests arrived, in nanoseconds."""
    with arrivals() as seen:
        document = load(
            seen.url, "-t", str(workers), "-c", str(CONNECTIONS), "-R", str(rate_per_s), "-d", f"{seconds}s",
            "--arrival", arrival, "--resolution", resolution, "--seed", str(seed),
        )  # fmt: skip
    if document["requests"]["sent"] != len(seen.at_ns):
        raise RuntimeError(f"{document['requests']['sent']} requests were sent, {len(seen.at_ns)} arrived")
    return seen.times()


def load(url: str, *flags: str) -> dict[str, Any]:
    """Run ``seatrial load`` to its end and return its document."""
    ended = subprocess.run(
        [SEATRIAL, "load", url, "-q", "--json", "-", *flags],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    if not ended.stdout:
        raise RuntimeError(ended.stderr)
    document: dict[str, Any] = json.loads(ended.stdout)
    return document


if __name__ == "__main__":
    main()
