"""The record: what goes in comes out, also while it is live, and a foreign directory is refused."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing

import pytest
from tests.support.made_run import PLAN_TEXT, Twist, compiled_plan, made_account, made_frames, make_run

from seatrial.errors import RecordError
from seatrial.live.tail import RunTail
from seatrial.live.terminal.lines import Course
from seatrial.live.terminal.screen import screen
from seatrial.record import events
from seatrial.record.journal import add_note
from seatrial.record.lock import RunLock, is_live
from seatrial.record.reader import RunReader
from seatrial.record.writer import RunWriter


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    return make_run(tmp_path_factory.mktemp("runs"), trials=3)


def test_run_and_plan_come_back(made):
    with RunReader.open(made) as reader:
        run = reader.run()
        assert (run.state, run.trials, run.name) == ("finished", 24, "made-run")
        assert reader.plan_text() == PLAN_TEXT == (made / "plan.yaml").read_text()
        assert reader.question() == compiled_plan()["plan"]["question"]
        assert [objective.text for objective in reader.objectives()] == ["p99 < 5 ms", "errors == 0"]
        assert reader.environment()["host"] == "bench-1"
        case = reader.cases()[0]
        assert (case.id, case.held, case.rate_per_s) == ("direct-connections=200-rate=1000", 200, 1000)
        assert len(reader.cases()) == 12


def test_frames_come_back_bit_for_bit(made):
    case = compiled_plan()["cases"][1]
    with RunReader.open(made) as reader:
        assert reader.frames(2) == tuple(made_frames(2, case, Twist()))


def test_trials_and_samples_come_back(made):
    with RunReader.open(made) as reader:
        trials = reader.trials()
        assert [trial.state for trial in trials] == ["completed"] * 3
        assert trials[0].counts.generator_completed == trials[0].counts.origin_requests == 8_000
        assert trials[0].counts.system_requests is None
        assert trials[0].facts.drained_before_start is True
        assert [reader.account(number) for number in (1, 2)] == [
            made_account(number, case) for number, case in enumerate(compiled_plan()["cases"][:2], 1)
        ]
        samples = reader.process_samples(1)
        assert {(*sample.key, sample.name) for sample in samples} == {
            ("generator", "worker-0", "11@1", "worker-0"),
            ("generator", "worker-1", "12@1", "worker-1"),
            ("origin", "origin", "13@1", "origin"),
        }
        assert len(reader.host_samples(1)) == len(reader.system_samples(1)) == 12
        own = reader.system_samples(1)[0]
        assert (own.system, own.member, own.incarnation) == ("direct", "direct", "14@1")
        assert reader.changes()[0].undone_utc is not None


def test_phases_end_where_the_next_begins(made):
    with RunReader.open(made) as reader:
        phases = reader.phases(1)
    assert [phase.name for phase in phases] == ["set up", "ramp", "warm up", "measure", "cool down"]
    assert [phase.end_s for phase in phases[:-1]] == [phase.start_s for phase in phases[1:]]
    assert phases[3].end_s is not None
    assert phases[3].end_s - phases[3].start_s == 6


def test_listeners_hear_every_event_in_order(tmp_path):
    heard: list[events.Event] = []
    sent: list[events.Event] = [
        events.RunStarted("r", "p", 0),
        events.Noted("seatrial", "hello"),
        events.RunEnded("finished"),
    ]
    with RunWriter.create(tmp_path, "p", "", json.dumps(compiled_plan())) as writer:
        writer.subscribe(heard.append)
        for event in sent:
            writer.append(event)
    assert heard == sent


def test_a_live_run_is_readable_and_takes_notes(tmp_path):
    with RunWriter.create(tmp_path, "live", "", json.dumps(compiled_plan())) as writer:
        writer.append(events.RunStarted("r", "live", 1))
        writer.append(events.TrialStarted(1, "direct-connections=200-rate=1000", "direct", 1, 1, 1, 10.0))
        add_note(writer.path, "turned the heating off")
        writer.append(events.Noted("seatrial", "went on"))
        with RunReader.open(writer.path) as reader:
            assert reader.run().state == "running"
            assert reader.trials()[0].state == "running"
            assert [entry.text for entry in reader.journal()] == ["turned the heating off", "went on"]
    add_note(writer.path, "afterwards")
    with RunReader.open(writer.path) as reader:
        assert reader.run().state == "cut off"
        assert reader.journal()[-1].author == "person"


def test_a_change_is_on_disk_before_it_is_made(tmp_path):
    with RunWriter.create(tmp_path, "p", "", json.dumps(compiled_plan())) as writer:
        change = writer.will_start("sysctl", {"name": "net.core.somaxconn", "from": 128})
        with RunReader.open(writer.path) as reader:
            assert [(item.id, item.undone_utc) for item in reader.changes()] == [(change, None)]
        writer.undone(change)
        with RunReader.open(writer.path) as reader:
            assert reader.changes()[0].undone_utc is not None


def test_two_runs_of_a_plan_in_one_second_get_two_directories(tmp_path):
    compiled = json.dumps(compiled_plan())
    paths = set()
    for _ in range(3):
        with RunWriter.create(tmp_path, "same name / twice", "", compiled) as writer:
            paths.add(writer.path)
    assert len(paths) == 3
    assert all(path.name.endswith(("same-name-twice", "-2", "-3")) for path in paths)


def test_the_lock_shows_who_is_alive(tmp_path):
    assert not is_live(tmp_path)
    lock = RunLock(tmp_path)
    assert is_live(tmp_path)
    with pytest.raises(RecordError, match="being written"):
        RunLock(tmp_path)
    lock.release()
    lock.release()
    assert not is_live(tmp_path)


def test_a_finished_run_is_one_plain_file(made):
    assert not list(made.glob("record.db-*"))
    with sqlite3.connect(made / "record.db") as connection:
        tables = {row[0] for row in connection.execute("SELECT sql FROM sqlite_master WHERE type = 'table'")}
    connection.close()
    assert all("WITHOUT ROWID" not in sql for sql in tables)


def test_what_is_no_record_is_refused_with_a_next_step(tmp_path):
    with pytest.raises(RecordError, match="not a run directory") as caught:
        RunReader.open(tmp_path)
    assert caught.value.next_step
    (tmp_path / "record.db").write_bytes(b"garbage" * 1_000)
    with pytest.raises(RecordError, match="cannot be read"):
        RunReader.open(tmp_path)


@pytest.mark.parametrize(("version", "cause"), [(99, "a later Seatrial"), (2, "an earlier Seatrial")])
def test_a_record_of_another_version_is_refused(tmp_path, version, cause):
    with sqlite3.connect(tmp_path / "record.db") as connection:
        connection.execute(f"PRAGMA user_version = {version}")
        connection.execute("CREATE TABLE run (id)")
    connection.close()
    with pytest.raises(RecordError, match=f"version {version}") as caught:
        RunReader.open(tmp_path)
    assert cause in (caught.value.cause or "")
    assert caught.value.next_step


HOSTILE = "\x1b]0;mine\x07 \x1b[31mred\r\nsecond \udcff line\x9b2J"


def test_what_commands_a_terminal_or_is_no_character_is_in_no_journal_and_no_error(tmp_path):
    """Entries quote whoever answered with an error, and names of files."""
    expected = "\ufffd]0;mine\ufffd \ufffd[31mred\nsecond \ufffd line\ufffd2J"
    heard: list[tuple[str, ...]] = []
    course = Course()
    with RunWriter.create(tmp_path, "p", "", json.dumps(compiled_plan())) as writer:
        writer.subscribe(lambda event: heard.append(course.take(event)))
        writer.append(events.RunStarted("r", "p", 1))
        writer.append(events.Noted("seatrial", HOSTILE))
        add_note(writer.path, HOSTILE)
    with closing(sqlite3.connect(writer.path / "record.db")) as old, old:
        # As a record has it that was written by another version.
        old.execute(
            "INSERT INTO journal (at_utc, author, text) VALUES ('2026-01-01T00:00:00.000+00:00', 'person', ?)",
            ("\x1b[2J",),
        )
    with RunReader.open(writer.path) as reader:
        assert [entry.text for entry in reader.journal()] == ["\ufffd[2J", expected, expected]
    with RunTail(writer.path) as tail:
        texts = [event.text for event in tail.new() if isinstance(event, events.Noted)]
    assert sorted(texts) == sorted(["\ufffd[2J", expected, expected])
    assert heard[-1] == (f"  note by seatrial: {expected}",)
    drawn = screen(course, 0.0, 200, 50).plain
    assert "mine" in drawn
    assert not {"\x1b", "\x07", "\r"} & set(drawn)
    error = RecordError(HOSTILE, cause="\x1b[1m", next_step="\x07")
    assert (str(error), error.cause, error.next_step) == (expected, "\ufffd[1m", "\ufffd")
