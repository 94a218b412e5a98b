"""What a record keeps of its trials: the same as is made from the frames, and never instead of other frames or code."""

from __future__ import annotations

import json
import shutil
import sqlite3
from contextlib import closing
from dataclasses import replace
from itertools import product
from typing import TYPE_CHECKING

import pytest
from tests.support.kept import answered_from_kept, assert_kept_as_made, forget, keep_all
from tests.support.loads import with_values
from tests.support.made_run import CAPACITY, PLAN_TEXT, Twist, compiled_plan, make_run, trial_events

from seatrial.analysis.run import kept as kept_module
from seatrial.analysis.run import made_by as made_by_module
from seatrial.analysis.run.made_by import made_by
from seatrial.analysis.run.summary import outcome_of, summarise_run
from seatrial.observe.prometheus.series import Observed, ObservedSeries
from seatrial.preflight.capacity import Figure
from seatrial.record import events
from seatrial.record.reader import RunReader
from seatrial.record.tables.summary_rows import TABLE
from seatrial.record.writer import RunWriter
from seatrial.report.csv import results_csv
from seatrial.report.html import render_html
from seatrial.report.json import results_document
from seatrial.report.markdown import render_markdown

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from typing import Any

    from seatrial.analysis.run.model import RunSummary

OBSERVED = Observed(
    "memory", "up", "bytes", 9.0, 15.0, 1.0, 6, "1 s", 0.0, 0.001,
    (ObservedSeries((("job", "x"),), ((10.0, 1.5), (11.0, "NaN"))), ObservedSeries((), ())), warnings=("odd",),
)  # fmt: skip
TWISTS = {
    1: Twist(slow=30.0, disturbed_s=2.0, changed_s=2.0, observed=(OBSERVED,), discovered_s=1.0),
    2: Twist(busy=True),
    3: Twist(driver="io_uring"),
    5: Twist(died=True),
    6: Twist(lateness_us=900),
    7: Twist(held_lost=5),
    8: Twist(generator_cores=0.95),
    9: Twist(counts_off=1),
    10: Twist(drained=False),
    11: Twist(lost_frame=7),
    12: Twist(errors={"read_reset": 40}),
}
ROUTES = [
    {
        "route": name,
        "sent": 3,
        "completed": 2,
        "failed": 1,
        "unexpected": 1,
        "completed_in_all": 4,
        "latency": "",
    }
    for name in ("a.example /", "b.example /")
]


def summary_of(run: Path) -> RunSummary:
    with RunReader.open(run) as reader:
        return summarise_run(reader)


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """Return a run with trials of many kinds, and two attempts made again."""
    run = make_run(tmp_path_factory.mktemp("runs"), twists=TWISTS, again=(5, 7))
    assert keep_all(run) == set(range(1, 27))
    return run


@pytest.fixture
def small(whole: Path, tmp_path: Path) -> Path:
    """Return a copy of the run that may be changed."""
    return shutil.copytree(whole, tmp_path / "run")


def test_every_report_is_the_same_to_the_byte_whether_trials_were_kept_or_are_made_again(
    whole, tmp_path
) -> None:
    assert_kept_as_made(whole, set(range(1, 27)))
    again = shutil.copytree(whole, tmp_path / "again")
    forget(again)
    assert answered_from_kept(again) == set()
    kept, made = summary_of(whole), summary_of(again)
    assert {trial.state for case in kept.cases for trial in case.attempts} == {"completed", "failed"}
    assert kept.invalid
    assert repr(kept) == repr(made)
    assert json.dumps(results_document(kept)) == json.dumps(results_document(made))
    assert results_csv(kept) == results_csv(made)
    assert render_markdown(kept) == render_markdown(made)


def test_the_page_is_the_same_to_the_byte(tmp_path) -> None:
    # Of one trial, for to draw charts takes long.
    run = make_run(tmp_path, trials=1)
    assert keep_all(run) == {1}
    kept = render_html(summary_of(run))
    forget(run)
    assert render_html(summary_of(run)) == kept


def other_loads() -> Iterator[list[events.Event]]:
    """Yield what happens in trials whose loads are of other kinds than the made run's."""
    cases = compiled_plan()["cases"]
    yield [asked(event, loop="closed", profile=()) for event in one_trial(1, cases[4])]
    cases[5]["load"] |= {"profile": "1k@2s,1k..2k@4s", "rate_per_s": 2_000}
    yield list(one_trial(2, cases[5]))
    yield [
        asked(event, tls=True, status_expected=(200, 204), hold="request") for event in one_trial(3, cases[6])
    ]
    yield [with_routes(event) for event in one_trial(4, cases[7])]
    yield [member for event in one_trial(5, cases[8]) for member in both_members(event)]
    # One that failed before there was any load.
    began, *_, ended = one_trial(6, cases[9])
    yield [began, with_values(ended, state="failed", failure="no port was free")]
    yield list(one_trial(7, cases[10]))[:-1]


