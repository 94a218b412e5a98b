"""A real load whose workers see different servers, against what the servers logged: pitfall 10."""

from __future__ import annotations

import asyncio
import random
import socket
import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial

import numpy as np
from tests.support import hostile
from tests.support.attempts import attempt

from seatrial.analysis.load.histograms import merged
from seatrial.generator.channel import LocalChannel
from seatrial.generator.crew import Crew
from seatrial.generator.drive import Drive
from seatrial.generator.frames import Frame
from seatrial.generator.split import split
from seatrial.workload.profile import constant
from seatrial.workload.spec import LoadSpec, Target

SLACK_S = 0.004
"""What lies between a server's clock and the client's: two wake-ups on a busy machine."""


def served(log: list[float], shortest_s: float) -> Callable[[socket.socket], None]:
    """Answer after a random time between ``shortest_s`` and three times that, and log how long it really was."""

    def behave(connection: socket.socket) -> None:
        with suppress(OSError):
            while connection.recv(65536):
                began_s = time.monotonic()
                time.sleep(random.uniform(shortest_s, 3 * shortest_s))
                log.append(time.monotonic() - began_s)
                connection.sendall(hostile.ANSWER)

    return behave


def test_percentiles_of_workers_of_which_one_is_ten_times_slower_are_those_of_all_samples() -> None:
    counts: list[tuple[int, int]] = []
    attempt(partial(assert_percentiles_are_of_all_samples, counts))
    assert set(counts) == {(400, 400)}


def assert_percentiles_are_of_all_samples(counts: list[tuple[int, int]]) -> None:
    fast_s: list[float] = []
    slow_s: list[float] = []
    with hostile.serving(served(fast_s, 0.004)) as fast, hostile.serving(served(slow_s, 0.04)) as slow:
        frames = asyncio.run(run_on(target_of(fast), target_of(slow)))
    found = merged(frames, "service_time")
    # The engine's samples are what the servers logged, all of them, and a little more each.
    raw_us = np.array(fast_s + slow_s) * 1e6
    counts.append((found.count, len(raw_us)))
    # Not the median: half of the samples are fast, so it lies on the edge of a gap.
    for quantile in (0.25, 0.75, 0.9, 0.99):
        truth_us = float(np.quantile(raw_us, quantile, method="inverted_cdf"))
        assert truth_us * 0.999 <= found.quantile_us(quantile) <= truth_us * 1.1 + SLACK_S * 1e6, quantile
    averaged_us = np.mean([np.quantile(np.array(log) * 1e6, 0.99) for log in (fast_s, slow_s)])
    assert found.quantile_us(0.99) > 1.5 * averaged_us


async def run_on(*targets: Target) -> list[Frame]:
    """Drive one load with a worker for each target."""
    load = LoadSpec(targets=targets, active=40, profile=constant(200), measure_s=2.0, workers=len(targets))
    specs = [
        spec | {"targets": [str(target)]} for spec, target in zip(split(load, 4096), targets, strict=True)
    ]
    frames: list[Frame] = []
    crew = Crew(specs, LocalChannel.open, frames.append)
    try:
        await crew.start()
        drive = Drive(load, crew)
        assert await drive.ramp()
        drive.go(time.monotonic_ns() + drive.notice_ns)
        await drive.finish(asyncio.Event(), asyncio.Event())
    finally:
        await crew.close()
    return frames


def target_of(url: str) -> Target:
    host, _, port = url.removeprefix("http://").removesuffix("/").partition(":")
    return Target(host, int(port))
