"""A cluster that is played: its pods are programs of this machine or of the test, its streams break as they are to."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from seatrial import _boot
from seatrial.pods.group import Seen
from seatrial.pods.job import CONTAINER, PodJob

MOMENTS = ("monotonic_ns", "at_ns", "heard_ns", "start_ns", "end_ns")


def job(count: int, role: Any = "worker", **changes: Any) -> PodJob:
    return PodJob(f"load-{role}", "test", role, "seatrial:test", count, 60.0, **changes)


def pod_object(
    index: int, *, name: str = "", uid: str = "", status: Any = None, **metadata: Any
) -> dict[str, Any]:
    """Return a pod of a Job as the API has it, running unless another status is given."""
    running = {"name": CONTAINER, "state": {"running": {}}, "restartCount": 0, "ready": True}
    return {
        "metadata": {
            "name": name or f"load-{index}", "namespace": "test", "uid": uid or f"uid-{index}",
            "labels": {"batch.kubernetes.io/job-completion-index": str(index)}, **metadata,
        },
        "spec": {"nodeName": f"node-{index % 2}"},
        "status": status or {"phase": "Running", "podIP": f"127.0.0.{index + 1}", "containerStatuses": [running]},
    }  # fmt: skip


def ended_status(**terminated: Any) -> dict[str, Any]:
    state = {"name": CONTAINER, "state": {"terminated": terminated}, "restartCount": 0}
    return {"phase": "Failed", "containerStatuses": [state]}


@dataclass
class Faults:
    """How a log is read: after how many lines it breaks, how many come again then, and which never come."""

    breaks_after: int = 0
    repeats: int = 0
    lost: frozenset[int] = frozenset()
    delay_s: float = 0.0


@dataclass
class PlayedPod:
    """One pod: the lines of its log, and what happens to a line that is sent to it."""

    index: int
    take: Callable[[str], None] = lambda _: None
    lines: list[str] = field(default_factory=list)
    has_ended: bool = False
    grown: asyncio.Event = field(default_factory=asyncio.Event)
    process: asyncio.subprocess.Process | None = None

    def write(self, line: str) -> None:
        self.lines.append(line)
        self.grown.set()

    def say(self, **message: Any) -> None:
        """Write a message as a program of ours does."""
        numbered = sum(line.startswith("{") for line in self.lines)
        self.write(json.dumps({"line": numbered, **message}))

    def end(self) -> None:
        self.has_ended = True
        self.grown.set()


class PlayedCluster:
    """A ``Cluster``; ``faults`` is how logs are read, and clocks of pods are ``skew_ns`` ahead of this machine's."""

    def __init__(self, faults: Faults | None = None, skew_ns: int = 0) -> None:
        self.streams = self
        self.pods: dict[str, PlayedPod] = {}
        self.created: list[Mapping[str, Any]] = []
        self.deleted: list[Mapping[str, Any]] = []
        self.breaks = 0
        self._faults, self._skew_ns = faults or Faults(), skew_ns
        self._seen: asyncio.Queue[Seen] = asyncio.Queue()
        self._random = random.Random(7)

    def show(self, pod: Mapping[str, Any], *, is_gone: bool = False) -> None:
        """Have the watch report a pod."""
        self._seen.put_nowait(Seen(pod, is_gone))

    async def create(self, manifest: Mapping[str, Any]) -> None:
        self.created.append(manifest)
        for index in range(manifest["spec"]["completions"]):
            await self.make(index, manifest)

    async def make(self, index: int, manifest: Mapping[str, Any]) -> None:
        """Make a pod of a Job; here one that a test plays."""
        self.pods[f"load-{index}"] = PlayedPod(index)
        self.show(pod_object(index))

    async def watch(self, selector: str) -> AsyncGenerator[Seen]:
        while True:
            yield await self._seen.get()

    async def delete(self, manifest: Mapping[str, Any]) -> None:
        self.deleted.append(manifest)

    async def log(self, pod: str) -> AsyncGenerator[str]:
        played, at, since_break = self.pods[pod], 0, 0
        while True:
            played.grown.clear()
            while at < len(played.lines):
                if at not in self._faults.lost:
                    await asyncio.sleep(self._faults.delay_s * self._random.random())
                    yield _shifted(played.lines[at], self._skew_ns)
                at, since_break = at + 1, since_break + 1
                if self._faults.breaks_after and since_break >= self._faults.breaks_after:
                    self.breaks += 1
                    at, since_break = max(0, at - self._faults.repeats), 0 - self._faults.repeats
            if played.has_ended:
                return
            await played.grown.wait()

    def way(self, pod: str) -> _Way:
        return _Way(self.pods[pod], self._skew_ns)


class _Way:
    def __init__(self, pod: PlayedPod, skew_ns: int) -> None:
        self._pod, self._skew_ns = pod, skew_ns

    async def send(self, line: str) -> None:
        self._pod.take(_shifted(line, -self._skew_ns))

    async def close(self) -> None:
        pass


class LocalPods(PlayedCluster):
    """Pods that are processes of this machine: the engine's own, with their logs in memory."""

    async def make(self, index: int, manifest: Mapping[str, Any]) -> None:
        role = manifest["spec"]["template"]["spec"]["containers"][0]["args"][0]
        process = await asyncio.create_subprocess_exec(
            *_boot.argv(role),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            limit=1 << 24,
        )
        assert process.stdin is not None
        stdin = process.stdin
        pod = PlayedPod(index, lambda line: stdin.write(line.encode() + b"\n"), process=process)
        self.pods[f"load-{index}"] = pod
        self._readers = [*getattr(self, "_readers", []), asyncio.create_task(self._read(pod))]
        self.show(pod_object(index))

    async def _read(self, pod: PlayedPod) -> None:
        assert pod.process is not None
        assert pod.process.stdout is not None
        async for line in pod.process.stdout:
            pod.write(line.decode().rstrip("\n"))
        pod.end()
        code = await pod.process.wait()
        self.show(
            pod_object(
                pod.index, status=ended_status(exitCode=128 - code if code < 0 else code, reason="Error")
            )
        )

    async def delete(self, manifest: Mapping[str, Any]) -> None:
        await super().delete(manifest)
        for pod in self.pods.values():
            with suppress(ProcessLookupError):
                assert pod.process is not None
                pod.process.kill()
        await asyncio.gather(*getattr(self, "_readers", []))


def _shifted(line: str, by_ns: int) -> str:
    """Return a line with its moments on a clock that is so far ahead."""
    if not by_ns or not line.startswith("{"):
        return line
    message = json.loads(line)
    return json.dumps(message | {name: message[name] + by_ns for name in MOMENTS if name in message})