def one_trial(number: int, case: dict[str, Any]) -> Iterator[events.Event]:
    return trial_events(number, 1, case, 12, Twist())


def asked(event: events.Event, **values: Any) -> events.Event:
    if not isinstance(event, events.LoadStarted):
        return event
    made: events.Event = with_values(event, **{f"asked__{name}": value for name, value in values.items()})
    return made


def with_routes(event: events.Event) -> events.Event:
    if not isinstance(event, events.LoadEnded):
        return event
    first, *others = event.driven.dones
    made: events.Event = with_values(event, driven__dones=(with_values(first, routes=ROUTES), *others))
    return made


def both_members(event: events.Event) -> list[events.Event]:
    if not isinstance(event, events.SystemSampled):
        return [event]
    names = ("envoy-1", "envoy-2")
    return [with_values(event, sample__member=name, sample__incarnation=f"{name}@1") for name in names]


def test_trials_of_every_kind_of_load_are_kept_and_one_that_was_cut_is_made_each_time(tmp_path) -> None:
    compiled = compiled_plan()
    compiled["cases"][5]["load"] |= {"profile": "1k@2s,1k..2k@4s"}
    with RunWriter.create(tmp_path, "loads", PLAN_TEXT, json.dumps(compiled)) as writer:
        writer.append(events.RunStarted("loads", "loads", 12))
        for trial in other_loads():
            for event in trial:
                writer.append(event)
    assert keep_all(writer.path) == set(range(1, 7))
    assert_kept_as_made(writer.path, set(range(1, 7)))
    kept = summary_of(writer.path)
    seen = {trial.trial: trial for case in kept.cases for trial in case.attempts}
    loads = {number: trial.load for number, trial in seen.items() if trial.load is not None}
    # They are what they are meant to be.
    assert loads[1].loop == "closed"
    assert len({point.requested_per_s for point in seen[2].series.points}) > 3
    assert loads[3].tls is not None
    assert [route.route for route in loads[4].routes] == ["a.example /", "b.example /"]
    assert [use.member for use in seen[5].members] == ["envoy-1", "envoy-2"]
    assert 6 not in loads
    assert seen[6].ending == "failed: no port was free"
    assert seen[7].state == "cut off"
    forget(writer.path)
    assert repr(summary_of(writer.path)) == repr(kept)


def values_of_a_trial(run: Path) -> Iterator[tuple[str, str, int]]:
    """Yield table, column and row id of every value that is recorded of the first trial."""
    with closing(sqlite3.connect(run / "record.db")) as connection:
        tables = [
            name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
        ]
        columns = {
            table: [row[1] for row in connection.execute(f"PRAGMA table_info({table})")] for table in tables
        }
        own = {
            "trials": "id = 1",
            "cases": "id = (SELECT case_id FROM trials WHERE id = 1)",
            "frame_histograms": "frame IN (SELECT id FROM frames WHERE trial = 1)",
            "capacities": "first_trial = 1",
        }
        for table in tables:
            where = own.get(table, "trial = 1" if "trial" in columns[table] else None)
            if where is None or table in {"journal", TABLE}:
                continue
            ids = [row for (row,) in connection.execute(f"SELECT rowid FROM {table} WHERE {where}")]
            for row, column in product({ids[0], ids[-1]}, columns[table]):
                if (table, column) != ("cases", "id") and column not in {"id", "trial", "frame"}:
                    yield table, column, row


def test_a_record_in_which_any_value_is_another_is_not_answered_from_what_was_kept(small) -> None:
    tables = set()
    with closing(sqlite3.connect(small / "record.db", isolation_level=None)) as connection:
        for table, column, row in list(values_of_a_trial(small)):
            (before,) = connection.execute(f"SELECT {column} FROM {table} WHERE rowid = ?", (row,)).fetchone()
            added: dict[type, Any] = {str: "x", bytes: b"x", int: 1, float: 0.25}
            other = 77 if before is None else before + added[type(before)]
            write = f"UPDATE {table} SET {column} = ? WHERE rowid = {row}"
            connection.execute(write, (other,))
            assert answered_from_kept(small, first=1) == set(), (table, column)
            connection.execute(write, (before,))
            tables.add(table)
        assert {"trials", "cases", "counts", "loads", "phases", "frames", "frame_histograms"} < tables
        assert {
            "process_samples",
            "host_samples",
            "system_samples",
            "network_samples",
            "disturbances",
            "capacities",
        } < tables
        # Everything was put back, and stands again.
        assert answered_from_kept(small, first=1) == {1}
        for table in ("frames", "phases", "process_samples"):
            (last,) = connection.execute(f"SELECT max(rowid) FROM {table} WHERE trial = 1").fetchone()
            connection.execute(f"DELETE FROM {table} WHERE rowid = ?", (last,))
            assert answered_from_kept(small, first=2) == {2}, table


