"""Network namespaces as a test looks at them: with the kernel's and the distribution's own means, none of ours."""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Self

import pytest

NETNS = Path("/run/netns")


def need_root() -> None:
    """Skip where no namespaces can be made."""
    if os.geteuid() != 0 or shutil.which("nsenter") is None or shutil.which("ip") is None:
        pytest.skip("network namespaces need root, iproute2 and util-linux")
    if subprocess.run(["unshare", "-n", "true"], check=False, capture_output=True).returncode:
        pytest.skip("this sandbox makes no network namespaces")


@contextmanager
def alone() -> Iterator[None]:
    """Wait for other tests that make namespaces: a test that counts all of this machine's would see theirs."""
    with (Path(tempfile.gettempdir()) / "seatrial-test-namespaces.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def standing() -> set[str]:
    """Return the names of all namespaces that a run may have made."""
    return {path.name for path in NETNS.glob("seatrial-*")}


def links_here() -> str:
    """Return the links of this machine's own network, but for those that lead to clusters (`make cluster`)."""
    listed = subprocess.run(["ip", "-o", "link"], check=True, capture_output=True, text=True).stdout
    return "".join(line for line in listed.splitlines(keepends=True) if ": lab-" not in line)


def inside(namespace: str, *command: str) -> str:
    """Run a command in a namespace and return what it prints; empty where the namespace has gone."""
    entering = ["nsenter", f"--net={NETNS / namespace}", "--", *command]
    return subprocess.run(entering, check=False, capture_output=True, text=True).stdout


def link_bytes(namespace: str) -> dict[str, tuple[int, int]]:
    """Return the bytes that each link of a namespace has received and sent, as the kernel counts them."""
    found = {}
    for line in inside(namespace, "cat", "/proc/self/net/dev").splitlines()[2:]:
        name, _, numbers = line.partition(":")
        fields = numbers.split()
        found[name.strip()] = (int(fields[0]), int(fields[8]))
    return found


class LinkWatch:
    """Reads the counters of every link of the namespaces that ``names`` returns, over and over until the block ends."""

    def __init__(self, names: Callable[[], set[str]]) -> None:
        self.seen: dict[str, dict[str, tuple[int, int]]] = {}
        self._names = names
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._look)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()

    def _look(self) -> None:
        while not self._ended.wait(0.1):
            for name in self._names():
                # Links go one by one at the end: what was counted on one that has gone stands.
                self.seen.setdefault(name.rsplit("-", 1)[1], {}).update(link_bytes(name))
