"""h2load: closed loop, or a rate for each client. Only its log of requests has percentiles (nghttp2 1.52)."""

from __future__ import annotations

import re
from collections.abc import Sequence

from benchmarks.peers.base import Load, Report, Row, report_of_samples
from benchmarks.peers.tools import Tool

TOOL = Tool("h2load", "Debian", package="nghttp2-client")
LOG = "h2load.log"
_UNITS_US = {"us": 1.0, "ms": 1e3, "s": 1e6}


def closed(load: Load) -> list[str]:
    """HTTP/1.1, one thread, as many requests as the clients can make."""
    return ["h2load", "--h1", "-t1", f"-c{load.connections}", f"-D{load.seconds}", load.url]


def paced(load: Load) -> list[str]:
    """The same at a rate, which h2load takes for each client."""
    return [*closed(load)[:-1], f"--rps={load.rate_per_connection}", load.url]


def logged(load: Load) -> list[str]:
    """The same, with a line in a file for each request."""
    return [*paced(load)[:-1], f"--log-file={load.scratch / LOG}", load.url]


def read(texts: Sequence[str], _load: Load) -> Report:
    """Read the count of answers and the greatest time; there are no percentiles in the text."""
    found = re.search(r"(\d+) succeeded", texts[0])
    times = re.search(r"time for request:\s+\S+\s+([\d.]+)(us|ms|s)\s", texts[0])
    if found is None or times is None:
        raise ValueError("no counts or no times in h2load's text")
    return Report(int(found[1]), max_us=float(times[1]) * _UNITS_US[times[2]])


def read_log(_texts: Sequence[str], load: Load) -> Report:
    """Compute percentiles from the log."""
    return report_of_log((load.scratch / LOG).read_text())


def report_of_log(text: str) -> Report:
    """Describe a log: a line has start, status and duration in microseconds, by tabs."""
    return report_of_samples([float(line.split("\t")[2]) for line in text.splitlines()])


STALL = (Row("h2load --rps", TOOL, "paced", logged, read_log),)
COST = (Row("h2load", TOOL, "closed", closed, read), Row("h2load --rps", TOOL, "paced", paced, read))
