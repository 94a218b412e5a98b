"""wrk: closed loop only. Its timeout is raised above the stall, else its histogram leaves the stall out."""

from __future__ import annotations

import json
from collections.abc import Sequence

from benchmarks.peers.base import Load, Report, Row
from benchmarks.peers.tools import Tool

TOOL = Tool("wrk", "Debian", package="wrk")
SCRIPT = "benchmarks/peers/wrk.lua"


def command(load: Load) -> list[str]:
    """One thread; the script prints the result as JSON."""
    threads = ["-t1", f"-c{load.connections}", f"-d{load.seconds}s"]
    return ["wrk", *threads, "--timeout", "10s", "-s", SCRIPT, load.url]


def defaults(load: Load) -> list[str]:
    """The same with wrk's own timeout of 2 s."""
    return ["wrk", "-t1", f"-c{load.connections}", f"-d{load.seconds}s", "-s", SCRIPT, load.url]


def read(texts: Sequence[str], _load: Load) -> Report:
    """Read the line of JSON among what wrk prints itself."""
    (line,) = [line for line in texts[0].splitlines() if line.startswith("{")]
    return Report(**json.loads(line))


STALL = (
    Row("wrk", TOOL, "closed", command, read),
    Row("wrk, its own timeout (2 s)", TOOL, "closed", defaults, read),
)
COST = (Row("wrk", TOOL, "closed", command, read),)
