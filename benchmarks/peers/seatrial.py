"""Seatrial itself, measured as the others are: the whole command, its start in Python counted in."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence

from benchmarks.peers.base import Load, Report, Row
from benchmarks.peers.tools import Tool

TOOL = Tool("seatrial", "this checkout")
JUDGED = frozenset({0, 3})
"""VALID and INVALID: the others have no rules to be invalid by, so both are shown, and which it was."""


def opened(*flags: str) -> Callable[[Load], list[str]]:
    """Open loop at the rate."""
    return lambda load: [*_load(load), "-R", str(load.rate_per_s), *flags, load.url]


def closed(load: Load) -> list[str]:
    """Closed loop."""
    return [*_load(load), "--closed", load.url]


def read(texts: Sequence[str], _load: Load) -> Report:
    """Read the document."""
    document = json.loads(texts[0])
    latency, requests = document["latency_us"], document["requests"]
    p50_us, p99_us, p999_us, max_us = (latency[name] for name in ("p50", "p99", "p999", "max"))
    own_us = document["generator"]["cpu_us_per_request"]
    reasons = ", ".join(reason["code"] for reason in document["validity"]["reasons"])
    return Report(requests["completed"], p50_us, p99_us, p999_us, max_us, own_us, reasons or None)


def _load(load: Load) -> list[str]:
    how = ["-t", "1", "-c", str(load.connections), "-d", f"{load.seconds}s", "--timeout", "10s"]
    return ["seatrial", "load", "-q", "--json", "-", *how]


_OPEN = Row("seatrial -R", TOOL, "open", opened(), read, good_codes=JUDGED)
_FINE = Row(
    "seatrial -R --resolution fine", TOOL, "open", opened("--resolution", "fine"), read, good_codes=JUDGED
)
_CLOSED = Row("seatrial --closed", TOOL, "closed", closed, read, good_codes=JUDGED)
STALL = (_OPEN, _CLOSED)
COST = (_OPEN, _FINE, _CLOSED)
