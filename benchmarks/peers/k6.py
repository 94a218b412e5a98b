"""k6: a constant arrival rate. A connection belongs to a virtual user, so 100 connections are 100 of these."""

from __future__ import annotations

import json
from collections.abc import Sequence

from benchmarks.peers.base import Load, Report, Row
from benchmarks.peers.tools import Tool

TOOL = Tool("k6", "Go module proxy", module="go.k6.io/k6", pinned="v1.8.1")
ENOUGH_USERS = 4500
"""More than the requests that come due in a stall of 2 s at 2,000/s, and 100 beside them."""


def few(load: Load) -> list[str]:
    """A virtual user for each of the connections."""
    return _run(load, load.connections)


def enough(load: Load) -> list[str]:
    """A virtual user for each request that a stall holds up, with a connection each."""
    return _run(load, ENOUGH_USERS)


def read(texts: Sequence[str], _load: Load) -> Report:
    """Read the metrics; times are in milliseconds."""
    metrics = json.loads(texts[0])
    duration = metrics["http_req_duration"]["values"]
    times_us = (duration[name] * 1e3 for name in ("med", "p(99)", "p(99.9)", "max"))
    return Report(metrics["http_reqs"]["values"]["count"], *times_us)


def _run(load: Load, users: int) -> list[str]:
    values = {"URL": load.url, "RATE": load.rate_per_s, "SECONDS": load.seconds, "VUS": users}
    settings = [word for name, value in values.items() for word in ("-e", f"{name}={value}")]
    return ["k6", "run", "--quiet", "--no-usage-report", *settings, "benchmarks/peers/k6.js"]


STALL = (
    Row("k6, 100 users", TOOL, "paced", few, read),
    Row("k6, 4,500 users and connections", TOOL, "open", enough, read),
)
COST = (Row("k6, 100 users", TOOL, "paced", few, read),)
