"""hey: a rate for each worker, a connection for each worker. Its CSV has every request, to 0.1 ms."""

from __future__ import annotations

import csv
import re
from collections.abc import Sequence

from benchmarks.peers.base import Load, Report, Row, report_of_samples
from benchmarks.peers.tools import Tool

TOOL = Tool("hey", "Debian", package="hey")


def command(load: Load) -> list[str]:
    """Run at the rate for the time, and print the summary."""
    rate = ["-q", str(load.rate_per_connection)]
    return ["hey", "-z", f"{load.seconds}s", "-c", str(load.connections), *rate, load.url]


def listed(load: Load) -> list[str]:
    """The same, and print every request."""
    return ["hey", "-o", "csv", *command(load)[1:]]


def read(texts: Sequence[str], _load: Load) -> Report:
    """Read the summary."""
    text = texts[0]
    found = re.search(r"\[200\]\s+(\d+) responses", text)
    slowest = re.search(r"Slowest:\s+([\d.]+) secs", text)
    if found is None or slowest is None:
        raise ValueError("no counts in hey's summary")
    return Report(int(found[1]), _percentile(text, 50), _percentile(text, 99), None, _us(slowest[1]))


def read_list(texts: Sequence[str], _load: Load) -> Report:
    """Compute percentiles from the CSV."""
    rows = csv.DictReader(texts[0].splitlines())
    return report_of_samples([_us(row["response-time"]) for row in rows])


def _percentile(text: str, percent: int) -> float | None:
    found = re.search(rf"{percent}% in ([\d.]+) secs", text)
    return None if found is None else _us(found[1])


def _us(seconds: str) -> float:
    return float(seconds) * 1e6


STALL = (Row("hey -q", TOOL, "paced", listed, read_list),)
COST = (Row("hey -q", TOOL, "paced", command, read),)
