"""The process that shows a run while it goes on: ``seatrial serve`` on its record, at a low priority.

It only reads, and in a process of its own: however slow it is, whoever it waits for and however it ends, no trial
notices. What it has to report it writes into the journal itself, and prints, for who watches the terminal.
"""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Self

from seatrial.errors import SeatrialError
from seatrial.machine.members import Member
from seatrial.record.amend import fold
from seatrial.record.events import RunStarted
from seatrial.record.journal import add_remark

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from seatrial.record.events import Event

END_LIMIT_S = 30.0
"""It stays for a last scrape, of which there is one every 15 s by default; then it is ended."""


class Companion:
    """A listener that starts the process once there is a record. Use as a context manager.

    ``arguments`` are those of ``seatrial serve`` after RUN; without any nothing is started. For the person who watches
    ``note`` takes each line of the journal, ``show`` each that says where something is shown, from a thread of its own.
    Where that person ``is_in_a_hurry``, nobody waits for its end.
    """

    def __init__(self, runs: Path, arguments: Sequence[str], is_in_a_hurry: Callable[[], bool]) -> None:
        self.note: Callable[[str], None] = _echo
        self.show: Callable[[str], None] = _echo
        self._runs = runs
        self._arguments = tuple(arguments)
        self._is_in_a_hurry = is_in_a_hurry
        self._run: Path | None = None
        self._process: subprocess.Popen[str] | None = None
        self._reader: threading.Thread | None = None
        self._is_ending = False

    def __call__(self, event: Event) -> None:
        """Start it at the beginning of a run."""
        if isinstance(event, RunStarted) and self._process is None:
            self._run = self._runs / event.run_id
            if self._arguments:
                self._start(self._run)

    def remark(self, text: str) -> None:
        """Put what concerns the showing into the journal of the run; where that cannot be, it is not worth a run."""
        if self._run is not None:
            with suppress(SeatrialError):
                add_remark(self._run, text)

    def members(self) -> tuple[Member, ...]:
        """Return what runs now, to be counted as Seatrial's own."""
        process = self._process
        own = None if process is None or process.poll() is not None else process.pid
        member = None if own is None else Member.alone("seatrial", "views", own)
        return () if member is None else (member,)

    def end(self) -> None:
        """Have it show the end and end itself; returns at once."""
        self._is_ending = True
        if self._process is not None and self._process.stdin is not None:
            self._process.stdin.close()

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Wait until it has ended, or end it."""
        if self._process is None or self._reader is None or self._run is None:
            return
        self.end()
        deadline_s = time.monotonic() + END_LIMIT_S
        while self._process.poll() is None and time.monotonic() < deadline_s and not self._is_in_a_hurry():
            time.sleep(0.1)
        if self._process.poll() is None:
            self._process.kill()
        self._reader.join()
        # Somebody else read the record while it was closed.
        fold(self._run)

    def _start(self, run: Path) -> None:
        command = [
            sys.executable,
            "-m",
            "seatrial",
            "serve",
            "--with-parent",
            *self._arguments,
            "--",
            str(run),
        ]
        log = (run / "logs" / "views.log").open("ab")
        with log:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                # A Ctrl-C in the terminal is for the run.
                start_new_session=True,
            )
        self._reader = threading.Thread(target=self._read, name="views", daemon=True)
        self._reader.start()

    def _read(self) -> None:
        process = self._process
        assert process is not None
        assert process.stdout is not None
        with process.stdout as lines:
            for line in lines:
                with suppress(ValueError):
                    message = json.loads(line)
                    for kind, take in (("note", self.note), ("shown", self.show)):
                        if kind in message:
                            take(message[kind])
        code = process.wait()
        # Who is in a hurry has it ended in the middle of what it does.
        if code and self._is_ending and not self._is_in_a_hurry():
            self._report(f"what showed this run did not come to its end ({code}): see logs/views.log")
        elif not self._is_ending:
            self._report(f"what shows this run ended with {code}: see logs/views.log; the run goes on")

    def _report(self, text: str) -> None:
        self.note(text)
        self.remark(text)


def _echo(text: str) -> None:
    # A program without a terminal may have no stderr at all.
    if sys.stderr is not None:
        sys.stderr.write(f"{text}\n")
