"""The one screen, as a person sees it: in tmux, wide and narrow, with a real run in it."""

from __future__ import annotations

import os
import pty
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from tests.support.made_run import Twist, compiled_plan, trial_events

from seatrial.live.terminal.lines import Course
from seatrial.live.terminal.screen import screen
from seatrial.record import events
from seatrial.record.reader import RunReader

PLAN = """\
name: watched
systems: [direct]
load: {connections: 20, rate: 200/s, active: 4}
phases: {stable_for: 0 s, warmup: 1 s, measure: 4 s, cooldown: 0 s}
repeat: 1
objectives: [errors == 0]
"""


class Pane:
    """A terminal of tmux, on a server of its own."""

    def __init__(self, socket: Path, width: int, height: int, command: str) -> None:
        self._tmux = ("tmux", "-S", str(socket), "-f", "/dev/null")
        size = ("-x", str(width), "-y", str(height))
        subprocess.run((*self._tmux, "new-session", "-d", *size, command), check=True, timeout=30)

    def lines(self) -> list[str]:
        """What is on it now."""
        shown = subprocess.run(
            (*self._tmux, "capture-pane", "-p"), check=True, capture_output=True, text=True, timeout=30
        )
        return shown.stdout.rstrip("\n").splitlines()

    def wait(self, holds: Callable[[list[str]], bool], limit_s: float = 60.0) -> list[str]:
        """Look until something is on it."""
        deadline_s = time.monotonic() + limit_s
        while not holds(found := self.lines()):
            assert time.monotonic() < deadline_s, "\n".join(found)
            time.sleep(0.1)
        return found

    def end(self) -> None:
        subprocess.run((*self._tmux, "kill-server"), check=False, capture_output=True, timeout=30)


@contextmanager
def pane(tmp_path: Path, width: int, height: int, *argv: str) -> Iterator[Pane]:
    # The shell goes on after it, so that what is left on the screen can be looked at.
    script = tmp_path / "session.sh"
    # The size is that of the terminal, and not what the tests have been given.
    script.write_text(f"unset COLUMNS LINES\n{' '.join(argv)}\necho it ended with $?\nsleep 60\n")
    opened = Pane(tmp_path / "tmux", width, height, f"sh {script}")
    try:
        yield opened
    finally:
        opened.end()


def starts(lines: list[str], label: str) -> str | None:
    return next((line for line in lines if line.startswith(label)), None)


@pytest.mark.skipif(shutil.which("tmux") is None, reason="no tmux here (Debian: tmux)")
@pytest.mark.parametrize(("width", "height"), [(120, 40), (58, 20)])
def test_a_run_is_seen_while_it_goes_on_and_nothing_of_the_screen_stays(
    width: int, height: int, tmp_path: Path
) -> None:
    plan = tmp_path / "plan.yaml"
    plan.write_text(PLAN)
    command = (
        "env",
        "-C",
        str(tmp_path),
        sys.executable,
        "-m",
        "seatrial",
        "run",
        str(plan),
        "--share-machine",
    )
    with pane(tmp_path, width, height, *command) as terminal:
        lines = terminal.wait(
            lambda lines: (
                "measure" in (starts(lines, "phase") or "") and "p99.9" in (starts(lines, "latency") or "")
            )
        )
        assert "trial 1 of 1" in (starts(lines, "watched") or "")
        assert "requests/s" in (starts(lines, "rate") or "")
        assert (starts(lines, "held") or "").startswith("held     20 of 20; 4 active")
        assert starts(lines, "errors") is not None
        for role in ("generator", "origin", "seatrial"):
            assert starts(lines, role) is not None
        has_pictures = any(character in line for line in lines for character in "▁▂▃▄▅▆▇░")
        assert has_pictures == (width >= 80) or "█" in (starts(lines, "phase") or "")
        assert all(len(line) <= width for line in lines)
        lines = terminal.wait(lambda lines: any(line.startswith("it ended with") for line in lines))
        # What went on is taken away; what came of it stays.
        assert starts(lines, "latency") is None
        assert starts(lines, "held ") is None


@pytest.mark.parametrize("height", [3, 8, 60])
@pytest.mark.parametrize("width", [1, 20, 79, 80, 200])
def test_it_fits_into_any_terminal(width: int, height: int) -> None:
    course = Course()
    case = compiled_plan()["cases"][5]
    happened = list(trial_events(1, 1, case, 12, Twist(lateness_us=9_000, errors={"reset": 400})))
    for event in (*happened[:-1], *(events.Noted("person", f"note {number} " * 9) for number in range(5))):
        course.take(event)
        text = screen(course, 5_010.0, width, height)
        lines = text.plain.splitlines()
        assert len(lines) <= max(1, height - 2)
        assert all(len(line) < max(2, width) for line in lines)
    if (width, height) == (200, 60):
        assert "doubt" in text.plain
        assert "person: note 4" in text.plain
        assert " x reset" in text.plain


def test_a_terminal_that_nobody_reads_is_a_line_in_the_journal_and_the_run_goes_on(tmp_path: Path) -> None:
    """A terminal that is stopped (Ctrl-S) is full at some time: whoever writes to it then waits."""
    plan = tmp_path / "plan.yaml"
    plan.write_text(PLAN)
    master, slave = pty.openpty()
    os.set_blocking(slave, False)
    with suppress(BlockingIOError):
        while True:
            os.write(slave, b" " * 1024)
    os.set_blocking(slave, True)
    try:
        with subprocess.Popen(
            [sys.executable, "-c", FEW_WAIT, "run", str(plan), "--runs", str(tmp_path / "runs"), "--share-machine"],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=slave,
        ) as process:  # fmt: skip
            stdout, _ = process.communicate(timeout=100)
    finally:
        os.close(slave)
        os.close(master)
    assert process.returncode in {0, 3}
    assert b"achieved" in stdout
    (run,) = (tmp_path / "runs").iterdir()
    with RunReader.open(run) as reader:
        (line,) = [entry.text for entry in reader.journal() if "did not keep up" in entry.text]
        assert reader.run().state == "finished"
        assert len(reader.frames(1)) >= 4
    assert re.fullmatch(r"the terminal did not keep up: [\d,]+ intervals and looks were not shown", line)


FEW_WAIT = """
from seatrial.live import feed
from seatrial.live.terminal import view
feed.WAITING_LIMIT = 5
feed.CLOSE_LIMIT_S = view.CLOSE_LIMIT_S = 1.0
from seatrial._entry import main
main()
"""
