"""``seatrial.load`` and ``aload``: what the command line does, as functions."""

from __future__ import annotations

import asyncio
import inspect
import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hdrh.histogram import HdrHistogram
from tests.support import hostile
from tests.support.load_contract import assert_counts_add_up
from tests.support.program import MARK, Running, run_seatrial, running_origin, wait_until

import seatrial
from seatrial.cli.load import load as load_command
from seatrial.errors import EnvironmentFault, InvalidMeasurement, PlanError, SeatrialError
from seatrial.machine import proc
from seatrial.record.histograms.log import read_histogram_log

CLOSED_PORT = "http://127.0.0.1:9/"


@pytest.fixture(scope="module")
def url():
    with running_origin("--body", "600 B") as origin:
        yield origin.url


def shape(document: Any) -> Any:
    """The keys of a document, all the way down."""
    return {key: shape(value) for key, value in document.items()} if isinstance(document, dict) else None


def test_the_result_is_the_document_of_the_command_line(url: str) -> None:
    result = seatrial.load(
        url, rate=400, connections=4, duration=0.5, hold=10, seed=7, header={"X-Test": "1"}, expect_status=200
    )
    document = result.to_json()
    printed = run_seatrial(
        "load", url, "-q", "--json", "-", "-R", "400", "-c", "4", "-d", "500ms", "--hold", "10", "--seed", "7",
        "-H", "X-Test: 1", "--expect-status", "200",
    ).document  # fmt: skip
    assert_counts_add_up(document)
    assert shape(document) == shape(printed)
    assert list(document) == list(printed)
    same = (
        "schema",
        "url",
        "loop",
        "arrival",
        "seed",
        "requests",
        "status",
        "errors",
        "window_s",
        "connections",
    )
    assert {name: document[name] for name in same} == {name: printed[name] for name in same}
    assert json.loads(json.dumps(document)) == document


def test_numbers_and_texts_mean_the_same(url: str) -> None:
    texts = seatrial.load(
        url, rate="400/s", connections="4", duration="500 ms", timeout="1s", interval="250ms"
    )
    numbers = seatrial.load(url, rate=400.0, connections=4, duration=0.5, timeout=1, interval=0.25)
    assert texts.window_s == numbers.window_s == 0.5
    assert texts.requests.completed == numbers.requests.completed == 200
    for result in (texts, numbers):
        assert [step.length_s for step in result.intervals if not step.drain] == [0.25, 0.25]


def test_every_flag_of_the_command_line_is_a_parameter_with_its_default() -> None:
    flags = {
        max(option.opts, key=len).lstrip("-").replace("-", "_"): option
        for option in load_command.params
        if option.param_type_name == "option"
    }
    parameters = dict(inspect.signature(seatrial.load).parameters)
    # A document is what `.to_json()` returns, and nothing is shown unless asked for.
    assert {*flags, "url"} - {"json"} == set(parameters)
    for name, option in flags.items():
        if name not in {"json", "quiet"} and isinstance(option.default, str | int):
            assert parameters[name].default == option.default, name


def test_it_works_in_a_running_loop_as_in_a_notebook(url: str) -> None:
    async def cell() -> seatrial.LoadResult:
        return seatrial.load(url, rate=200, connections=2, duration=0.3)

    assert asyncio.run(cell()).requests.completed == 60


def test_the_async_twin_leaves_the_loop_to_others(url: str) -> None:
    async def both() -> tuple[seatrial.LoadResult, int]:
        ticks = 0

        async def tick() -> None:
            nonlocal ticks
            while True:
                await asyncio.sleep(0.02)
                ticks += 1

        ticking = asyncio.create_task(tick())
        result = await seatrial.aload(url, rate=200, connections=2, duration=0.5)
        ticking.cancel()
        return result, ticks

    result, ticks = asyncio.run(both())
    assert result.requests.completed == 100
    assert ticks >= 5


def test_files_and_buckets_hold_what_the_result_says(url: str, tmp_path: Path) -> None:
    log, series = tmp_path / "load.hlog", tmp_path / "load.csv"
    result = seatrial.load(
        url, rate=500, connections=4, duration=1, hdr_log=log, csv=str(series), latency=True
    )
    oracle = HdrHistogram(1, 3_600_000_000, 3)
    for line in read_histogram_log(log):
        oracle.decode_and_add(line.histogram)
    assert oracle.get_total_count() == result.latency_us.count == 500
    assert sum(count for _, count in result.latency_buckets) == 500
    assert result.latency_buckets[-1][0] >= result.latency_us.max
    # One second, and where the last answer came after it a row of the drain.
    rows = series.read_text().splitlines()[1:]
    assert len([row for row in rows if row.endswith(",0")]) == 1
    assert len(rows) == len(result.intervals)
    assert seatrial.load(url, rate=500, duration=0.2).latency_buckets == ()


def test_an_option_that_there_is_not_is_refused_with_the_one_that_is_meant() -> None:
    with pytest.raises(
        TypeError, match=r"^load\(\) has no option 'conections'; did you mean 'connections'\?$"
    ):
        seatrial.load("http://127.0.0.1:1/", rate=1, conections=2)  # type: ignore[call-arg]


