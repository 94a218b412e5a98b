"""What the network carries, measured for real: the kernel's counters are the judge, and iperf3 where there is one."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from tests.support.program import Running, run_seatrial, wait_until
from tests.support.runs import START_LIMIT_S, Bench, results, survivors

from seatrial.errors import EnvironmentFault, ExitCode
from seatrial.machine.address import Endpoint
from seatrial.machine.place import Places
from seatrial.machine.processes import programs
from seatrial.machine.processes.changes import ChangeLog, Unrecorded
from seatrial.preflight.capacity import DIRECTIONS, Capacity
from seatrial.record.changes import open_changes
from seatrial.record.reader import RunReader
from seatrial.run.capacity.iperf3 import PROGRAM
from seatrial.run.capacity.measure import measured
from seatrial.run.capacity.ways import Way
from seatrial.run.places.ends import LocalEnd

pytestmark = pytest.mark.slow

MEASURE_S = 0.3
APART_MAX = 20
"""Two tools on a machine with other work; more than this apart, one of them counts something else (bits, or none)."""


def loopback_bytes() -> int:
    line = next(
        line for line in Path("/proc/net/dev").read_text().splitlines() if line.strip().startswith("lo:")
    )
    return int(line.split()[1])


def test_the_kernel_has_carried_what_was_measured(tmp_path: Path) -> None:
    place = Places.on_this_machine().load

    async def measure() -> list[Capacity]:
        ways = (Way("loopback", LocalEnd(place), LocalEnd(place)),)
        return [capacity async for capacity in measured(ways, tmp_path, Unrecorded(), MEASURE_S)]

    before = loopback_bytes()
    (capacity,) = asyncio.run(measure())
    carried = loopback_bytes() - before
    # Each ran for so long, and some for longer: what they say together has gone over the loopback at least.
    ours = [figure for figure in capacity.figures if figure.tool == "seatrial"]
    assert [(figure.direction, figure.connections) for figure in ours] == [
        ("responses", 1), ("responses", 8), ("requests", 1), ("requests", 8),
    ]  # fmt: skip
    assert carried >= sum(figure.bytes_per_s * MEASURE_S for figure in ours)
    # Not a bit more than there was, and not a body of one: a megabyte came within the time.
    assert all(figure.bytes_per_s > 1e6 for figure in ours)
    assert capacity.requests_per_s > 100
    assert_iperf3_agrees(capacity)


@dataclass(frozen=True, slots=True)
class CutOff(LocalEnd):
    """An end that says where its origin is, which nobody reaches."""

    @asynccontextmanager
    async def serving(
        self, body_bytes: int, label: str, folder: Path, changes: ChangeLog
    ) -> AsyncIterator[tuple[Endpoint, ...]]:
        at = self.place.address()
        yield (Endpoint(at.host, at.port),)


def test_no_figure_is_made_of_connections_that_did_not_come_about(tmp_path: Path) -> None:
    place = Places.on_this_machine().load

    async def measure() -> None:
        way = Way("load - proxy", LocalEnd(place), CutOff(place))
        async for _ in measured((way,), tmp_path, Unrecorded(), MEASURE_S):
            pytest.fail("there is nothing to be measured")

    with pytest.raises(EnvironmentFault) as raised:
        asyncio.run(measure())
    assert raised.value.what.startswith("the network cannot be measured, load - proxy")
    assert "NetworkPolicy" in (raised.value.cause or "")


def assert_iperf3_agrees(capacity: Capacity) -> None:
    try:
        programs.find(PROGRAM)
    except EnvironmentFault:
        assert "no iperf3 is installed" in capacity.missing[0]
        assert "make tools" in capacity.missing[0]
        return
    assert capacity.missing == ()
    for direction in DIRECTIONS:
        by_tool: dict[str, list[float]] = {}
        for figure in capacity.figures:
            if figure.direction == direction:
                by_tool.setdefault(figure.tool, []).append(figure.bytes_per_s)
        ours, theirs = max(by_tool["seatrial"]), max(by_tool["iperf3"])
        assert 1 / APART_MAX < ours / theirs < APART_MAX, capacity


PLAN = """
name: wide
systems: [direct]
origin: {body: 60 MB}
load: {active: 1, rate: 10k/s}
phases: {warmup: 0 s, measure: 1 s}
repeat: 1
"""


def test_a_plan_beyond_the_network_is_refused_before_its_first_trial(tmp_path: Path) -> None:
    plan = tmp_path / "wide.yaml"
    plan.write_text(PLAN)
    dry = run_seatrial("run", "--dry-run", str(plan))
    assert "network     measured first (loopback)" in dry.stdout
    assert "10k/s x 60 MB of responses = 600 GB/s" in dry.stdout
    bench = Bench(tmp_path)
    with bench.start(plan) as running:
        outcome = running.wait(START_LIMIT_S)
        running.assert_nothing_left()
    assert outcome.code == ExitCode.ENVIRONMENT, outcome
    assert "the network cannot carry what the plan asks for" in outcome.stderr
    assert "10k/s x 60 MB of responses = 600 GB/s; measured " in outcome.stderr
    run = bench.run_directory()
    assert survivors(run) == ()
    assert open_changes(run) == ((), ())
    with RunReader.open(run) as reader:
        (capacity,) = reader.capacities()
        assert reader.trials() == ()
    assert results(run)["network"] == [capacity.document()]
    assert "Network: loopback" in (run / "report.html").read_text()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_check_puts_everything_back_where_a_person_ends_it(tmp_path: Path, number: signal.Signals) -> None:
    bench = Bench(tmp_path)
    words = ("check", str(bench.plan("direct")), "--network")
    with Running(*words, directory=tmp_path) as running:
        run = bench.run_directory(running)
        # Beside itself: its workers and its origin.
        assert wait_until(lambda: len(running.left()) > 1, START_LIMIT_S)
        running.signal(number)
        outcome = running.wait(START_LIMIT_S)
        running.assert_nothing_left()
    assert (outcome.code, outcome.stdout) == (ExitCode.INTERRUPTED, "")
    assert "measuring the network (loopback), about 14 s" in outcome.stderr
    assert "interrupted: everything is being put back" in outcome.stderr
    assert open_changes(run) == ((), ())
    with RunReader.open(run) as reader:
        assert (reader.run().state, reader.capacities()) == ("interrupted", ())
