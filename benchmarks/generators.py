"""The generators that are compared: each runs once and says how many requests it made, at what CPU cost."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from benchmarks.pinned import run_pinned

CONNECTIONS = 100


@dataclass(frozen=True, slots=True)
class Outcome:
    """One run: requests per second, CPU microseconds per request, and latency where the generator measures it."""

    requests_per_s: float
    cpu_us_per_request: float
    p50_us: float | None = None
    service_p50_us: float | None = None
    lateness_p99_us: float | None = None
    lateness_p999_us: float | None = None


@dataclass(frozen=True, slots=True)
class Generator:
    """A way to drive a load."""

    name: str
    command: Callable[[str, float], list[str]]
    read: Callable[[str, float, float], Outcome]

    def run(self, url: str, seconds: float, core: int) -> Outcome:
        """Run once, pinned to a core, and read the outcome from what was printed and from the CPU time used."""
        process = run_pinned(self.command(url, seconds), {core}, seconds + 60)
        try:
            return self.read(process.stdout, process.cpu_s, seconds)
        except (AttributeError, ValueError, KeyError):
            raise RuntimeError(f"{self.name} printed no result:\n{process.stdout}{process.stderr}") from None


def _wrk(output: str, cpu_s: float, seconds: float) -> Outcome:
    requests = int(re.search(r"(\d+) requests in", output).group(1))  # type: ignore[union-attr]
    return Outcome(requests / seconds, cpu_s * 1e6 / requests)


def _h2load(output: str, cpu_s: float, seconds: float) -> Outcome:
    requests = int(re.search(r"(\d+) succeeded", output).group(1))  # type: ignore[union-attr]
    return Outcome(requests / seconds, cpu_s * 1e6 / requests)


def _seatrial(output: str, _cpu_s: float, _seconds: float) -> Outcome:
    document = json.loads(output)
    if document["requests"]["completed"] != document["requests"]["intended"]:
        raise RuntimeError(f"seatrial left requests unanswered: {document['requests']}")
    return Outcome(
        document["rate_per_s"]["achieved"],
        # The worker's own, over the window: the parent sleeps, and its start costs the same however long the load is.
        document["generator"]["cpu_us_per_request"],
        document["latency_us"]["p50"],
        document["service_time_us"]["p50"],
        document["lateness_us"]["p99"],
        document["lateness_us"]["p999"],
    )


def _load(*flags: str) -> Callable[[str, float], list[str]]:
    seatrial = str(Path(sys.executable).with_name("seatrial"))
    return lambda url, seconds: [
        seatrial, "load", url, "-q", "--json", "-", "-t", "1", "-c", str(CONNECTIONS), "-d", f"{seconds:g}s",
        "--warmup", "500ms", *flags,
    ]  # fmt: skip


WRK = Generator("wrk", lambda url, seconds: ["wrk", "-t1", f"-c{CONNECTIONS}", f"-d{seconds:g}s", url], _wrk)
H2LOAD = Generator(
    "h2load",
    lambda url, seconds: ["h2load", "--h1", "-t1", f"-c{CONNECTIONS}", "-D", f"{seconds:g}", url],
    _h2load,
)
CLOSED = Generator("seatrial --closed", _load("--closed"), _seatrial)
CLOSED_WITHOUT_NAPS = Generator(
    "seatrial --closed --resolution fine",
    _load("--closed", "--resolution", "fine", "--warmup", "0s"),
    _seatrial,
)
OPEN_20K = Generator("seatrial -R 20k", _load("-R", "20k"), _seatrial)
OPEN_20K_FINE = Generator(
    "seatrial -R 20k --resolution fine", _load("-R", "20k", "--resolution", "fine"), _seatrial
)
