"""What a thousand worker pods cost whoever hears them: `python -m benchmarks.many_workers`.

What the workers say is the engine's own, simulated, and comes through the same client as that of a cluster: a stream of
lines for each over HTTP, and a websocket to each (`pod_logs.py` is the other end, in a process of its own). Every frame
goes into a record. Only TLS is not in it.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import resource
import subprocess
import sys
import time
from collections import Counter
from collections.abc import AsyncGenerator, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from benchmarks.bars import Bar, print_bars
from benchmarks.pod_logs import pod_object
from seatrial.cluster.client import Client
from seatrial.cluster.connection.credentials import Credentials
from seatrial.cluster.connection.session import Session
from seatrial.cluster.owned import Owned
from seatrial.generator.crew import Crew
from seatrial.generator.frames import Frame
from seatrial.generator.pod_channel import PodChannels
from seatrial.machine.processes.changes import Unrecorded
from seatrial.pods.group import Group, Seen
from seatrial.pods.job import PodJob
from seatrial.pods.on_cluster import OneNamespace
from seatrial.record.events import FrameRecorded
from seatrial.record.writer import RunWriter

MOST_CORES = 1.0
MOST_BYTES = 500_000_000
COMPILED = json.dumps(
    {"schema": "seatrial.plan/1", "plan": {"name": "many-workers", "systems": []}, "cases": []}
)


def main() -> None:
    """Hear them, and print CPU and memory of the hearing."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.many_workers", description=__doc__)
    parser.add_argument("--workers", type=int, default=1_000)
    parser.add_argument("--rate", type=int, default=200, help="requests of each worker in a second")
    parser.add_argument("--seconds", type=int, default=60)
    arguments = parser.parse_args()
    with (
        logs_of(arguments.workers, arguments.rate, arguments.seconds) as url,
        TemporaryDirectory(prefix="seatrial-bench-") as scratch,
        RunWriter.create(Path(scratch), "many-workers", "name: many-workers\n", COMPILED) as record,
    ):
        began_s, before_s = time.monotonic(), time.process_time()
        sums = asyncio.run(heard(url, arguments.workers, record))
        took_s, cpu_s = time.monotonic() - began_s, time.process_time() - before_s
    wanted = arguments.workers * arguments.rate * arguments.seconds
    if sums["sent"] != wanted:
        raise RuntimeError(f"{sums['sent']:,} requests were counted, of {wanted:,}")
    peak_bytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    print(
        f"{sums['frames']:,} frames of {arguments.workers:,} workers in {took_s:.1f} s, {sums['sent']:,} requests"
    )
    print_bars(
        # Of the time that the load took by its own clock: on a busy machine hearing it takes longer.
        Bar("CPU of hearing them", cpu_s / arguments.seconds, "at most", MOST_CORES, " cores", 2),
        Bar("memory, at most", peak_bytes / 1e6, "at most", MOST_BYTES / 1e6, " MB", 0),
    )


@contextmanager
def logs_of(*numbers: int) -> Iterator[str]:
    """Have the other end meanwhile, and yield its URL."""
    command = [sys.executable, "-m", "benchmarks.pod_logs", *map(str, numbers)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        try:
            assert server.stdout is not None
            yield f"http://127.0.0.1:{int(server.stdout.readline())}"
        finally:
            server.kill()


class RunningAtOnce(OneNamespace):
    """A cluster whose pods run as soon as they are asked for; their streams are real."""

    async def create(self, manifest: Mapping[str, Any]) -> None:
        """Make nothing."""
        self._count = manifest["spec"]["completions"]

    async def watch(self, _: str) -> AsyncGenerator[Seen]:
        """Yield each as running."""
        for index in range(self._count):
            yield Seen(pod_object(index))
        await asyncio.Event().wait()

    async def delete(self, manifest: Mapping[str, Any]) -> None:
        """Delete nothing."""


async def heard(url: str, workers: int, record: RunWriter) -> Counter[str]:
    """Hear every worker to its end; return what was counted."""
    sums: Counter[str] = Counter()

    def take(frame: Frame) -> None:
        record.append(FrameRecorded(1, frame))
        sums["frames"] += 1
        sums["sent"] += sum(part.sent for part in frame.parts)

    async def load() -> Credentials:
        return Credentials(url)

    async with Client(Session(Credentials(url), load), {"server": url}) as client:
        cluster = RunningAtOnce(client, "bench", Owned(client, "bench", Unrecorded()))
        group = Group(PodJob("load", "bench", "worker", "none", workers, 3_600.0), cluster)
        await group.start(60.0)
        specs = [{"worker": index, "held": 100, "active": 10} for index in range(workers)]
        crew = Crew(specs, PodChannels(group).open, take)
        try:
            await crew.start()
            await crew.finished(600.0)
            if crew.lost:
                raise RuntimeError(crew.lost[0])
        finally:
            await crew.close()
            await group.close()
    return sums


if __name__ == "__main__":
    main()
