"""Runs a row once: its command on given cores, then the commands that print what it kept."""

from __future__ import annotations

import subprocess
from collections.abc import Collection
from dataclasses import dataclass

from benchmarks.peers.base import Load, Report, Row
from benchmarks.peers.tools import CHECKOUT, UnavailableError
from benchmarks.pinned import Ran, run_pinned

SPARE_S = 60
"""For the start (thousands of virtual users), for answers that are waited for, and for sorting at the end."""


@dataclass(frozen=True, slots=True)
class Measured:
    """What a row said, and the CPU time of its command over the requests that it counts."""

    report: Report
    cpu_us_per_request: float


def measure(row: Row, load: Load, cores: Collection[int]) -> Measured:
    """Run it; raises UnavailableError where it is not there, fails, or prints what cannot be read."""
    program = row.tool.find()
    try:
        ran = _run(row, [program, *row.command(load)[1:]], load, cores)
        rest = [_run(row, [program, *command[1:]], load, cores) for command in row.after(load)]
        report = row.read([ran.stdout, *(each.stdout for each in rest)], load)
    except subprocess.TimeoutExpired:
        raise UnavailableError(f"did not end within {load.seconds + SPARE_S} s") from None
    except (ValueError, KeyError, IndexError, OSError, StopIteration) as error:
        raise UnavailableError(f"printed no result that can be read: {error!r}") from None
    if report.requests == 0:
        raise UnavailableError("made no request")
    return Measured(report, ran.cpu_s * 1e6 / report.requests)


def _run(row: Row, command: list[str], load: Load, cores: Collection[int]) -> Ran:
    ran = run_pinned(command, cores, load.seconds + SPARE_S, CHECKOUT, row.stdin(load))
    if ran.code not in row.good_codes:
        last = (ran.stderr.strip() or "no message").splitlines()[-1]
        raise UnavailableError(f"ended with status {ran.code}: {last[:200]}")
    return ran
