"""Starts ``seatrial`` from a process that has loaded it already: to load it takes most of what a short command costs.

Each command is a process of its own all the same, with its own streams, environment, directory and signals: the warm
one forks, and the child goes the way of the program's script from there. Only its charts are drawn by nobody: that
takes most of what a report costs, and what is in them is no test's of those who start so. What is about loading or
drawing, or about what is done before the program is executed (a ``prefix``), starts the script.
"""

from __future__ import annotations

import atexit
import json
import os
import selectors
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import TextIO

LOADED = (
    "seatrial.cli.run",
    "seatrial.cli.load",
    "seatrial.cli.origin",
    "seatrial.cli.report",
    "seatrial.cli.clean",
    "seatrial.run.load",
    "seatrial.run.plan",
    "seatrial.run.resume",
    "seatrial.run.judgement",
    "seatrial.analysis.run.summary",
    "seatrial.live.terminal",
    "seatrial.report.load.files",
    "seatrial.report.load.text",
    "seatrial.report.terminal",
    "seatrial.report.write",
    "seatrial.plan.shown.text",
    "jinja2",
    "numpy",
    "rich.console",
)
"""What commands import when they need it."""
REQUEST_BYTES_LIMIT = 1 << 20


class Warm:
    """The process that forks. It ends when this one does."""

    def __init__(self) -> None:
        self._ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._ours.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, REQUEST_BYTES_LIMIT)
        self._lock = threading.Lock()
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-P", __file__, str(theirs.fileno())],
                pass_fds=[theirs.fileno()], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
            )  # fmt: skip
        atexit.register(self._end)

    def start(
        self, arguments: Sequence[str], environment: Mapping[str, str], directory: Path | None
    ) -> WarmProcess:
        """Run a command line; return once its process is there."""
        request = {
            "arguments": list(arguments), "environment": dict(environment), "directory": str(directory or Path.cwd()),
        }  # fmt: skip
        pipes = [os.pipe() for _ in range(3)]
        theirs = [write for _, write in pipes]
        try:
            with self._lock:
                socket.send_fds(self._ours, [json.dumps(request).encode()], theirs)
                pid = int(self._ours.recv(64))
        finally:
            for descriptor in theirs:
                os.close(descriptor)
        return WarmProcess(pid, *(read for read, _ in pipes))

    def _end(self) -> None:
        self._ours.close()
        self._process.wait(10)


@cache
def warm() -> Warm:
    """Return the one of this process of pytest."""
    return Warm()


class WarmProcess:
    """A command that was started so: what tests use of ``subprocess.Popen``, with text."""

    def __init__(self, pid: int, stdout: int, stderr: int, status: int) -> None:
        self.pid = pid
        self.returncode: int | None = None
        self.stdout: TextIO | None = os.fdopen(stdout, encoding="utf-8")
        self.stderr: TextIO | None = os.fdopen(stderr, encoding="utf-8")
        self._status = os.fdopen(status, "rb")
        self._said: dict[str, str] = {}
        self._readers: dict[str, threading.Thread] = {}

    def poll(self) -> int | None:
        """Return how it has ended, None while it runs."""
        with suppress(subprocess.TimeoutExpired):
            self.wait(0.0)
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        """Wait for its end and return its exit code, negative for a signal."""
        if self.returncode is None:
            with selectors.DefaultSelector() as selector:
                selector.register(self._status, selectors.EVENT_READ)
                if not selector.select(timeout):
                    raise subprocess.TimeoutExpired("seatrial", timeout or 0.0)
            self.returncode = os.waitstatus_to_exitcode(int(self._status.read()))
            self._status.close()
        return self.returncode

    def communicate(self, timeout: float | None = None) -> tuple[str, str]:
        """Read both streams to their ends and wait for it; what was read by then is kept where that takes too long."""
        for name, stream in (("stdout", self.stdout), ("stderr", self.stderr)):
            if name not in self._readers:
                assert stream is not None
                self._readers[name] = threading.Thread(target=self._read, args=(name, stream), daemon=True)
                self._readers[name].start()
        code = self.wait(timeout)
        for reader in self._readers.values():
            reader.join(timeout)
            if reader.is_alive():
                raise subprocess.TimeoutExpired("seatrial", timeout or 0.0)
        assert code is not None
        return self._said["stdout"], self._said["stderr"]

    def _read(self, name: str, stream: TextIO) -> None:
        with stream:
            self._said[name] = stream.read()

    def send_signal(self, number: signal.Signals) -> None:
        """Send it a signal, unless it has ended."""
        if self.poll() is None:
            with suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def kill(self) -> None:
        """Kill it, unless it has ended."""
        self.send_signal(signal.SIGKILL)


def _serve(channel: socket.socket) -> None:
    """Fork a command for each request until nobody is there to ask; return in each child, to run it."""
    waking, woken = socket.socketpair()
    for end in (waking, woken):
        end.setblocking(False)
    signal.set_wakeup_fd(woken.fileno())
    # Any handler: one that is ignored or the default's would not wake.
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    statuses: dict[int, int] = {}
    with selectors.DefaultSelector() as selector:
        selector.register(channel, selectors.EVENT_READ)
        selector.register(waking, selectors.EVENT_READ)
        while True:
            ready = {key.fileobj for key, _ in selector.select()}
            if waking in ready:
                waking.recv(4096)
                _reap(statuses)
            if channel not in ready:
                continue
            request, descriptors, *_ = socket.recv_fds(channel, REQUEST_BYTES_LIMIT, 3)
            if not request:
                os._exit(0)
            *streams, status = descriptors
            pid = os.fork()
            if pid == 0:
                break
            statuses[pid] = status
            for descriptor in streams:
                os.close(descriptor)
            channel.send(str(pid).encode())
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    for one in (channel, waking, woken):
        one.close()
    for descriptor in (status, *statuses.values()):
        os.close(descriptor)
    _become(json.loads(request), *streams)


def _reap(statuses: dict[int, int]) -> None:
    with suppress(ChildProcessError):
        while True:
            pid, status = os.waitpid(-1, os.WNOHANG)
            if not pid:
                return
            descriptor = statuses.pop(pid)
            # Who had asked may not be there any more.
            with suppress(BrokenPipeError), os.fdopen(descriptor, "w") as file:
                file.write(str(status))


def _become(request: Mapping[str, object], stdout: int, stderr: int) -> None:
    for stream, number in ((stdout, 1), (stderr, 2)):
        os.dup2(stream, number)
        os.close(stream)
    environment, arguments = request["environment"], request["arguments"]
    assert isinstance(environment, dict)
    assert isinstance(arguments, list)
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(str(request["directory"]))
    sys.argv = ["seatrial", *arguments]


def _not_drawn(_: object) -> str:
    return '<svg xmlns="http://www.w3.org/2000/svg" width="1" height="1"></svg>'


if __name__ == "__main__":
    import gc
    import importlib

    import vl_convert

    from seatrial._entry import main

    for module in LOADED:
        importlib.import_module(module)
    vl_convert.vegalite_to_svg = _not_drawn  # type: ignore[assignment]
    # What is shared with the children stays so: the collector would write to all of it.
    gc.freeze()
    with socket.socket(fileno=int(sys.argv[1])) as asked:
        _serve(asked)
    main()
