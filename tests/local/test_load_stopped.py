"""A worker that stood still makes a load INVALID, wherever in its loop it was stopped, in closed loop, too."""

from __future__ import annotations

import os
import signal
import time

import pytest
from tests.support.program import Running, running_origin, wait_until

from seatrial.errors import ExitCode
from seatrial.systems import proc

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
