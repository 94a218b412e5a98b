"""Reading takes no writing: records in places that may only be read, and records that are damaged."""

from __future__ import annotations

import json
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
from tests.support.disks import Disk, mounted
from tests.support.made_run import PLAN_TEXT, Twist, compiled_plan, make_run, trial_events
from tests.support.program import Outcome, run_seatrial

from seatrial.errors import ExitCode
from seatrial.record import events
from seatrial.record.reader import RunReader
from seatrial.record.writer import RunWriter


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Disk]:
    with mounted(tmp_path / "disk", "32m") as mounted_disk:
        yield mounted_disk


def copy_of_a_live_run(parent: Path, to: Path) -> Path:
    """Copy a run while it is being written, as a kill at that moment would leave it: with its log."""
    compiled = compiled_plan()
    with RunWriter.create(parent, "cut", PLAN_TEXT, json.dumps(compiled)) as writer:
        writer.append(events.RunStarted("cut", "cut", 12))
        for event in trial_events(1, 1, compiled["cases"][0], 12, Twist()):
            writer.append(event)
        to.mkdir()
        for name in ("record.db", "record.db-wal", "plan.yaml"):
            shutil.copy(writer.path / name, to / name)
    assert (to / "record.db-wal").stat().st_size
    return to


def test_a_finished_run_is_reported_where_nothing_can_be_written(disk: Disk) -> None:
    run = make_run(disk.path)
    disk.protect()
    outcome = run_seatrial("report", str(run))
    assert outcome.code == ExitCode.PASS, outcome
    assert "nginx: PASS" in outcome.stdout
    assert "warning: " in outcome.stderr
    assert "Read-only file system" in outcome.stderr
    document = run_seatrial("report", "--json", "-", str(run))
    assert (document.code, len(document.document["cases"])) == (ExitCode.PASS, 12)
    noted = run_seatrial("note", str(run), "too late")
    assert noted.code == ExitCode.ENVIRONMENT
    assert "cannot write into" in noted.stderr
    # The process that the record names is not of this boot, so nothing is left.
    assert run_seatrial("clean", "--runs", str(disk.path)).code == ExitCode.PASS


def test_the_log_of_a_run_that_was_cut_off_is_read_where_no_index_can_be_made(
    disk: Disk, tmp_path: Path
) -> None:
    run = copy_of_a_live_run(tmp_path, disk.path / "run")
    writable = tmp_path / "copy"
    shutil.copytree(run, writable)
    disk.protect()
    with RunReader.open(run) as there, RunReader.open(writable) as here:
        assert there.frames(1) == here.frames(1)
        assert len(there.frames(1)) > 1
        assert there.trials() == here.trials()
        assert not there.damage
    document = run_seatrial("report", "--json", "-", str(run)).document
    assert document["cases"][0]["trials"][0]["state"] == "completed"


