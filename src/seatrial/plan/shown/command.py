"""A case's load as the ``seatrial load`` command that drives it alone."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

from seatrial.units import format_count, format_duration, format_rate

if TYPE_CHECKING:
    from collections.abc import Iterator

    from seatrial.plan.cases import Case

ADDRESS = "ADDRESS"
"""Stands for where the system listens, which no plan knows."""


def load_command(case: Case, address: str = ADDRESS) -> str:
    """Return the command, for a shell; flags that have the command's own default are left out.

    The seed is not in it: each trial draws its own.
    """
    return shlex.join(["seatrial", "load", f"http://{address}{case.load.path}", *_flags(case)])


def _flags(case: Case) -> Iterator[str]:
    load, phases = case.load, case.phases
    yield from _pace(case)
    if load.connections:
        yield from ("--hold", format_count(load.connections))
    yield from ("--connect-rate", _rate(load.connect_rate_per_s))
    yield from ("-d", _time(phases.measure_s))
    for flag, length_s in (("--stable-for", phases.stable_for_s), ("--warmup", phases.warmup_s)):
        if length_s:
            yield from (flag, _time(length_s))
    yield from ("--timeout", _time(load.timeout_s))
    if load.resolution != "auto":
        is_word = isinstance(load.resolution, str)
        yield from (
            "--resolution",
            str(load.resolution) if is_word else _time(float(load.resolution)),
        )
    if load.workers is not None:
        yield from ("-t", str(load.workers))
    for source in load.sources:
        yield from ("--source", source)
    yield from _request(case)


def _pace(case: Case) -> Iterator[str]:
    load = case.load
    is_closed = load.loop == "closed"
    if load.rate_per_s:
        yield from ("-R", _rate(load.rate_per_s))
    if is_closed:
        yield "--closed"
    if load.arrival != "uniform" and not is_closed:
        yield from ("--arrival", load.arrival)
    yield from ("-c", format_count(load.carrying))


def _request(case: Case) -> Iterator[str]:
    load = case.load
    if load.method != "GET":
        yield from ("--method", load.method)
    if load.host is not None:
        yield from ("--host", load.host)
    for name, value in load.headers:
        yield from ("-H", f"{name}: {value}")
    if load.expect_status:
        yield from ("--expect-status", ",".join(map(str, load.expect_status)))


def _time(seconds: float) -> str:
    # Without a space no shell needs quotes.
    return format_duration(seconds).replace(" ", "")


def _rate(per_s: float) -> str:
    return format_rate(per_s).removesuffix("/s")
