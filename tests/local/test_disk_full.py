"""A disk that is full, at each stage of a run: the cause in words, what was measured shown, everything put back."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.support.disks import Disk, mounted
from tests.support.made_run import make_run
from tests.support.program import Outcome, run_seatrial
from tests.support.runs import Bench, results, survivors, trials, wait_for_answers, wait_for_phase

from seatrial.errors import ExitCode

RUN_LIMIT_S = 90.0
MEASURE = "10 min"
"""A trial that went on in spite of everything would outlast every limit here."""


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Disk]:
    with mounted(tmp_path / "disk", "8m") as mounted_disk:
        yield mounted_disk


def assert_the_disk_is_blamed(outcome: Outcome) -> None:
    assert outcome.code == ExitCode.ENVIRONMENT, outcome
    assert "has a bug" not in outcome.stderr
    # A thread that dies prints more than `Traceback`, which every outcome is searched for.
    assert "Exception" not in outcome.stderr
    for part in ("error: ", "cause: ", "hint: ", "are free at"):
        assert part in outcome.stderr, outcome.stderr


def test_a_run_that_cannot_be_recorded_is_refused_and_leaves_nothing(disk: Disk) -> None:
    bench = Bench(disk.path)
    plan = bench.plan("direct")
    disk.fill()
    outcome = run_seatrial("run", str(plan), "--runs", str(bench.runs), limit_s=RUN_LIMIT_S)
    assert_the_disk_is_blamed(outcome)
    assert list(bench.runs.iterdir()) == []


def test_a_disk_that_fills_up_ends_the_trial_and_what_was_recorded_is_shown(disk: Disk) -> None:
    bench = Bench(disk.path)
    with bench.start(bench.plan("nginx", "direct", measure=MEASURE)) as running:
        run = bench.run_directory()
        wait_for_phase(run, "measure")
        wait_for_answers(run)
        disk.fill()
        outcome = running.wait(RUN_LIMIT_S)
        running.assert_nothing_left()
    assert not survivors(run)
    assert_the_disk_is_blamed(outcome)
    assert "requests/s asked" in outcome.stdout
    assert f"record: {run}" in outcome.stderr
    assert_the_record_is_read_on_a_full_disk(run)
    assert run_seatrial("clean", "--runs", str(bench.runs)).code == ExitCode.PASS
    disk.free()
    again = run_seatrial("report", str(run))
    assert again.code == ExitCode.INVALID_MEASUREMENT, again
    (trial,) = trials(results(run)).values()
    assert trial["state"] == "cut off"
    assert trial["load"]["requests"]["completed"] > 0


def assert_the_record_is_read_on_a_full_disk(run: Path) -> None:
    text = run_seatrial("report", str(run))
    assert_the_disk_is_blamed(text)
    assert "requests/s asked" in text.stdout
    document = run_seatrial("report", "--json", "-", str(run))
    assert document.code == ExitCode.INVALID_MEASUREMENT, document
    assert trials(document.document)
    noted = run_seatrial("note", str(run), "nothing fits any more")
    assert_the_disk_is_blamed(noted)


def test_a_report_that_does_not_fit_is_shown_and_takes_no_room(disk: Disk) -> None:
    run = make_run(disk.path, systems=("nginx",))
    before = {path.name for path in run.iterdir()}
    disk.fill(but_bytes=20_000)
    outcome = run_seatrial("report", str(run))
    assert_the_disk_is_blamed(outcome)
    assert "nginx: PASS" in outcome.stdout
    assert {path.name for path in run.iterdir()} - before <= {"results.json", "results.csv", "report.md"}
    assert run_seatrial("report", "--json", "-", str(run)).code == ExitCode.PASS
    disk.free()
    assert run_seatrial("report", str(run)).code == ExitCode.PASS
    assert (run / "report.html").stat().st_size > 20_000


def test_what_a_killed_report_left_is_removed_by_the_next(tmp_path: Path) -> None:
    run = make_run(tmp_path, systems=("direct",))
    # No process has such an id: the kernel gives none above 4,194,304.
    left = run / ".report.html.9999999"
    left.write_bytes(bytes(1000))
    assert run_seatrial("report", str(run)).code == ExitCode.PASS
    assert not list(run.glob(".*"))


def test_a_record_that_may_not_grow_ends_the_run_as_a_full_disk_does(tmp_path: Path) -> None:
    # A limit of the process, as a quota would: SQLite calls this one an I/O error.
    bench = Bench(tmp_path)
    plan = bench.plan("direct", measure=MEASURE)
    outcome = run_seatrial(
        "run",
        str(plan),
        "--runs",
        str(bench.runs),
        prefix=("prlimit", "--fsize=600000", "--"),
        limit_s=RUN_LIMIT_S,
    )
    assert_the_disk_is_blamed(outcome)
    assert "requests/s asked" in outcome.stdout
    run = bench.run_directory()
    assert not survivors(run)
    document = json.loads(run_seatrial("report", "--json", "-", str(run)).stdout)
    assert document["run"]["state"] == "cut off"