def test_what_the_network_carries_is_of_the_trials_that_follow(small) -> None:
    # As where a run is resumed: what is measured then takes nothing from the trials that there are.
    narrow = json.dumps(replace(CAPACITY, figures=(Figure("seatrial", "responses", 1, 10.0),)).document())
    insert = "INSERT INTO capacities (first_trial, at_utc, document) VALUES (?, '', ?)"
    with closing(sqlite3.connect(small / "record.db")) as connection, connection:
        connection.execute(insert, (27, narrow))
    assert answered_from_kept(small) == set(range(1, 27))
    with closing(sqlite3.connect(small / "record.db")) as connection, connection:
        connection.execute(insert, (20, narrow))
    assert answered_from_kept(small) == set(range(1, 20))
    with RunReader.open(small) as reader:
        assert reader.capacities(19) == (CAPACITY,)
        assert reader.capacities(20) == reader.capacities() != (CAPACITY,)
    doubted = {
        trial.trial
        for case in summary_of(small).cases
        for trial in case.attempts
        if any(reason.code == "environment.network" for reason in trial.validity.reasons)
    }
    assert doubted
    assert min(doubted) >= 20


def test_what_other_code_kept_is_made_again(small, monkeypatch) -> None:
    assert answered_from_kept(small)
    monkeypatch.setattr(kept_module, "made_by", lambda: "other code")
    assert answered_from_kept(small) == set()


def test_any_other_line_of_code_and_any_other_engine_is_other_code(tmp_path, monkeypatch) -> None:
    def told(directory: Path) -> str:
        monkeypatch.setattr(made_by_module, "_PACKAGE", directory)
        return made_by.__wrapped__()

    (tmp_path / "analysis").mkdir()
    for name in ("a.py", "analysis/b.py", "_engine.abi3.so"):
        (tmp_path / name).write_text(name)
    first = told(tmp_path)
    assert told(tmp_path) == first
    (tmp_path / "notes.txt").write_text("is no code")
    assert told(tmp_path) == first
    seen = {first}
    for name in ("a.py", "analysis/b.py", "_engine.abi3.so", "analysis/new.py"):
        (tmp_path / name).write_text("changed")
        seen.add(told(tmp_path))
    assert len(seen) == 5


def test_a_kept_summary_that_was_changed_on_the_disk_is_made_again_and_named(small) -> None:
    before = repr(summary_of(small).cases)
    with closing(sqlite3.connect(small / "record.db")) as connection, connection:
        connection.execute(
            f"UPDATE {TABLE} SET document = replace(document, '\"p99\":', '\"p99\":1') WHERE trial = 3"
        )
    assert 3 not in answered_from_kept(small)
    changed = summary_of(small)
    assert repr(changed.cases) == before
    assert [entry.text for entry in changed.journal if "damaged" in entry.text] == [
        "the record is damaged: row 3 of the table summaries: the summary that was kept is not what was written; it is"
        " made again"
    ]


def test_a_trial_of_which_something_cannot_be_read_is_not_kept(small) -> None:
    with closing(sqlite3.connect(small / "record.db")) as connection, connection:
        connection.execute("UPDATE host_samples SET sample = 'no JSON' WHERE trial = 4")
    forget(small)
    assert keep_all(small) == set(range(1, 27)) - {4}


def test_a_record_from_before_there_was_anything_kept_is_read(small) -> None:
    before = repr(summary_of(small))
    with closing(sqlite3.connect(small / "record.db")) as connection, connection:
        connection.execute(f"DROP TABLE {TABLE}")
        connection.execute("DROP INDEX phases_of_trial")
    assert answered_from_kept(small) == set()
    assert repr(summary_of(small)) == before


def test_who_watches_a_run_is_answered_from_what_was_kept(tmp_path, monkeypatch):
    run = make_run(tmp_path, systems=("envoy",), twists={2: Twist(lateness_us=2_000)}, trials=2)
    with RunReader.open(run) as reader:
        made = [outcome_of(reader, number) for number in (1, 2)]
    keep_all(run)
    monkeypatch.setattr(RunReader, "frames", None)
    with RunReader.open(run) as reader:
        assert repr([outcome_of(reader, number) for number in (1, 2)]) == repr(made)
