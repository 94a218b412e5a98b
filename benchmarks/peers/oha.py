"""oha: a rate for all connections together, with its correction for coordinated omission."""

from __future__ import annotations

import json
from collections.abc import Sequence

from benchmarks.peers.base import Load, Report, Row
from benchmarks.peers.tools import Tool

TOOL = Tool("oha", "crates.io", crate="oha", pinned="1.16.0")


def command(load: Load) -> list[str]:
    """Run for the time, wait for what is under way then, and print JSON."""
    rate = ["-q", str(load.rate_per_s), "--latency-correction"]
    how = ["-z", f"{load.seconds}s", "-w", "-c", str(load.connections)]
    return ["oha", *how, *rate, "--no-tui", "--output-format", "json", load.url]


def read(texts: Sequence[str], _load: Load) -> Report:
    """Read the document; its times are in seconds."""
    document = json.loads(texts[0])
    percentiles = document["latencyPercentiles"]
    times_s = (percentiles["p50"], percentiles["p99"], percentiles["p99.9"], document["summary"]["slowest"])
    return Report(document["statusCodeDistribution"]["200"], *(time_s * 1e6 for time_s in times_s))


STALL = COST = (Row("oha --latency-correction", TOOL, "open", command, read),)
