"""Our own programs, run as a user runs them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from benchmarks.pinned import run_pinned

SEATRIAL = str(Path(sys.executable).with_name("seatrial"))
PATIENCE_S = 600


def load(url: str, *flags: str, core: int | None = None) -> dict[str, Any]:
    """Drive a load, on one core where one is given, and return its document.

    Raises
    ------
    RuntimeError
        It was INVALID, or printed no document.
    """
    command = [SEATRIAL, "load", url, "-q", "--json", "-", *flags]
    ended = run_pinned(command, os.sched_getaffinity(0) if core is None else {core}, PATIENCE_S)
    if not ended.stdout:
        raise RuntimeError(f"{' '.join(command)} printed nothing:\n{ended.stderr}")
    document: dict[str, Any] = json.loads(ended.stdout)
    return document


@contextmanager
def origin(*flags: str) -> Iterator[str]:
    """Serve until the block ends; yields the URL."""
    with subprocess.Popen(
        [SEATRIAL, "origin", *flags],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stderr is not None
        try:
            yield process.stderr.readline().split()[-1]
        finally:
            process.terminate()
