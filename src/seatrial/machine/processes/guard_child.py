"""Runs one foreign program and takes it, and all that it has started, down when its own parent goes away.

Run as ``python -I -S guard_child.py``; standard library only, and little of it, because one runs for each
program. The first line on stdin is the order, as JSON: ``argv``, ``stdout``, ``stderr``, ``cwd``,
``environment``, ``network`` (the file of a network namespace, or null), ``cpus`` (a list, or null), ``term_s``. After
it a line ``stop SECONDS`` means: SIGTERM, and SIGKILL after that long. End of file means that the parent died: the same
with ``term_s``. What happened is said on stdout, a line each: ``started PID``, ``failed ERRNO``,
``exited STATUS`` (negative for a signal), ``gone`` when nothing is left.

What cannot be covered: a guard that is itself killed with SIGKILL can do nothing more. The program then gets
SIGTERM from the kernel (PR_SET_PDEATHSIG), on which Envoy ends and nginx ends its workers too; a parent that
is still alive kills what it knows of. Should parent and guard both be killed at once while the program is
stopped or ignores SIGTERM, it stays; ``seatrial clean`` finds it in the record. PDEATHSIG does not pass on to
the program's own children, and the kernel forgets it when a program changes its user id.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import json
import os
import resource
import select
import signal
import sys
import time
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

PR_SET_PDEATHSIG = 1
PR_SET_CHILD_SUBREAPER = 36
CLONE_NEWNET = 0x40000000
KILL_ROUNDS = 50


def main() -> int:
    """Run one order to its end."""
    os.set_inheritable(0, False)
    parent = os.getppid()
    prctl = ctypes.CDLL(None, use_errno=True).prctl
    # Orphans of the program become children of the guard instead of escaping to init.
    prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    wake = _wake_on(signal.SIGCHLD, signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
    # The pipe already shows the parent's death; this holds even where some other process holds its writing
    # end.
    prctl(PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
    lines = _Lines()
    first = lines.wait_for_one()
    if first is None or os.getppid() != parent:
        return 0
    order = json.loads(first)
    program = _start(order, prctl)
    if program is None:
        return 1
    say(f"started {program}")
    return _Watch(program, lines, wake, order["term_s"]).run()


def say(line: str) -> None:
    """Report to the parent; where it is gone there is nobody to read, which is no reason to stop half-way."""
    with contextlib.suppress(BrokenPipeError):
        os.write(1, f"{line}\n".encode())


class _Watch:
    """Waits until the program ends, an order to stop it comes, or the parent dies: whichever is first."""

    def __init__(self, program: int, lines: _Lines, wake: int, term_s: float) -> None:
        self.program = program
        self.lines = lines
        self.wake = wake
        self.term_s = term_s
        self.running = True
        self.kill_at_s: float | None = None

    def run(self) -> int:
        poll = select.poll()
        poll.register(0, select.POLLIN)
        poll.register(self.wake, select.POLLIN)
        while self.running:
            for descriptor, _ in poll.poll(self._timeout_ms()):
                if descriptor == self.wake:
                    self._signals()
                elif not self._orders():
                    poll.unregister(0)
            self._reap()
            if self.running and self.kill_at_s is not None and time.monotonic() >= self.kill_at_s:
                self._kill_all()
        # A master that was killed leaves workers; they are the guard's children now.
        self._kill_all()
        say("gone")
        return 0

    def _timeout_ms(self) -> float | None:
        return None if self.kill_at_s is None else max(0.0, (self.kill_at_s - time.monotonic()) * 1e3) + 1

    def _signals(self) -> None:
        received = os.read(self.wake, 512)
        if any(number != signal.SIGCHLD for number in received):
            self._end(self.term_s)

    def _orders(self) -> bool:
        """Read orders; False at the end of file."""
        for line in self.lines.read():
            if line.startswith(b"stop "):
                self._end(float(line[5:]))
        if self.lines.ended:
            self._end(self.term_s)
        return not self.lines.ended

    def _end(self, term_s: float) -> None:
        until_s = time.monotonic() + term_s
        if self.kill_at_s is None:
            self.kill_at_s = until_s
            _send(-self.program, signal.SIGTERM)
            # A stopped process would not see the SIGTERM before the deadline.
            _send(-self.program, signal.SIGCONT)
        self.kill_at_s = min(self.kill_at_s, until_s)

    def _reap(self) -> None:
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            if pid == self.program:
                self.running = False
                say(f"exited {os.waitstatus_to_exitcode(status)}")

    def _kill_all(self) -> None:
        """Kill every descendant until none is left: killing a parent hands its children to the guard."""
        for _ in range(KILL_ROUNDS):
            below = _descendants(os.getpid())
            for pid in below:
                _send(pid, signal.SIGKILL)
            self._reap()
            if not below:
                return
            time.sleep(0.02)


class _Lines:
    """Whole lines from stdin, without ever waiting for the rest of one."""

    def __init__(self) -> None:
        self.rest = b""
        self.ended = False

    def wait_for_one(self) -> bytes | None:
        while not self.ended:
            lines = self.read()
            if lines:
                self.rest = b"".join(line + b"\n" for line in lines[1:]) + self.rest
                return lines[0]
        return None

    def read(self) -> list[bytes]:
        data = os.read(0, 65536)
        self.ended = not data
        *lines, self.rest = (self.rest + data).split(b"\n")
        return lines


def _wake_on(*signals: int) -> int:
    """Return a descriptor that gets a byte for each of these signals."""
    reading, writing = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
    signal.set_wakeup_fd(writing)
    for number in signals:
        signal.signal(number, lambda *_: None)
    return reading


def _start(order: dict[str, Any], prctl: Callable[..., int]) -> int | None:
    """Fork and execute; None, and ``failed ERRNO`` said, where the program cannot be executed."""
    reading, writing = os.pipe2(os.O_CLOEXEC)
    guard = os.getpid()
    program = os.fork()
    if program == 0:
        _become(order, prctl, guard, writing)
    os.close(writing)
    problem = os.read(reading, 16)
    os.close(reading)
    if not problem:
        return program
    os.waitpid(program, 0)
    say(f"failed {int(problem)}")
    return None


def _become(order: dict[str, Any], prctl: Callable[..., int], guard: int, writing: int) -> None:
    """Turn the forked child into the program; never returns."""
    try:
        os.setsid()
        # SIGTERM and not SIGKILL: nginx's master would otherwise die without ending its workers.
        prctl(PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
        if os.getppid() != guard:
            os._exit(125)
        for number in (signal.SIGCHLD, signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGPIPE):
            signal.signal(number, signal.SIG_DFL)
        # Envoy takes the soft limit as it finds it, and a limit of 1024 would be measured instead of the
        # proxy.
        hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        if order["network"]:
            _enter(order["network"])
        # Before it runs: many programs start as many threads as they may use CPUs.
        if order["cpus"]:
            os.sched_setaffinity(0, order["cpus"])
        if order["cwd"]:
            os.chdir(order["cwd"])
        _redirect(order)
        os.execve(order["argv"][0], order["argv"], order["environment"])
    except OSError as error:
        os.write(writing, str(error.errno or errno.EIO).encode())
    finally:
        os._exit(126)


def _enter(network: str) -> None:
    """Have the program be in a network namespace: sockets, ports and settings are those of that network."""
    there = os.open(network, os.O_RDONLY | os.O_CLOEXEC)
    if ctypes.CDLL(None, use_errno=True).setns(there, CLONE_NEWNET) != 0:
        raise OSError(ctypes.get_errno(), "setns")


def _redirect(order: dict[str, Any]) -> None:
    os.dup2(os.open("/dev/null", os.O_RDONLY), 0)
    for name, descriptor in (("stdout", 1), ("stderr", 2)):
        os.dup2(os.open(order[name], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644), descriptor)
        # Some take the flag away with those that they set (HAProxy does), and would write over what is there.
        os.lseek(descriptor, 0, os.SEEK_END)


def _send(pid: int, number: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.kill(pid, number)


def _descendants(pid: int) -> list[int]:
    """Return every living process below ``pid``, by one look at every /proc/PID/stat."""
    parents: dict[int, list[int]] = {}
    for name in os.listdir("/proc"):  # noqa: PTH208 - importing pathlib doubles the start-up.
        if not name.isdigit():
            continue
        try:
            with open(f"/proc/{name}/stat", "rb") as file:  # noqa: PTH123
                text = file.read()
        except OSError:
            continue
        state, parent = text[text.rindex(b")") + 2 :].split(None, 2)[:2]
        # A zombie is already dead, but what it started may not be: keep it as a link, skip it as a target.
        parents.setdefault(int(parent), []).append(-int(name) if state == b"Z" else int(name))
    found: list[int] = []
    waiting = [pid]
    while waiting:
        below = parents.get(waiting.pop(), [])
        found.extend(child for child in below if child > 0)
        waiting.extend(abs(child) for child in below)
    return found


if __name__ == "__main__":
    sys.exit(main())
