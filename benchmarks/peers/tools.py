"""Where the peers come from: Debian's packages as they are, the others built at pinned versions into the checkout."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import seatrial

CHECKOUT = Path(__file__).parents[2]
BUILT = CHECKOUT / "benchmarks" / ".peers"
BUILD_LIMIT_S = 1800
CAUSE_CHARACTERS_MAX = 200


class UnavailableError(Exception):
    """A peer that cannot be measured here; the message is the cause, for the table."""


@dataclass(frozen=True, slots=True)
class Tool:
    """A program: of a Debian package, or built from a registry at a version by a builder, or Seatrial itself."""

    name: str
    source: str
    package: str | None = None
    module: str | None = None
    crate: str | None = None
    pinned: str = ""

    def find(self) -> str:
        """Return the program's path, building it first where it is not there; raises UnavailableError."""
        if self.package is not None:
            found = shutil.which(self.name)
            if found is None:
                raise UnavailableError(f"not installed: apt-get install {self.package}")
            return found
        if self.module is None and self.crate is None:
            return str(Path(sys.executable).with_name(self.name))
        return str(self._built())

    def version(self) -> str:
        """Return the version that was measured."""
        if self.package is not None:
            return _output(["dpkg-query", "-W", "-f", "${Version}", self.package]) or "unknown"
        if self.pinned:
            return self.pinned
        commit = _output(["git", "-C", str(CHECKOUT), "rev-parse", "--short", "HEAD"])
        return f"{seatrial.__version__} ({commit or 'no commit'})"

    def _built(self) -> Path:
        home = BUILT / f"{self.name}-{self.pinned}"
        program = home / "bin" / self.name
        if not program.exists():
            sys.stderr.write(f"building {self.name} {self.pinned}, once; this takes minutes\n")
            self._build(home)
        return program

    def _build(self, home: Path) -> None:
        command, environment = self._builder(home)
        if shutil.which(command[0]) is None:
            raise UnavailableError(f"not built: {command[0]} not found")
        try:
            # One job, and nicely: compiles of this size would otherwise take the whole machine.
            built = subprocess.run(
                ["nice", "-n", "15", *command],
                env={**os.environ, **environment},
                capture_output=True,
                text=True,
                timeout=BUILD_LIMIT_S,
                check=False,
            )
        except subprocess.TimeoutExpired:
            raise UnavailableError(f"not built within {BUILD_LIMIT_S} s") from None
        if built.returncode != 0:
            sys.stderr.write(built.stderr)
            last = (built.stderr.strip() or "no message").splitlines()[-1]
            raise UnavailableError(f"not built: {last[:CAUSE_CHARACTERS_MAX]}")

    def _builder(self, home: Path) -> tuple[list[str], dict[str, str]]:
        if self.module is not None:
            command = ["go", "install", "-p", "1", f"{self.module}@{self.pinned}"]
            return command, {"GOBIN": str(home / "bin"), "GOFLAGS": "-mod=mod"}
        command = ["cargo", "install", str(self.crate), "--version", self.pinned, "--locked", "--jobs", "1"]
        return [*command, "--root", str(home)], {}


def _output(command: list[str]) -> str | None:
    if shutil.which(command[0]) is None:
        return None
    ended = subprocess.run(command, capture_output=True, text=True, timeout=10, check=False)
    return ended.stdout.strip() if ended.returncode == 0 else None
