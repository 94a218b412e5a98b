"""Small file systems of our own: to be filled to the last byte, or made read-only, which stops root, too."""

from __future__ import annotations

import errno
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import RawIOBase
from pathlib import Path

import pytest


@dataclass(frozen=True, slots=True)
class Disk:
    """A tmpfs."""

    path: Path

    @property
    def _filling(self) -> Path:
        return self.path / "filling"

    def fill(self, but_bytes: int = 0) -> None:
        """Take every byte that is free, but for some."""
        with self._filling.open("ab", buffering=0) as file:
            for size in (1 << 16, 1 << 12, 1):
                _write_until_full(file, size)
            if but_bytes:
                file.truncate(max(0, file.tell() - but_bytes))

    def free(self) -> None:
        """Give back what was taken."""
        self._filling.unlink()

    def protect(self) -> None:
        """Make it read-only, for everybody."""
        subprocess.run(["mount", "-o", "remount,ro", str(self.path)], check=True, timeout=60)


def _write_until_full(file: RawIOBase, size: int) -> None:
    try:
        while file.write(bytes(size)) == size:
            pass
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise


@contextmanager
def mounted(path: Path, size: str) -> Iterator[Disk]:
    """Mount a disk of this size; skip the test where mounting is not allowed."""
    mount = shutil.which("mount")
    if mount is None:
        pytest.skip("there is no mount program here, so no disk of our own to fill")
    path.mkdir()
    command = [mount, "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(path)]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    if ended.returncode:
        pytest.skip(f"no disk of our own to fill: {ended.stderr.strip()} (mounting takes CAP_SYS_ADMIN)")
    try:
        yield Disk(path)
    finally:
        # Lazily: a process that a failed test left may still have a file open there.
        subprocess.run(["umount", "--lazy", str(path)], check=True, timeout=60)
