"""One network namespace of this machine: its name, how a thread looks into it, and how a program is started in it.

A socket stays in the namespace in which it was made, whatever becomes of the thread that made it. So whoever asks
something there makes a socket inside and is back at once; nothing else of this program ever moves.
See network_namespaces(7), setns(2).
"""

from __future__ import annotations

import os
import socket
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from seatrial.errors import EnvironmentFault

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

NAMED = Path("/run/netns")
"""Where iproute2 keeps namespaces that have a name (ip-netns(8))."""
CLONE_NEWNET = 0x40000000
OF_THIS_THREAD = Path("/proc/thread-self/net")
"""What the kernel counts of a network. /proc/net is that of the first thread of a process, wherever the others are."""


@dataclass(frozen=True, slots=True)
class Namespace:
    """A network namespace that has a name."""

    name: str

    @property
    def path(self) -> Path:
        """The file that stands for it."""
        return NAMED / self.name

    def within(self, argv: tuple[str, ...]) -> tuple[str, ...]:
        """Return the command that becomes this one in here, under the same process id.

        Not ``ip netns exec``: that mounts /sys anew and hides the control groups.
        """
        return ("nsenter", f"--net={self.path}", "--", *argv)

    def pids(self) -> tuple[int, ...]:
        """Return the processes that are in it, as far as this one may know."""
        with open(self.path) as file:  # noqa: PTH123 - a Path cannot be asked for its descriptor.
            wanted = os.fstat(file.fileno())
        return tuple(
            int(entry.name)
            for entry in Path("/proc").iterdir()
            if entry.name.isdigit() and _identity(entry / "ns/net") == (wanted.st_dev, wanted.st_ino)
        )


@contextmanager
def entered(namespace: Namespace | None) -> Iterator[None]:
    """Have this thread be in the namespace meanwhile; None is where it is. Nothing may be awaited inside.

    Raises ``EnvironmentFault`` where it is gone, or may not be entered.
    """
    if namespace is None:
        yield
        return
    own = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    try:
        _enter(namespace)
        try:
            yield
        finally:
            # A thread that stayed behind would ask the wrong network from here on.
            _setns()(own)
    finally:
        os.close(own)


def stream_socket(host: str, namespace: Namespace | None) -> socket.socket:
    """Return a TCP socket of the host's kind in a namespace, neither bound nor connected."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with entered(namespace):
        return socket.socket(family, socket.SOCK_STREAM)


def _enter(namespace: Namespace) -> None:
    try:
        there = os.open(namespace.path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            _setns()(there)
        finally:
            os.close(there)
    except OSError as error:
        raise EnvironmentFault(
            f"the network namespace {namespace.name} cannot be entered",
            cause=error.strerror,
            next_step="let nothing else remove it (ip netns) while a run is going on; run as root",
        ) from error


@cache
def _setns() -> Callable[[int], None]:
    # Loads that have no namespaces start without it.
    import ctypes

    call = ctypes.CDLL(None, use_errno=True).setns

    def setns(descriptor: int) -> None:
        if call(descriptor, CLONE_NEWNET) != 0:
            raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))

    return setns


def _identity(path: Path) -> tuple[int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino
