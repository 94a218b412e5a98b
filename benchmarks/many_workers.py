"""What a thousand worker pods cost whoever hears them: `python -m benchmarks.many_workers`.

The workers are the engine's own, simulated (`crates/load/examples/simulated_workers.rs`): what each says is what it
would have said to this machine. Their lines come through channels as pods' do, at the times at which they would come,
and go into a record. Reading them off the network is not in it: that is a thousand streams of 4 KB in a second.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import resource
import subprocess
import time
from collections import Counter
from collections.abc import AsyncGenerator, Iterator, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory, TemporaryFile
from typing import Any

from benchmarks.bars import Bar, print_bars
from seatrial._version import __version__
from seatrial.generator.crew import Crew
from seatrial.generator.frames import Frame
from seatrial.generator.pod_channel import PodWorkers
from seatrial.pods.group import Group, Seen
from seatrial.pods.job import CONTAINER, PodJob
from seatrial.record.events import FrameRecorded
from seatrial.record.writer import RunWriter

MOST_CORES = 1.0
MOST_BYTES = 500_000_000
COMPILED = json.dumps(
    {"schema": "seatrial.plan/1", "plan": {"name": "many-workers", "systems": []}, "cases": []}
)


class Simulated:
    """A cluster whose pods say what simulated workers said, each line when it was said."""

    def __init__(self, workers: int, rate_per_s: int, seconds: int) -> None:
        self.streams = self
        self._workers = workers
        program = (
            "cargo",
            "run",
            "--quiet",
            "--release",
            "-p",
            "seatrial-load",
            "--example",
            "simulated_workers",
        )
        numbers = (str(workers), str(rate_per_s), str(seconds), "100")
        self._said = TemporaryFile("w+b")  # noqa: SIM115 (it is read as long as this is there)
        subprocess.run([*program, "--", *numbers], stdout=self._said, check=True)
        self._places = _places(self._said.fileno())
        self._began_ns = time.monotonic_ns()

    async def create(self, manifest: Mapping[str, Any]) -> None:
        """Make the pods, which is nothing."""

    async def delete(self, manifest: Mapping[str, Any]) -> None:
        """Delete them."""

    async def watch(self, _: str) -> AsyncGenerator[Seen]:
        """Yield each as running."""
        for index in range(self._workers):
            yield Seen(_pod(index))
        await asyncio.Event().wait()

    def way(self, _: str) -> Simulated:
        """Return a way to it."""
        return self

    async def send(self, line: str) -> None:
        """Take what is sent; a simulated worker has heard it long ago."""

    async def close(self) -> None:
        """Let go of it."""

    async def log(self, pod: str) -> AsyncGenerator[str]:
        """Yield its lines, each at its time."""
        index = int(pod.rpartition("-")[2])
        yield json.dumps({"line": 0, **_hello(index, self._began_ns)})
        for line in self._lines(index):
            message = json.loads(line)
            message["line"] += 1
            for name in ("start_ns", "end_ns", "at_ns", "heard_ns"):
                if name in message:
                    message[name] += self._began_ns
            at_ns = message.get("end_ns", 0)
            await asyncio.sleep(max(0.0, (at_ns - time.monotonic_ns()) / 1e9))
            yield json.dumps(message)

    def _lines(self, index: int) -> Iterator[bytes]:
        for start, end in self._places[index]:
            self._said.seek(start)
            yield self._said.read(end - start)


def main() -> None:
    """Hear them, and print CPU and memory of the hearing."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.many_workers", description=__doc__)
    parser.add_argument("--workers", type=int, default=1_000)
    parser.add_argument("--rate", type=int, default=200, help="requests of each worker in a second")
    parser.add_argument("--seconds", type=int, default=30)
    arguments = parser.parse_args()
    cluster = Simulated(arguments.workers, arguments.rate, arguments.seconds)
    before = resource.getrusage(resource.RUSAGE_SELF)
    began_s = time.monotonic()
    with (
        TemporaryDirectory(prefix="seatrial-bench-") as scratch,
        RunWriter.create(Path(scratch), "many-workers", "name: many-workers\n", COMPILED) as record,
    ):
        sums = asyncio.run(heard(cluster, arguments.workers, record))
    took_s, after = time.monotonic() - began_s, resource.getrusage(resource.RUSAGE_SELF)
    cpu_s = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    wanted = arguments.workers * arguments.rate * arguments.seconds
    if sums["sent"] != wanted:
        raise RuntimeError(f"{sums['sent']:,} requests were counted, of {wanted:,}")
    print(
        f"{sums['frames']:,} frames of {arguments.workers:,} workers in {took_s:.1f} s, {sums['sent']:,} requests"
    )
    print_bars(
        Bar("CPU of hearing them", cpu_s / took_s, "at most", MOST_CORES, " cores", 2),
        Bar("memory, at most", after.ru_maxrss * 1024 / 1e6, "at most", MOST_BYTES / 1e6, " MB", 0),
    )


async def heard(cluster: Simulated, workers: int, record: RunWriter) -> Counter[str]:
    """Hear every worker to its end; return what was counted."""
    sums: Counter[str] = Counter()

    def take(frame: Frame) -> None:
        record.append(FrameRecorded(1, frame))
        sums["frames"] += 1
        sums["sent"] += sum(part.sent for part in frame.parts)

    group = Group(PodJob("load", "bench", "worker", "none", workers, 3_600.0), cluster)
    await group.start(60.0)
    specs = [{"worker": index, "held": 100, "active": 10} for index in range(workers)]
    crew = Crew(specs, PodWorkers(group).open, take)
    try:
        await crew.start()
        await crew.finished(600.0)
        if crew.lost:
            raise RuntimeError(crew.lost[0])
    finally:
        await crew.close()
        await group.close()
    return sums


def _places(said: int) -> dict[int, list[tuple[int, int]]]:
    """Return where the lines of each worker are: a thousand of them in memory would be what is measured."""
    places: dict[int, list[tuple[int, int]]] = {}
    index = -1
    with Path(f"/proc/self/fd/{said}").open("rb") as lines:
        end = 0
        for line in lines:
            start, end = end, end + len(line)
            index += line.startswith(b'{"line":0,')
            places.setdefault(index, []).append((start, end))
    return places


def _pod(index: int) -> dict[str, Any]:
    container = {"name": CONTAINER, "state": {"running": {}}, "restartCount": 0}
    label = {"batch.kubernetes.io/job-completion-index": str(index)}
    return {
        "metadata": {"name": f"load-{index}", "uid": str(index), "labels": label},
        "spec": {"nodeName": f"node-{index % 40}"},
        "status": {"phase": "Running", "containerStatuses": [container]},
    }


def _hello(index: int, monotonic_ns: int) -> dict[str, Any]:
    return {
        "type": "hello", "worker": index, "pid": 1, "driver": "epoll", "timestamps": "kernel", "resolution_ns": 0,
        "descriptor_limit": 20_000, "engine": __version__, "boot_id": f"node {index % 40}",
        "monotonic_ns": monotonic_ns, "realtime_ns": 0,
    }  # fmt: skip


if __name__ == "__main__":
    main()
