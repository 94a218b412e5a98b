"""Ctrl-C in every phase of a run: once it ends in order, twice at once, and always with everything put back."""

from __future__ import annotations

import os
import pty
import re
import signal
import socket
import subprocess
from contextlib import suppress
from pathlib import Path

import pytest
from tests.support.program import GONE_LIMIT_S, SEATRIAL, Running, run_seatrial, wait_until
from tests.support.runs import START_LIMIT_S, Bench, processes, results, survivors, trials, wait_for_phase

from seatrial.errors import ExitCode

pytestmark = pytest.mark.slow

END_LIMIT_S = 90.0
FOREVER = "1 h"
"""What a run would wait for if nothing ended it: every limit here is far below."""


def write_plan(
    directory: Path, system: str, *, measure: str = FOREVER, cooldown: str = FOREVER, delay: str | None = None
) -> Path:
    delayed = f", delay: {delay}" if delay else ""
    plan = directory / "plan.yaml"
    plan.write_text(
        f"""
name: interrupted
systems: [{system}]
origin: {{kind: seatrial, body: 600 B{delayed}}}
load: {{rate: 20/s, active: 200, connections: 5, connect_rate: 1k/s, timeout: {FOREVER}, resolution: 10 ms}}
phases: {{stable_for: 0 s, warmup: 200 ms, measure: {measure}, cooldown: {cooldown}}}
repeat: 1
objectives: [errors == 0]
capacity: never
"""
    )
    return plan


def assert_put_back(running: Running, run: Path, bench: Bench) -> None:
    running.assert_nothing_left()
    assert wait_until(lambda: not survivors(run), GONE_LIMIT_S), survivors(run)
    assert [change for change in processes(run) if not change.undone_utc] == []
    assert not list(run.glob(".*")), "a draft was left"
    clean = run_seatrial("clean", "--runs", str(bench.runs))
    assert (clean.code, clean.stdout) == (ExitCode.PASS, "nothing left\n"), clean


def wait_for_line(running: Running, words: str) -> str:
    """Read what is said on stderr up to a line with these words; the test's own limit ends a wait in vain."""
    assert running.process.stderr is not None
    for line in running.process.stderr:
        if words in line:
            return line
    raise AssertionError(f"it never said {words!r}")


@pytest.mark.parametrize(
    ("system", "phase"),
    [
        ("envoy", "set up"),
        ("nginx", "set up"),
        ("nginx", "ramp"),
        ("direct", "warm up"),
        ("envoy", "measure"),
    ],
)
def test_two_ctrl_c_in_any_phase_cut_the_run_short(tmp_path: Path, system: str, phase: str) -> None:
    # No answer comes: whoever waits for one waits for an hour.
    bench = Bench(tmp_path)
    with bench.start(write_plan(tmp_path, system, delay="50 min")) as running:
        run = bench.run_directory()
        wait_for_phase(run, phase)
        running.signal(signal.SIGINT)
        wait_for_line(running, "once more to cut that short")
        running.signal(signal.SIGINT)
        outcome = running.wait(END_LIMIT_S)
        assert_put_back(running, run, bench)
    assert outcome.code == ExitCode.INTERRUPTED, outcome
    assert f"report: {run / 'report.html'}" in outcome.stdout
    assert results(run)["run"]["state"] == "interrupted"


def test_one_ctrl_c_ends_the_cool_down(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    with bench.start(write_plan(tmp_path, "nginx", measure="1 s")) as running:
        run = bench.run_directory()
        wait_for_phase(run, "measure")
        # A connection of somebody else's keeps nginx from being idle.
        (config,) = run.glob("configs/*-nginx/nginx.conf")
        listens = re.findall(r"listen\s+([\d.]+):(\d+)", config.read_text())
        with socket.create_connection((listens[0][0], int(listens[0][1]))):
            wait_for_phase(run, "cool down")
            # The last counts are over, and the wait for nginx has begun, when the workers are gone.
            assert wait_until(lambda: not workers_of(running), START_LIMIT_S)
            running.signal(signal.SIGINT)
            outcome = running.wait(END_LIMIT_S)
        assert_put_back(running, run, bench)
    assert outcome.code == ExitCode.INTERRUPTED, outcome
    assert "interrupted: the trial is ended in order" in outcome.stderr
    assert f"the rest of it: seatrial run --resume {run}" in outcome.stderr
    (trial,) = trials(results(run)).values()
    assert trial["load"]["requests"]["completed"] == 20


def workers_of(running: Running) -> list[int]:
    found = []
    for pid in running.left():
        with suppress(OSError):
            if b"worker\0" in Path(f"/proc/{pid}/cmdline").read_bytes():
                found.append(pid)
    return found


def test_ctrl_c_while_results_are_written_waits_for_them(tmp_path: Path) -> None:
    bench, pipe = Bench(tmp_path), tmp_path / "results"
    os.mkfifo(pipe)
    plan = write_plan(tmp_path, "direct", measure="1 s")
    with Running("run", str(plan), "--json", str(pipe), directory=tmp_path) as running:
        run = bench.run_directory()
        # It now waits for somebody who reads the pipe.
        assert wait_until((run / "report.html").exists, START_LIMIT_S)
        for _ in range(3):
            running.signal(signal.SIGINT)
            wait_for_line(running, f"the reports of {run} are being written")
        assert running.process.poll() is None
        text = pipe.read_text()
        outcome = running.wait(END_LIMIT_S)
        assert_put_back(running, run, bench)
    assert outcome.code == ExitCode.INTERRUPTED, outcome
    assert f"report: {run / 'report.html'}" in outcome.stdout
    assert text == (run / "results.json").read_text()


def test_a_terminal_that_is_closed_leaves_a_report(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    plan = write_plan(tmp_path, "direct")
    master, slave = pty.openpty()

    # In a session of its own, whose terminal this becomes: closing it is then hanging up.
    process = subprocess.Popen(
        ["setsid", "--ctty", SEATRIAL, "run", str(plan)],
        cwd=tmp_path,
        stdin=slave,
        stdout=slave,
        stderr=slave,
    )
    os.close(slave)
    try:
        run = bench.run_directory()
        wait_for_phase(run, "measure")
        # The kernel sends SIGHUP, and nothing can be printed any more.
        os.close(master)
        assert process.wait(END_LIMIT_S) == ExitCode.INTERRUPTED
    finally:
        process.kill()
        process.wait()
    assert results(run)["run"]["state"] == "interrupted"
    assert (run / "report.html").stat().st_size
    assert not survivors(run)
