"""The logs of a thousand pods and nothing else of a cluster: `python -m benchmarks.pod_logs WORKERS RATE SECONDS`.

Each log is what a simulated worker of the engine says (`crates/load/examples/simulated_workers.rs`), each line at its
time. The port is printed once it is known what they say.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO, Any

from aiohttp import WSMsgType, web

from seatrial._version import __version__
from seatrial.pods.job import CONTAINER

SIMULATE = (
    "cargo",
    "run",
    "--quiet",
    "--release",
    "-p",
    "seatrial-load",
    "--example",
    "simulated_workers",
    "--",
)
HELD = "100"
MOMENTS = ("start_ns", "end_ns", "at_ns", "heard_ns")
STAMP = "2026-11-26T20:00:00.000000000Z"
"""What is in front of each line; only where a log is read again does it matter."""


def main() -> None:
    """Simulate the workers, and serve what they say."""
    with TemporaryFile("w+b") as said:
        subprocess.run([*SIMULATE, *sys.argv[1:4], HELD], stdout=said, check=True)
        logs = Logs(said)
        app = web.Application()
        app.router.add_get("/api/v1/namespaces/bench/pods/{pod}", logs.pod)
        app.router.add_get("/api/v1/namespaces/bench/pods/{pod}/log", logs.log)
        app.router.add_get("/api/v1/namespaces/bench/pods/{pod}/attach", logs.attach)
        asyncio.run(serve(app))


async def serve(app: web.Application) -> None:
    """Serve until the process is ended."""
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0, backlog=4_096)
    await site.start()
    print(runner.addresses[0][1], flush=True)
    await asyncio.Event().wait()


class Logs:
    """The lines of each worker; its clock begins when its log is asked for first."""

    def __init__(self, said: IO[bytes]) -> None:
        self._said = said
        self._places = _places(said.fileno())
        self._began_ns = 0

    async def pod(self, request: web.Request) -> web.Response:
        """Answer that a pod is running."""
        return web.json_response(pod_object(_index(request)))

    async def attach(self, request: web.Request) -> web.WebSocketResponse:
        """Take what is sent to a pod; a simulated worker has heard it long ago."""
        socket = web.WebSocketResponse(protocols=("v5.channel.k8s.io",))
        await socket.prepare(request)
        async for message in socket:
            if message.type is WSMsgType.ERROR:
                break
        return socket

    async def log(self, request: web.Request) -> web.StreamResponse:
        """Write the lines of a pod, each when it was said."""
        self._began_ns = self._began_ns or time.monotonic_ns()
        response = web.StreamResponse()
        await response.prepare(request)
        for message in self._messages(_index(request)):
            await asyncio.sleep(max(0.0, (message.get("end_ns", 0) - time.monotonic_ns()) / 1e9))
            await response.write(f"{STAMP} {json.dumps(message)}\n".encode())
        # The process is there, and says nothing more.
        await asyncio.Event().wait()
        return response

    def _messages(self, index: int) -> Iterator[dict[str, Any]]:
        yield {"line": 0, **_hello(index, self._began_ns)}
        for start, end in self._places[index]:
            self._said.seek(start)
            message = json.loads(self._said.read(end - start))
            moved = {name: message[name] + self._began_ns for name in MOMENTS if name in message}
            yield message | moved | {"line": message["line"] + 1}


def pod_object(index: int) -> dict[str, Any]:
    """Return a pod that runs, as the API has it."""
    container = {"name": CONTAINER, "state": {"running": {}}, "restartCount": 0}
    label = {"batch.kubernetes.io/job-completion-index": str(index)}
    return {
        "metadata": {"name": f"load-{index}", "namespace": "bench", "uid": str(index), "labels": label},
        "spec": {"nodeName": f"node-{index % 40}"},
        "status": {"phase": "Running", "containerStatuses": [container]},
    }


def _index(request: web.Request) -> int:
    return int(request.match_info["pod"].rpartition("-")[2])


def _places(said: int) -> dict[int, list[tuple[int, int]]]:
    """Return where the lines of each worker are."""
    places: dict[int, list[tuple[int, int]]] = {}
    index, end = -1, 0
    with Path(f"/proc/self/fd/{said}").open("rb") as lines:
        for line in lines:
            start, end = end, end + len(line)
            index += line.startswith(b'{"line":0,')
            places.setdefault(index, []).append((start, end))
    return places


def _hello(index: int, monotonic_ns: int) -> dict[str, Any]:
    return {
        "type": "hello", "worker": index, "pid": 1, "driver": "epoll", "timestamps": "kernel", "resolution_ns": 0,
        "descriptor_limit": 20_000, "engine": __version__, "boot_id": f"node {index % 40}",
        "monotonic_ns": monotonic_ns, "realtime_ns": 0,
    }  # fmt: skip


if __name__ == "__main__":
    main()
