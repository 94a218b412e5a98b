"""Arrivals of the moments in which the client says that it was on time.

Whether a schedule is kept shows only where the machine lets the client run. So the time is cut into short parts, and
those count in which the document says that no request left late; the server's kernel says when they arrived. A
client that sends in bursts and says that it was on time is found out; one that is late, and says so, is not blamed
for what a hypervisor took.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from benchmarks.arrivals import Times, arrivals, gap_ranks, index_of_dispersion
from benchmarks.evenness import CONNECTIONS, load
from numpy.typing import NDArray

PART_MS = 50
ON_TIME_US = 1_000
"""A bin of the index of dispersion: what is late by less stays in its bin or comes into the next."""
MOST_RUNS = 6
SECONDS_MOST = 4.0
SPARE = 2
"""So much longer than what is needed would take, were all parts on time."""
TAKEN = 0.05
"""From this share of the CPUs on that others take, it is the machine that made a client late in all the runs."""


@dataclass(frozen=True, slots=True)
class Run:
    """One load as its document and its server have it."""

    document: dict[str, Any]
    parts: list[Times]


def taken_of(document: dict[str, Any]) -> float:
    """Return the share of the CPUs that the hypervisor and other programs took."""
    return float(document["machine"]["cpu_steal_fraction"] + document["machine"]["cpu_others_fraction"])


@contextmanager
def unless_taken(taken: Sequence[float]) -> Iterator[None]:
    """Skip what fails within, where others took the CPUs in most of the loads; ``taken`` has the share of each."""
    try:
        yield
    except AssertionError as failed:
        busy = sum(share >= TAKEN for share in taken)
        if 2 * busy <= len(taken):
            raise
        pytest.skip(f"others took {TAKEN:.0%} of the CPUs and more in {busy} of {len(taken)} loads: {failed}")


def parts_on_time(rate_per_s: int, *flags: str, enough: int) -> list[Times]:
    """Load a server until ``enough`` parts were on time, a few times at most; skip where others took the CPUs."""
    parts: list[Times] = []
    taken = []
    seconds = min(SECONDS_MOST, SPARE * enough * PART_MS / 1_000)
    for seed in range(1, MOST_RUNS + 1):
        run = run_once(rate_per_s, seconds, "--seed", str(seed), *flags)
        parts += run.parts
        taken.append(taken_of(run.document))
        if len(parts) >= enough:
            return parts
    with unless_taken(taken):
        raise AssertionError(
            f"{len(parts)} parts of {PART_MS} ms on time in {MOST_RUNS} runs, {enough} are needed"
        )


def run_once(rate_per_s: int, seconds: float, *flags: str) -> Run:
    """Load a server once and return the parts that were on time."""
    with arrivals() as seen:
        document = load(
            seen.url, "-c", str(CONNECTIONS), "-R", str(rate_per_s), "-d", f"{seconds:g}s",
            "--interval", f"{PART_MS}ms", *flags,
        )  # fmt: skip
    times = seen.times()
    assert document["requests"]["sent"] == len(times)
    on_time = [
        step["lateness_us"]["max"] <= ON_TIME_US for step in document["intervals"] if not step["drain"]
    ]
    return Run(document, _parts(times, np.array(on_time)))


def _parts(times: Times, on_time: NDArray[np.bool_]) -> list[Times]:
    # The window begins with the first request, or less than a part's hundredth before it.
    edges = times[0] + np.arange(len(on_time) + 1) * PART_MS * 1_000_000
    bounds = np.searchsorted(times, edges)
    # The first begins with an arrival, which is no random moment.
    return [times[bounds[index] : bounds[index + 1]] for index in np.flatnonzero(on_time) if index]


def dispersions(parts: list[Times]) -> list[float]:
    """Return the index of dispersion of each; the mean of n of 50 Poisson bins has a deviation of 0.2 / sqrt(n)."""
    return [index_of_dispersion(part) for part in parts]


def ranks_of_gaps(parts: list[Times]) -> NDArray[np.float64]:
    """Return the ranks of all gaps within the parts."""
    return np.concatenate([gap_ranks(part, PART_MS * 1_000_000) for part in parts])
