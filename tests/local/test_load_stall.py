"""A server that stands still for a while: are the latencies those that a client on the schedule would have seen?

The formula. A server answers C requests a second, one after another; they come evenly at R < C for W seconds. It is
stopped for S seconds. A request that was to leave t seconds after the stop finds R t others before it, of which the
server answers C a second from the moment that it goes on. It is answered at S + R t / C and was to leave at t, so its
latency is

    L(t) = S + R t / C - t = S - t (1 - R/C),

which falls evenly until the backlog is gone at t = S / (1 - R/C). Latencies above x belong to the requests of
t < (S - x) / (1 - R/C), which is the fraction (S - x) / ((1 - R/C) W) of all. Where that fraction is 1 - q, x is the
quantile q:

    quantile(q) = S - (1 - q) W (1 - R/C).

A generator that waits for answers before it sends on (coordinated omission; Gil Tene, "How NOT to Measure Latency")
sees one slow answer per connection instead, and one that fills in samples after the fact sees a wrong maximum.
"""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass

import pytest
from tests.support.attempts import attempt
from tests.support.load_contract import assert_counts_add_up, assert_driver
from tests.support.program import running_origin, wait_until

from seatrial._engine import Histogram
from seatrial.analysis.load.histograms import merged
from seatrial.machine import proc
from seatrial.run.load import LoadHooks, LoadRun, run_load
from seatrial.workload.profile import constant
from seatrial.workload.spec import DriverChoice, LoadSpec, Target

CAPACITY_PER_S = 2000
RATE_PER_S = 1000
MEASURE_S = 7.0
"""Long enough that more than half of the requests are not touched by a stall, whose backlog takes as long again."""
RELATIVE_ERROR = 0.01
MAXIMUM_SLACK_S = 0.05
QUANTILES = (0.87, 0.88, 0.9, 0.92, 0.94, 0.96, 0.98, 0.99, 0.995, 0.998, 0.999, 0.9995, 0.9999)


@dataclass(frozen=True, slots=True)
class Stall:
    """A run in which the server stood still; seconds, by the monotonic clock of both."""

    run: LoadRun
    stalled_s: float

    @property
    def histogram(self) -> Histogram:
        return merged(self.run.frames, "latency")

    def expected_s(self, quantile: float) -> float:
        idle_part = 1 - RATE_PER_S / CAPACITY_PER_S
        return self.stalled_s - (1 - quantile) * self.run.load.measure_s * idle_part


def stall(spec: Callable[[Target], LoadSpec], after_s: float, for_s: float) -> Stall:
    """Run a load against a server that stops ``after_s`` into the measure window and goes on ``for_s`` later."""
    with running_origin("--capacity", str(CAPACITY_PER_S)) as origin:
        host, _, port = origin.url.removeprefix("http://").removesuffix("/").partition(":")
        try:
            return asyncio.run(_stall(spec(Target(host, int(port))), origin.pid, after_s, for_s))
        finally:
            os.kill(origin.pid, signal.SIGCONT)


async def _stall(load: LoadSpec, pid: int, after_s: float, for_s: float) -> Stall:
    hooks = LoadHooks()
    stalled: list[asyncio.Task[float]] = []

    def on_phase(phase: str, at_ns: int, expected_s: float | None) -> None:
        if phase == "measure":
            stalled.append(asyncio.create_task(asyncio.to_thread(_stop, pid, at_ns / 1e9 + after_s, for_s)))

    hooks.on_phase = on_phase
    run = await run_load(load, hooks)
    return Stall(run, await stalled[0])


def _stop(pid: int, at_s: float, for_s: float) -> float:
    """Stop the process at a moment, for a while; return how long it really stood still."""
    time.sleep(max(0.0, at_s - time.monotonic()))
    os.kill(pid, signal.SIGSTOP)
    assert wait_until(lambda: _state(pid) == "T", 1.0, 0.0002)
    stopped_s = time.monotonic()
    time.sleep(for_s)
    os.kill(pid, signal.SIGCONT)
    return time.monotonic() - stopped_s


