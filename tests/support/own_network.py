"""A network namespace of a test's own: its settings may be changed without touching the machine's."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

TOOLS = ("unshare", "nsenter", "ip", "ss")
# A user namespace around it where this is not root.
WAYS = ((["-n"], ["-n"]), (["-rn"], ["-U", "--preserve-credentials", "-n"]))
UP = "ip link set lo up && echo up && exec sleep 600"


@dataclass(frozen=True, slots=True)
class OwnNetwork:
    """The namespace; ``prefix`` runs a command in it."""

    pid: int
    prefix: tuple[str, ...]

    @property
    def name(self) -> str:
        """What the kernel calls it."""
        return str(Path(f"/proc/{self.pid}/ns/net").readlink())

    def run(self, *argv: str) -> str:
        """Run a command in it and return what it prints."""
        return subprocess.run([*self.prefix, *argv], check=True, capture_output=True, text=True).stdout

    def read(self, name: str) -> str:
        """Return a setting as the kernel has it in there."""
        return " ".join(self.run("cat", f"/proc/sys/{name.replace('.', '/')}").split())

    def write(self, name: str, value: str) -> None:
        """Set a setting in there."""
        self.run("sh", "-c", f"echo '{value}' > /proc/sys/{name.replace('.', '/')}")


@contextmanager
def own_network(**settings: str) -> Iterator[OwnNetwork]:
    """Make one with its loopback up and these settings (``__`` for ``.``); skip the test where the kernel refuses."""
    lacking = [tool for tool in TOOLS if shutil.which(tool) is None]
    if lacking:
        pytest.skip(f"needs {', '.join(lacking)} (Debian: util-linux, iproute2)")
    process, enter = _started()
    try:
        made = OwnNetwork(process.pid, ("nsenter", "-t", str(process.pid), *enter, "--"))
        for name, value in settings.items():
            made.write(name.replace("__", "."), value)
        yield made
    finally:
        process.kill()
        process.communicate()


def _started() -> tuple[subprocess.Popen[str], Sequence[str]]:
    said = []
    for flags, enter in WAYS:
        process = subprocess.Popen(
            ["unshare", *flags, "sh", "-c", UP], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        assert process.stdout is not None
        if process.stdout.readline() == "up\n":
            return process, enter
        said.append(process.communicate()[1].strip())
    pytest.skip(f"no network namespace can be made here: {'; '.join(said)}")
