"""A million idle connections held for a minute while 1,000 requests/s are answered, both ends on this machine:
`python -m benchmarks.million`. It needs 24 GiB of memory and takes about three minutes.

While connections are opened the kernel's count of sockets is read every second: the rate has to stay flat to the end.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import sys
from urllib.parse import urlsplit

from benchmarks.bars import Bar, print_bars
from benchmarks.programs import origin
from seatrial.generator.frames import Frame
from seatrial.run.load import LoadHooks, judged_load
from seatrial.workload.profile import Stretch
from seatrial.workload.spec import LoadSpec, Target

DESCRIPTORS = 14_000
"""What one origin process holds of the 20,000 that a hard limit may allow it."""
FLAT = 0.8
"""The slowest tenth of the ramp has at least this share of the median tenth's rate; 0.93 was measured."""


def main() -> None:
    """Hold them, and print what it took."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.million", description=__doc__)
    parser.add_argument("--connections", type=int, default=1_000_000)
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--connect-rate", type=float, default=22_000)
    arguments = parser.parse_args()
    processes = str(-(-arguments.connections // DESCRIPTORS))
    with origin("--port", "18200", "--processes", processes) as url:
        asyncio.run(_hold(url, arguments))


async def _hold(url: str, arguments: argparse.Namespace) -> None:
    parts = urlsplit(url)
    ramp = Ramp()
    load = LoadSpec(
        targets=(Target(parts.hostname or "", parts.port or 0),),
        profile=(Stretch(arguments.seconds, 1000.0, 1000.0),),
        active=50,
        held=arguments.connections,
        connect_rate_per_s=arguments.connect_rate,
        measure_s=arguments.seconds,
    )
    _, result = await judged_load(load, LoadHooks(on_frame=ramp.on_frame))
    held = result.connections.held.established
    print(
        f"{held:,} idle connections, {result.requests.completed:,} of {result.requests.intended:,} answered;"
    )
    print(f"p50 {result.latency_us.p50:,} us, p99 {result.latency_us.p99:,} us; {result.validity.state}")
    print(
        f"{result.generator.processes} workers, {result.generator.pss_bytes / held:,.0f} B of each a connection"
    )
    rates = ramp.rates_per_s()
    print(f"opened {statistics.mean(rates):,.0f}/s; by tenths: {', '.join(f'{rate:,.0f}' for rate in rates)}")
    for reason in result.validity.reasons:
        sys.stderr.write(f"{reason.code}: {reason.text}\n")
    print_bars(
        Bar("reasons why it is not VALID", len(result.validity.reasons), "at most", 0, "", 0),
        Bar("idle connections held throughout", held, "at least", arguments.connections, "", 0),
        Bar("requests answered", result.requests.completed, "at least", 1000 * arguments.seconds, "", 0),
        Bar("slowest tenth of the ramp to the median", min(rates) / statistics.median(rates), "at least", FLAT, "x"),
    )  # fmt: skip


class Ramp:
    """How many connections were open when, from the workers' frames."""

    def __init__(self) -> None:
        """Nothing is open yet."""
        self._opened: list[tuple[int, int]] = []

    def on_frame(self, frame: Frame) -> None:
        """Note what a worker opened in an interval."""
        self._opened.append((frame.end_ns, frame.opened))

    def rates_per_s(self) -> list[float]:
        """Return the rate in each tenth of the connections, in the order of opening."""
        marks, total = [], 0
        for end_ns, opened in sorted(self._opened):
            total += opened
            marks.append((end_ns, total))
        tenths: list[float] = []
        size, last = marks[-1][1] / 10, marks[0]
        for mark in marks:
            if mark[1] >= (len(tenths) + 1) * size and mark[0] > last[0]:
                tenths.append((mark[1] - last[1]) / ((mark[0] - last[0]) / 1e9))
                last = mark
        return tenths


if __name__ == "__main__":
    main()
