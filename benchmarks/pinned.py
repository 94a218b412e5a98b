"""Runs a program to its end on given cores and counts its CPU time: one way for every generator."""

from __future__ import annotations

import os
import resource
import subprocess
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Ran:
    """How a program ended. ``cpu_s`` is user and system time of it and all that it started and waited for."""

    code: int
    stdout: str
    stderr: str
    cpu_s: float


def run_pinned(
    command: Sequence[str],
    cores: Collection[int],
    limit_s: float,
    directory: Path | None = None,
    stdin: str = "",
) -> Ran:
    """Run ``command``, one at a time: CPU time is counted over all children of this process that end meanwhile."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    process = subprocess.run(
        command,
        capture_output=True,
        text=True,
        timeout=limit_s,
        cwd=directory,
        input=stdin,
        preexec_fn=lambda: os.sched_setaffinity(0, cores),
        check=False,
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu_s = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return Ran(process.returncode, process.stdout, process.stderr, cpu_s)
