"""vegeta: a constant rate. The 100 connections bound either its connections or its workers, which is not the same."""

from __future__ import annotations

import json
from collections.abc import Sequence

from benchmarks.peers.base import Load, Report, Row
from benchmarks.peers.tools import Tool

TOOL = Tool("vegeta", "Go module proxy", module="github.com/tsenart/vegeta/v12", pinned="v12.13.0")
RESULTS = "vegeta.bin"


def unbounded_workers(load: Load) -> list[str]:
    """As many workers as needed wait for 100 connections, and their wait counts."""
    return _attack(load, f"-max-connections={load.connections}")


def bounded_workers(load: Load) -> list[str]:
    """100 workers; while all are busy nothing is due."""
    return _attack(load, f"-workers={load.connections}", f"-max-workers={load.connections}")


def reports(load: Load) -> list[list[str]]:
    """What vegeta prints of its file: the summary, and the spectrum for p99.9."""
    results = str(load.scratch / RESULTS)
    return [["vegeta", "report", f"-type={kind}", results] for kind in ("json", "hdrplot")]


def target(load: Load) -> str:
    """The request, which vegeta reads from its standard input."""
    return f"GET {load.url}\n"


def read(texts: Sequence[str], _load: Load) -> Report:
    """Read the summary (nanoseconds) and the spectrum (milliseconds)."""
    summary, spectrum = json.loads(texts[1]), texts[2]
    latencies = summary["latencies"]
    p50_us, p99_us, max_us = (latencies[name] / 1e3 for name in ("50th", "99th", "max"))
    return Report(summary["status_codes"]["200"], p50_us, p99_us, quantile_us(spectrum, 0.999), max_us)


def quantile_us(spectrum: str, quantile: float) -> float:
    """Return the first value of the spectrum at or above a quantile, in microseconds."""
    lines = [line.split() for line in spectrum.splitlines()[1:] if line.strip()]
    return next(float(line[0]) * 1e3 for line in lines if float(line[1]) >= quantile)


def _attack(load: Load, *limits: str) -> list[str]:
    rate = [f"-rate={load.rate_per_s}/s", f"-duration={load.seconds}s", f"-connections={load.connections}"]
    return ["vegeta", "attack", *rate, *limits, "-max-body=0", f"-output={load.scratch / RESULTS}"]


_UNBOUNDED = Row(
    "vegeta -max-connections", TOOL, "open", unbounded_workers, read, after=reports, stdin=target
)
_BOUNDED = Row("vegeta -max-workers", TOOL, "paced", bounded_workers, read, after=reports, stdin=target)
STALL = (_UNBOUNDED, _BOUNDED)
COST = (_BOUNDED,)