def test_an_invalid_result_is_returned_and_raised_on_demand() -> None:
    with hostile.serving(lambda connection: connection.close()) as hanging_up:
        result = seatrial.load(hanging_up, rate=50, connections=2, duration=0.3, timeout=0.2)
    assert not result.validity.is_valid
    with pytest.raises(InvalidMeasurement, match=r"system\.\w+: ") as raised:
        result.raise_for_validity()
    assert any(note.startswith("hint: ") for note in raised.value.__notes__)


def test_a_valid_result_goes_through(url: str) -> None:
    # On a coarse grid a request may leave later, so that a loaded machine does not make it invalid.
    result = seatrial.load(url, rate=100, connections=2, duration=0.5, resolution="10ms")
    if result.validity.is_valid:
        assert result.raise_for_validity() is result
    else:
        with pytest.raises(InvalidMeasurement):
            result.raise_for_validity()


@pytest.mark.parametrize(
    "options",
    [
        {}, {"rate": 0}, {"rate": -1}, {"rate": float("nan")}, {"rate": "fast"}, {"rate": [1]},
        {"rate": 10, "closed": True}, {"rate": 10, "interval": 0.001},
        {"rate": 10, "connections": 1.5}, {"rate": 10, "connections": 0}, {"rate": 10, "duration": 0},
        {"rate": 10, "duration": float("inf")}, {"rate": 10, "arrival": "sometimes"}, {"rate": 10, "reuse": "fifo"},
        {"rate": 10, "seed": -1}, {"rate": 10, "seed": 2**63}, {"rate": 10, "workers": 0},
        {"rate": 10, "header": {"a b": "c"}}, {"rate": 10, "header": {"a": "b\r\nc: d"}}, {"rate": 10, "tls": "1.3"},
        {"rate": 10, "expect_status": "ok"}, {"rate": 10, "body": 10**12}, {"rate": 10, "source": "here"},
    ],
    ids=str,
)  # fmt: skip
def test_options_that_make_no_load_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(PlanError):
        seatrial.load(CLOSED_PORT, **options)


@pytest.mark.parametrize("bad", ["http://[::1", "ftp://127.0.0.1/", "https://127.0.0.1:9/"])
def test_urls_and_protocols_that_are_not_spoken_are_refused(bad: str) -> None:
    with pytest.raises(PlanError):
        seatrial.load(bad, rate=10, tls="1.1")  # type: ignore[arg-type]


def test_what_this_machine_cannot_do_is_its_fault(tmp_path: Path) -> None:
    with pytest.raises(EnvironmentFault):
        seatrial.load("http://no-such-host.invalid/", rate=10)
    with pytest.raises(SeatrialError, match="cannot be written"):
        seatrial.load(CLOSED_PORT, rate=10, csv=tmp_path / "no" / "such" / "directory.csv")


def children() -> set[int]:
    return set(proc.descendants(os.getpid()))


def test_a_cancelled_load_leaves_no_process(url: str) -> None:
    async def cancel() -> int:
        before = children()
        loading = asyncio.create_task(seatrial.aload(url, rate=100, workers=2, connections=4, duration=60))
        while len(children() - before) < 2:  # noqa: ASYNC110 - processes send no event
            await asyncio.sleep(0.02)
        loading.cancel()
        with pytest.raises(asyncio.CancelledError):
            await loading
        return len(children() - before)

    async def in_time() -> int:
        async with asyncio.timeout(30):
            return await cancel()

    assert asyncio.run(in_time()) == 0


INTERRUPTED = """
import sys, seatrial
try:
    seatrial.load(sys.argv[1], rate=100, workers=2, connections=4, duration=60)
except KeyboardInterrupt:
    print("interrupted", flush=True)
"""


def test_ctrl_c_ends_a_blocking_load_and_leaves_no_process(url: str) -> None:
    running = Running.__new__(Running)
    running.mark = f"library-{os.getpid()}"
    running.process = subprocess.Popen(
        [sys.executable, "-c", INTERRUPTED, url], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        env={**os.environ, MARK: running.mark},
    )  # fmt: skip
    with running:
        assert wait_until(lambda: len(running.left()) == 3, 20.0)
        running.signal(signal.SIGINT)
        outcome = running.wait(20.0)
        running.assert_nothing_left()
    assert (outcome.code, outcome.stdout, outcome.stderr) == (0, "interrupted\n", "")


def test_importing_the_package_is_light() -> None:
    heavy = ("seatrial", "pydantic", "numpy", "asyncio")
    code = f"import sys, seatrial; dir(seatrial); print(*sorted(m for m in sys.modules if m.startswith({heavy})))"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.split() == ["seatrial", "seatrial._version"]
    with pytest.raises(AttributeError, match="no attribute"):
        seatrial.__getattr__("lode")


def test_a_load_needs_no_models(url: str) -> None:
    code = (
        "import sys, seatrial; seatrial.load(sys.argv[1], rate=100, duration=0.1);"
        "import seatrial.cli.load, seatrial.report.load.text, seatrial.report.load.files;"
        "print([m for m in ('pydantic', 'numpy', 'jinja2', 'rich') if m in sys.modules])"
    )
    found = subprocess.run([sys.executable, "-c", code, url], capture_output=True, text=True, check=True)
    assert found.stdout == "[]\n"
