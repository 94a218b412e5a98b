"""Who reports the truth: every peer drives a rate at a server that stands still once."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import psutil

from benchmarks.peers.base import Load, Report, Row
from benchmarks.peers.run import measure
from benchmarks.peers.tools import UnavailableError
from benchmarks.peers.verdict import verdict

RATE_PER_S = 2000
STALL_S = 2.0
AFTER_S = 5.0
"""From the first connection; the peers' own starts take up to seconds, and are over by then."""
START_LIMIT_S = 60.0
SERVER_CORE = 0
"""The peers may use every core, as this is not about their cost: the server needs a small part of its own."""


@dataclass(frozen=True, slots=True)
class StallOutcome:
    """A row's run: what it said, what the server counted, how long the server really stood still."""

    row: Row
    report: Report | None
    made: int
    stall_s: float
    verdict: str


@dataclass(slots=True)
class Origin:
    """``seatrial origin`` under way; ``pid`` is the process that serves."""

    command: subprocess.Popen[str]
    pid: int
    url: str

    def requests(self) -> int:
        """End it as Ctrl-C does, and return how many requests it counted."""
        self.command.send_signal(signal.SIGINT)
        stdout, _ = self.command.communicate(timeout=30)
        return int(json.loads(stdout)["requests"])


def run_stalls(rows: Sequence[Row], seconds: int, note: Callable[[str], None]) -> list[StallOutcome]:
    """Run every row once, each against a server of its own. ``note`` is called with the label of each."""
    outcomes = []
    for row in rows:
        note(f"stall: {row.label}")
        try:
            outcomes.append(run_stall(row, seconds))
        except UnavailableError as error:
            outcomes.append(StallOutcome(row, None, 0, STALL_S, f"not measured: {error}"))
    return outcomes


def run_stall(row: Row, seconds: int) -> StallOutcome:
    """Run one row; raises UnavailableError where it cannot be measured."""
    row.tool.find()
    with TemporaryDirectory(prefix="seatrial-peers-") as scratch, origin() as server:
        load = Load(server.url, RATE_PER_S, seconds, Path(scratch))
        with ThreadPoolExecutor(1) as pool:
            stalling = pool.submit(_stall, server.pid)
            report = measure(row, load, os.sched_getaffinity(0)).report
            stall_s = stalling.result()
        made = server.requests()
    planned = None if row.loop == "closed" else load.planned
    return StallOutcome(row, report, made, stall_s, verdict(report, seconds, stall_s, made, planned))


@contextmanager
def origin() -> Iterator[Origin]:
    """Serve until the block ends; the process that serves has a core of its own."""
    seatrial = str(Path(sys.executable).with_name("seatrial"))
    with subprocess.Popen(
        [seatrial, "origin", "--json", "-"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as command:
        assert command.stderr is not None
        _, pid, *_, url = command.stderr.readline().split()
        os.sched_setaffinity(int(pid), {SERVER_CORE})
        try:
            yield Origin(command, int(pid), url)
        finally:
            if command.poll() is None:
                command.terminate()


def _stall(pid: int) -> float:
    """Stop the server some time after its first connection; return how long it stood still, in seconds."""
    server = psutil.Process(pid)
    deadline_s = time.monotonic() + START_LIMIT_S
    while not any(each.status == psutil.CONN_ESTABLISHED for each in server.net_connections("tcp")):
        if time.monotonic() > deadline_s:
            raise UnavailableError(f"opened no connection within {START_LIMIT_S:g} s")
        time.sleep(0.05)
    time.sleep(AFTER_S)
    try:
        server.suspend()
        stopped_s = time.monotonic()
        time.sleep(STALL_S)
    finally:
        server.resume()
    return time.monotonic() - stopped_s