def test_a_log_that_was_torn_is_read_up_to_its_last_whole_commit(disk: Disk, tmp_path: Path) -> None:
    run = copy_of_a_live_run(tmp_path, disk.path / "run")
    log = run / "record.db-wal"
    log.write_bytes(log.read_bytes()[: log.stat().st_size * 2 // 3])
    writable = tmp_path / "copy"
    shutil.copytree(run, writable)
    disk.protect()
    with RunReader.open(run) as there, RunReader.open(writable) as here:
        assert there.run() == here.run()
        assert there.trials() == here.trials()
        assert there.frames(1) == here.frames(1)


def damage(run: Path, statement: str) -> None:
    with closing(sqlite3.connect(run / "record.db")) as connection, connection:
        connection.execute(statement)


@pytest.mark.parametrize(
    ("statement", "named"),
    [
        ("UPDATE loads SET hellos = '[' WHERE trial = 1", "row 1 of the table loads"),
        ("UPDATE loads SET driven = '{}' WHERE trial = 1", "row 1 of the table loads"),
        ("UPDATE trials SET facts = 'no JSON' WHERE id = 1", "row 1 of the table trials"),
        ("UPDATE frames SET counters = '[]' WHERE id = 2", "row 2 of the table frames"),
        (
            "UPDATE frame_histograms SET data = x'00112233' WHERE id = 5",
            "row 5 of the table frame_histograms",
        ),
        ("UPDATE process_samples SET role = 'origin' WHERE role = 'origin'", ""),
        ("UPDATE host_samples SET sample = '' WHERE id = 3", "row 3 of the table host_samples"),
    ],
)
def test_a_row_that_cannot_be_read_is_named_and_the_rest_is_shown(
    tmp_path: Path, invoke: Callable[..., Outcome], statement: str, named: str
) -> None:
    run = make_run(tmp_path, systems=("direct",))
    damage(run, statement)
    outcome = invoke("report", str(run), "--json", "-")
    document = outcome.document
    assert len(document["cases"]) == 4
    of_first = document["cases"][0]["trials"][0]
    if not named:
        assert (outcome.code, outcome.stderr) == (ExitCode.PASS, "")
        return
    assert outcome.code == ExitCode.INVALID_MEASUREMENT, outcome
    assert f"warning: the record is damaged: {named}" in outcome.stderr
    reasons = {reason["code"]: reason["text"] for reason in of_first["validity"]["reasons"]}
    assert named in reasons["environment.record"]
    assert any(named in entry["text"] for entry in document["journal"])
    # No other trial is doubted for it.
    assert [case["validity"]["state"] for case in document["cases"][1:]] == ["VALID"] * 3
    assert named in (run / "report.md").read_text()


@pytest.mark.parametrize(
    ("statement", "named"),
    [
        ("UPDATE plan SET compiled = 'no JSON'", "row 1 of its table plan"),
        ("UPDATE cases SET document = '{}' WHERE position = 0", "of its table cases"),
        ("DELETE FROM run", "holds no run"),
        ("PRAGMA user_version = 99", "version 99"),
        ("PRAGMA user_version = 1", "an earlier Seatrial"),
    ],
)
def test_a_record_without_its_plan_is_refused_by_name(
    tmp_path: Path, invoke: Callable[..., Outcome], statement: str, named: str
) -> None:
    run = make_run(tmp_path, trials=1)
    damage(run, statement)
    outcome = invoke("report", str(run))
    assert outcome.code == ExitCode.BAD_INPUT, outcome
    assert named in outcome.stderr
    assert str(run) in outcome.stderr


@pytest.mark.parametrize("kept", [0.05, 0.5, 0.9, 0.98])
def test_a_record_that_was_cut_short_is_shown_as_far_as_it_goes_or_refused(
    tmp_path: Path, invoke: Callable[..., Outcome], kept: float
) -> None:
    run = make_run(tmp_path, systems=("direct",))
    database = run / "record.db"
    content = database.read_bytes()
    database.write_bytes(content[: int(len(content) * kept)])
    outcome = invoke("report", str(run))
    assert outcome.code in {ExitCode.BAD_INPUT, ExitCode.INVALID_MEASUREMENT}, outcome
    assert str(run) in outcome.stderr or "the record is damaged" in outcome.stderr


def test_clean_goes_on_after_records_that_cannot_be_read_and_says_which(
    tmp_path: Path, invoke: Callable[..., Outcome]
) -> None:
    runs = tmp_path / "runs"
    torn, odd = make_run(runs, trials=1), make_run(runs, trials=1)
    for run, name in ((torn, "0-torn"), (odd, "1-odd")):
        run.rename(runs / name)
    damage(runs / "0-torn", "UPDATE changes SET detail = '{', undone_utc = NULL")
    damage(runs / "1-odd", 'UPDATE changes SET detail = \'{"name": "envoy"}\', undone_utc = NULL')
    whole = make_run(runs, trials=1)
    outcome = invoke("clean", "--runs", str(runs), "--json", "-")
    assert outcome.code == ExitCode.ENVIRONMENT, outcome
    assert outcome.document["runs"] == 3
    assert outcome.document["unreadable"] == [str(runs / "0-torn")]
    assert "row 1 of the table changes" in outcome.stderr
    text = invoke("clean", "--runs", str(runs))
    assert f"skipped {runs / '0-torn'}" in text.stdout
    assert "nothing left" not in text.stdout
    assert str(whole) not in text.stderr


@pytest.mark.parametrize("command", ["run", "report", "clean"])
def test_a_document_that_cannot_be_written_is_refused_before_anything_starts(
    tmp_path: Path, invoke: Callable[..., Outcome], command: str
) -> None:
    run = make_run(tmp_path, trials=1)
    (tmp_path / "plan.yaml").write_text(
        "name: a\nsystems: [direct]\nload: {rate: 10/s, active: 1}\nphases: {measure: 1 h}\n"
    )
    arguments = {
        "run": (str(tmp_path / "plan.yaml"), "--runs", str(tmp_path / "runs")),
        "report": (str(run),),
        "clean": ("--runs", str(tmp_path)),
    }[command]
    outcome = invoke(command, *arguments, "--json", str(tmp_path / "no/such/file.json"))
    assert outcome.code == ExitCode.ENVIRONMENT
    assert "file.json cannot be written" in outcome.stderr
    assert not (tmp_path / "runs").exists()
    assert not (run / "report.html").exists()
