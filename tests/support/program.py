"""Runs the real program as a person would, and looks for what it leaves behind."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self, TypeVar

from tests.support.warm import WarmProcess, warm

from seatrial.machine import proc

Value = TypeVar("Value")
SEATRIAL = str(Path(sys.executable).with_name("seatrial"))
MARK = "SEATRIAL_TEST_MARK"
GONE_LIMIT_S = 5.0
"""Everything of a run that was killed must be gone within this."""

TRACEBACK = "Traceback (most recent call last)"


@dataclass(frozen=True, slots=True)
class Outcome:
    """How the program ended and what it said."""

    code: int
    stdout: str
    stderr: str

    @property
    def document(self) -> dict[str, Any]:
        """What ``--json -`` wrote."""
        document: dict[str, Any] = json.loads(self.stdout)
        return document


class Running:
    """The program under way, with a mark in its environment that all of its children inherit.

    It is started from a warm process (``tests/support/warm.py``); ``fresh``, or after a ``prefix``, by its script.
    """

    def __init__(
        self,
        *arguments: str,
        prefix: Sequence[str] = (),
        environment: Mapping[str, str] | None = None,
        directory: Path | None = None,
        fresh: bool = False,
    ) -> None:
        self.mark = uuid.uuid4().hex
        whole = {**os.environ, **(environment or {}), MARK: self.mark}
        self.process: subprocess.Popen[str] | WarmProcess
        if prefix or fresh:
            self.process = subprocess.Popen(
                [*prefix, SEATRIAL, *arguments],
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
                cwd=directory,
                env=whole,
            )
        else:
            self.process = warm().start(arguments, whole, directory)

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to the program itself, as ``kill`` would."""
        self.process.send_signal(number)

    def wait(self, limit_s: float) -> Outcome:
        """Wait for the end; a program that hangs is killed, and the test fails."""
        try:
            stdout, stderr = self.process.communicate(timeout=limit_s)
        except subprocess.TimeoutExpired:
            self.process.kill()
            stdout, stderr = self.process.communicate()
            raise AssertionError(
                f"still running after {limit_s} s: {stdout[-2000:]}{stderr[-2000:]}"
            ) from None
        outcome = Outcome(self.process.wait(), stdout, stderr)
        assert TRACEBACK not in outcome.stderr + outcome.stdout, outcome.stderr[-4000:]
        return outcome

    def left(self) -> tuple[int, ...]:
        """Return the living processes that this one started, or that those started."""
        return tuple(pid for pid in proc.all_pids() if pid != os.getpid() and self._is_ours(pid))

    def assert_nothing_left(self) -> None:
        """Fail unless every process is gone in time."""
        assert wait_until(lambda: not self.left(), GONE_LIMIT_S), [
            (pid, proc.command_line(pid)) for pid in self.left()
        ]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.communicate()

    def _is_ours(self, pid: int) -> bool:
        # The mark is in what a program was executed with, and the warm process executes none.
        if pid == self.process.pid:
            return self.process.poll() is None
        try:
            environment = Path(f"/proc/{pid}/environ").read_bytes()
        except OSError:
            return False
        found = proc.stat(pid)
        marked = f"{MARK}={self.mark}".encode() in environment.split(b"\0")
        return marked and found is not None and found.state not in {"Z", "X"}


def run_seatrial(*arguments: str, prefix: Sequence[str] = (), limit_s: float = 60.0) -> Outcome:
    """Run the program to its end and check that it left no process. ``prefix`` is a command that runs it."""
    with Running(*arguments, prefix=prefix) as running:
        outcome = running.wait(limit_s)
        running.assert_nothing_left()
    return outcome


def at_once(*works: Callable[[], Value]) -> list[Value]:
    """Do what mostly waits side by side; return what each gave, in order. What fails is raised once all are done."""
    with ThreadPoolExecutor(len(works)) as pool:
        under_way = [pool.submit(work) for work in works]
    return [work.result() for work in under_way]


def wait_until(condition: Any, limit_s: float, every_s: float = 0.02) -> bool:
    """Look again and again until ``condition()`` holds; return whether it did in time."""
    deadline_s = time.monotonic() + limit_s
    while not condition():
        if time.monotonic() > deadline_s:
            return False
        time.sleep(every_s)
    return True


@dataclass(slots=True)
class RunningOrigin:
    """``seatrial origin`` in the foreground of another process; ``pid`` is the engine's own."""

    url: str
    pid: int
    running: Running
    document: dict[str, Any] = field(default_factory=dict)

    def finish(self) -> dict[str, Any]:
        """Stop it as Ctrl-C does, and return its ``seatrial.origin/1`` document."""
        if not self.document:
            self.running.signal(signal.SIGINT)
            outcome = self.running.wait(20.0)
            assert outcome.code == 0, outcome
            self.document = outcome.document
            self.running.assert_nothing_left()
        return self.document


@contextmanager
def running_origin(*flags: str) -> Iterator[RunningOrigin]:
    """Serve the built-in target for as long as the block lasts."""
    with Running("origin", "--json", "-", *flags) as running:
        assert running.process.stderr is not None
        line = running.process.stderr.readline()
        found = re.fullmatch(r"origin (\d+) listens on (\S+)\n", line)
        assert found, line
        yield RunningOrigin(found[2], int(found[1]), running)
