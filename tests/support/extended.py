"""A copy of the package with one file and one line more: is that all that it takes to add something?"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import seatrial

LIMIT_S = 60


def extended(directory: Path, name: str, text: str, registry: str, line: str, before: str) -> Path:
    """Copy the package, add a file ``name`` to it, and to its file ``registry`` a line before another; return where."""
    copy = directory / "seatrial"
    shutil.copytree(Path(seatrial.__file__).parent, copy, ignore=shutil.ignore_patterns("__pycache__"))
    (copy / name).write_text(text)
    lines = (copy / registry).read_text()
    assert lines.count(before) == 1
    (copy / registry).write_text(lines.replace(before, line + before))
    return directory


def run(program: Path, *arguments: str, limit_s: float = LIMIT_S) -> subprocess.CompletedProcess[str]:
    """Run the copy's command line."""
    return subprocess.run(
        [sys.executable, "-m", "seatrial.cli.main", *arguments],
        env={**os.environ, "PYTHONPATH": str(program)}, cwd=program, capture_output=True, text=True, timeout=limit_s,
        check=False,
    )  # fmt: skip
