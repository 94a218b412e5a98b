"""A worker that stood still makes a load INVALID, wherever in its loop it was stopped, in closed loop, too."""

from __future__ import annotations

import os
import signal
import time

import pytest
from benchmarks.arrivals import arrivals
from tests.support.program import Running, running_origin, wait_until

from seatrial.errors import ExitCode
from seatrial.machine import proc

STOPPED_S = 0.6
"""A loop that waits for events looks at the clock after a tenth of a second, so 0.5 s of it are seen at least."""

UNDER_WAY_TICKS = 20
"""A worker that has taken so much CPU has long begun to send."""


def worker_of(running: Running) -> int:
    """Return the process of the load's one worker, once it is there."""
    found: list[int] = []

    def is_there() -> bool:
        found[:] = [pid for pid in running.left() if "worker" in proc.command_line(pid)]
        return len(found) == 1

    assert wait_until(is_there, 20.0), running.left()
    return found[0]


def has_worked(pid: int) -> bool:
    stat = proc.stat(pid)
    assert stat is not None
    return stat.user_ticks + stat.system_ticks >= UNDER_WAY_TICKS


@pytest.mark.parametrize(
    "flags",
    [
        ("--closed",),
        ("--closed", "--resolution", "fine"),
        ("--closed", "--driver", "io_uring"),
        ("-R", "20k"),
    ],
    ids=["closed", "closed, fine", "closed, io_uring", "open"],
)
def test_a_worker_that_was_stopped_makes_the_load_invalid(flags: tuple[str, ...]) -> None:
    with (
        running_origin() as origin,
        Running("load", origin.url, "-q", "--json", "-", "-t1", "-c30", "-d4s", *flags) as running,
    ):
        worker = worker_of(running)
        assert wait_until(lambda: has_worked(worker), 20.0)
        os.kill(worker, signal.SIGSTOP)
        try:
            time.sleep(STOPPED_S)
        finally:
            os.kill(worker, signal.SIGCONT)
        outcome = running.wait(60.0)
    assert outcome.code == ExitCode.INVALID_MEASUREMENT
    assert "generator.stalled" in {reason["code"] for reason in outcome.document["validity"]["reasons"]}
    assert outcome.document["generator"]["stall_us_max"] >= (STOPPED_S - 0.1) * 1e6


@pytest.mark.parametrize("driver", ["epoll", "io_uring"])
def test_short_stops_are_the_lateness_of_every_request_that_was_due_meanwhile(driver: str) -> None:
    """Each is shorter than what is called a stall; the ten connections are enough for 10 of 80 requests."""
    flags = ("-t1", "-c10", "-R1000", "-d4s", "--driver", driver)
    with arrivals() as seen, Running("load", seen.url, "-q", "--json", "-", *flags) as running:
        assert wait_until(lambda: len(seen.at_ns) >= 200, 20.0)
        worker = worker_of(running)
        for _ in range(3):
            os.kill(worker, signal.SIGSTOP)
            try:
                time.sleep(0.08)
            finally:
                os.kill(worker, signal.SIGCONT)
            time.sleep(0.2)
        outcome = running.wait(60.0)
    document = outcome.document
    assert "generator.late" in {reason["code"] for reason in document["validity"]["reasons"]}
    # What is left of a stop beside that is what the system took to answer those that had waited.
    latency, lateness = document["latency_us"], document["lateness_us"]
    for quantile in ("p99", "p999"):
        assert latency[quantile] >= 40_000
        assert lateness[quantile] >= 0.8 * latency[quantile]