def _state(pid: int) -> str:
    found = proc.stat(pid)
    assert found is not None
    return found.state


@pytest.mark.slow
@pytest.mark.parametrize(
    ("stalled_s", "workers", "driver"), [(1.5, 1, "epoll"), (1.6, 2, "epoll"), (1.5, 1, "io_uring")]
)
def test_quantiles_of_a_stall_are_those_of_the_schedule(
    stalled_s: float, workers: int, driver: DriverChoice
) -> None:
    def spec(target: Target) -> LoadSpec:
        return LoadSpec(
            targets=(target,),
            profile=constant(RATE_PER_S),
            active=100 * workers,
            workers=workers,
            driver=driver,
            measure_s=MEASURE_S,
            timeout_s=6.0,
            drain_s=6.0,
        )

    def check() -> None:
        seen = stall(spec, after_s=1.0, for_s=stalled_s)
        assert_driver(seen.run.result().to_json(), driver)
        assert_the_formula_holds(seen)

    attempt(check)


def assert_the_formula_holds(seen: Stall) -> None:
    document = seen.run.result().to_json()
    assert_counts_add_up(document)
    requests = document["requests"]
    assert requests["intended"] == requests["completed"] == MEASURE_S * RATE_PER_S
    assert document["errors"] == {}
    reported = document["latency_us"]
    from_document = {
        0.9: reported["p90"],
        0.99: reported["p99"],
        0.999: reported["p999"],
        0.9999: reported["p9999"],
    }
    histogram = seen.histogram
    checked = 0
    for quantile, us in [*((q, histogram.quantile_us(q)) for q in QUANTILES), *from_document.items()]:
        expected_s = seen.expected_s(quantile)
        if expected_s > seen.stalled_s / 2:
            assert us / 1e6 == pytest.approx(expected_s, rel=RELATIVE_ERROR), f"quantile {quantile}"
            checked += 1
    assert checked > len(QUANTILES) // 2
    assert reported["max"] / 1e6 <= seen.stalled_s + MAXIMUM_SLACK_S
    # Nothing is made up: whoever was not in the stall's way waited no longer for it.
    assert reported["p50"] / 1e6 < seen.stalled_s / 10


def test_a_stall_longer_than_the_timeout_stays_in_the_percentiles() -> None:
    """Requests that were given up count with what they had waited, so the tail cannot look better than it was."""

    def spec(target: Target) -> LoadSpec:
        return LoadSpec(
            targets=(target,),
            profile=constant(RATE_PER_S),
            active=100,
            measure_s=5.0,
            timeout_s=1.0,
            drain_s=2.0,
        )

    seen = stall(spec, after_s=1.0, for_s=2.0)
    document = seen.run.result().to_json()
    assert_counts_add_up(document)
    assert document["requests"]["intended"] == 5 * RATE_PER_S
    # Each of the connections had one request under way when the server stopped, and one more after the timeout.
    assert document["requests"]["timed_out"] >= 100
    assert document["errors"]["timeout"] == document["requests"]["timed_out"]
    assert document["latency_us"]["p99"] >= 1_000_000
    assert document["latency_us"]["max"] >= 1_900_000


def test_a_server_that_never_comes_back_is_seen_at_its_age() -> None:
    """What is unanswered or unsent at the end has the latency that it had reached: it is not left out."""

    def spec(target: Target) -> LoadSpec:
        return LoadSpec(
            targets=(target,),
            profile=constant(RATE_PER_S),
            active=100,
            measure_s=3.0,
            timeout_s=20.0,
            drain_s=1.0,
        )

    seen = stall(spec, after_s=2.5, for_s=2.0)
    document = seen.run.result().to_json()
    assert_counts_add_up(document)
    requests = document["requests"]
    assert requests["intended"] == 3 * RATE_PER_S
    assert requests["in_flight"] == 100
    # Half a second of the schedule fell into the silence; a hundred of it found a connection.
    assert 300 <= requests["unsent"] <= 500
    assert document["latency_us"]["max"] >= 1_400_000
    assert document["latency_us"]["p99"] >= 1_300_000
