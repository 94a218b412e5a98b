"""Frames of many pods, through logs that break: together they are the load that one process would have measured."""

from __future__ import annotations

import asyncio
import dataclasses
import random
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from tests.support.accounts import account_of
from tests.support.channels import EMPTY_FRAME
from tests.support.pods import Faults, PlayedCluster, job

from seatrial._engine import Histogram
from seatrial._version import __version__
from seatrial.analysis.load.result import LoadResult
from seatrial.analysis.load.summarise import summarise
from seatrial.generator.crew import Crew
from seatrial.generator.frames import Frame
from seatrial.generator.pod_channel import PodChannels
from seatrial.pods.group import Group

SECOND_NS = 1_000_000_000
INTERVALS, START_NS = 5, 7 * SECOND_NS
ACTIVE, HELD = 12, 40
MERGED = (
    "connections", "requests", "answers", "status", "errors", "rate_per_s", "bytes", "latency_us", "service_time_us",
    "lateness_us", "connect_us", "intervals", "routes", "window_s",
)  # fmt: skip
"""What of a result is of the samples, and not of how many processes there were."""

Sample = tuple[int, int, int]
"""Latency, service time and lateness of one request in us."""


def samples_of(seed: int, count: int) -> list[Sample]:
    chosen = random.Random(seed)
    found = []
    for _ in range(count):
        service_us, late_us = int(chosen.lognormvariate(7, 1.5)), int(chosen.expovariate(1 / 80))
        found.append((service_us + late_us, service_us, late_us))
    return found


def encoded(values_us: Iterator[int]) -> str:
    histogram = Histogram()
    for value_us in values_us:
        histogram.record(value_us)
    return histogram.encode() if histogram.count else ""


def frame(worker: int, seq: int, samples: Sequence[Sample], share: int) -> dict[str, Any]:
    """Return the frame of a worker that has an ``share``-th of the connections, with these samples."""
    statuses = Counter("200" if service_us % 50 else "503" for _, service_us, _ in samples)
    part = {
        "phase": "measure", "sent": len(samples), "completed": len(samples), "completed_in_window": len(samples),
        "completed_late": 0, "timed_out": 0, "failed": 0, "unsent": 0, "in_flight": 0, "errors": {},
        "bytes_sent": 100 * len(samples), "bytes_received": 700 * len(samples), "unexpected": {},
        "bytes_received_in_window": 700 * len(samples), "status": dict(statuses),
        "latency": encoded(sample[0] for sample in samples),
        "service_time": encoded(sample[1] for sample in samples),
        "lateness": encoded(sample[2] for sample in samples),
    }  # fmt: skip
    return EMPTY_FRAME | {
        "type": "frame", "worker": worker, "seq": seq, "start_ns": START_NS + seq * SECOND_NS,
        "end_ns": START_NS + (seq + 1) * SECOND_NS, "active": ACTIVE // share, "active_min": ACTIVE // share,
        "held": HELD // share, "held_min": HELD // share, "opened": len(samples) % 7,
        "connect": encoded(iter([100 + len(samples)])), "parts": [part],
    }  # fmt: skip


def told(workers: Sequence[Sequence[Sequence[Sample]]]) -> Iterator[tuple[int, list[dict[str, Any]]]]:
    """Yield what each worker says; ``workers`` are the samples of each by its intervals."""
    for worker, intervals in enumerate(workers):
        frames = [frame(worker, seq, samples, len(workers)) for seq, samples in enumerate(intervals)]
        hello = {
            "type": "hello", "worker": worker, "pid": 1, "driver": "epoll", "timestamps": "kernel",
            "resolution_ns": 250_000, "descriptor_limit": 9, "engine": __version__, "boot_id": f"boot {worker}",
            "monotonic_ns": 5, "realtime_ns": 6,
        }  # fmt: skip
        done = {
            "type": "done", "worker": worker, "measured_ns": INTERVALS * SECOND_NS, "clock_steps": 0, "routes": [],
            "unexpected": [], "pss_bytes": 1_000,
        }  # fmt: skip
        yield worker, [hello, {"type": "ready", "worker": worker}, *frames, done]


async def heard(cluster: PlayedCluster, messages: Mapping[int, list[dict[str, Any]]]) -> list[Frame]:
    """Return the frames of pods that say these messages, as they come through a cluster; no clock is ours."""
    frames: list[Frame] = []
    group = Group(job(len(messages)), cluster)
    await group.start(20.0)
    crew = Crew(
        [{"worker": index, "held": 0, "active": 0} for index in messages],
        PodChannels(group).open,
        frames.append,
    )
    try:
        for index, said in messages.items():
            for message in said:
                cluster.pods[f"load-{index}"].say(**message)
        await crew.start()
        await crew.finished(60.0)
        assert crew.lost == []
    finally:
        await crew.close()
        await group.close()
    return frames


def result_of(workers: Sequence[Sequence[Sequence[Sample]]], cluster: PlayedCluster) -> LoadResult:
    messages = dict(told(workers))
    frames = asyncio.run(heard(cluster, messages))
    # Their clocks began at another time each; what is compared is what they measured.
    shifts = {one.worker: one.start_ns - START_NS for one in frames if one.seq == 0}
    frames = [
        dataclasses.replace(
            one, start_ns=one.start_ns - shifts[one.worker], end_ns=one.end_ns - shifts[one.worker]
        )
        for one in sorted(frames, key=lambda one: (one.worker, one.seq))
    ]
    account = account_of(
        workers=len(workers),
        start_ns=START_NS,
        measured_s=float(INTERVALS),
        asked__active=ACTIVE,
        asked__held=HELD,
    )
    return summarise(account, frames)


def test_four_pods_measure_what_one_process_would_have() -> None:
    by_pod = [[samples_of(10 * pod + seq, 200 + 31 * pod) for seq in range(INTERVALS)] for pod in range(4)]
    together = [[sample for pod in by_pod for sample in pod[seq]] for seq in range(INTERVALS)]
    # Connect times are one each, of how many samples there were: the same for both.
    pods = result_of(by_pod, PlayedCluster(Faults(breaks_after=2, repeats=2, delay_s=0.002)))
    one = result_of([together], PlayedCluster())
    raw_us = sorted(sample[0] for interval in together for sample in interval)
    assert pods.requests.sent == one.requests.sent == len(raw_us)
    for name in MERGED:
        if name not in {"connections", "connect_us"}:
            assert getattr(pods, name) == getattr(one, name), name
    assert pods.connections.active == one.connections.active
    assert pods.connections.held == one.connections.held
    # The samples themselves are the judge: three digits of the exact percentile.
    assert pods.latency_us is not None
    for quantile, found_us in ((0.5, pods.latency_us.p50), (0.99, pods.latency_us.p99)):
        exact_us = raw_us[min(len(raw_us) - 1, int(quantile * len(raw_us)))]
        assert abs(found_us - exact_us) <= 0.002 * exact_us + 1


def test_two_hundred_pods_are_heard_to_their_ends() -> None:
    pods = 200
    samples = [samples_of(seq, 20) for seq in range(INTERVALS)]
    cluster = PlayedCluster(Faults(breaks_after=4, repeats=3))
    many = result_of([samples] * pods, cluster)
    assert cluster.breaks >= pods
    assert many.requests.sent == pods * 20 * INTERVALS
    assert many.latency_us.count == many.requests.sent
    exact_us = sorted(sample[0] for interval in samples for sample in interval)
    # A hundred samples, each two hundred times: the middle is between two of them.
    assert exact_us[48] * 0.998 <= many.latency_us.p50 <= exact_us[51] * 1.002
