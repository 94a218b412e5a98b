"""``seatrial.open_run``: what its tables say is what ``results.json`` and the record say, value by value."""

from __future__ import annotations

import json
import sqlite3
import sys
from dataclasses import replace
from itertools import islice
from typing import Any

import numpy as np
import pytest
from hdrh.histogram import HdrHistogram
from hdrh.log import HistogramLogReader
from tests.support.made_run import (
    PLAN_TEXT,
    Twist,
    compiled_plan,
    make_run,
    trial_events,
)
from tests.support.made_runs import KINDS, made

import seatrial
from seatrial.errors import EnvironmentFault, PlanError, RecordError
from seatrial.record import events
from seatrial.record.writer import RunWriter
from seatrial.report.tidy.columns import unit_in
from seatrial.report.tidy.run import TABLES
from seatrial.report.tidy.table import Table


@pytest.fixture(scope="module", params=KINDS)
def run(request, tmp_path_factory):
    return seatrial.open_run(made(tmp_path_factory.mktemp("runs"), request.param))


@pytest.fixture(scope="module")
def trials(run):
    """Every trial of ``results.json`` with its case, by number."""
    results = run.results()
    cases = (*results["sanity"], *results["cases"])
    return {trial["trial"]: (case, trial) for case in cases for trial in case["trials"]}


def rows_of(table: Table, trial: int) -> list[dict[str, Any]]:
    return list(table.where(trial=trial).records())


def codes(validity: dict[str, Any]) -> str:
    return "; ".join(reason["code"] for reason in validity["reasons"])


def test_trials_are_those_of_the_document(run, trials):
    rows = {row["trial"]: row for row in run.trials.records()}
    assert rows.keys() == trials.keys()
    for number, row in rows.items():
        case, trial = trials[number]
        load = trial["load"]
        assert (row["run"], row["case"], row["system"]) == (
            run.results()["run"]["id"],
            case["id"],
            case["system"],
        )
        assert row["validity"] == trial["validity"]["state"]
        assert row["validity_reasons"] == codes(trial["validity"])
        assert row["set_aside"] == trial["set_aside"]
        assert {f"variable_{name}": value for name, value in case["variables"].items()}.items() <= row.items()
        for kind, names in {
            "latency_us": ("min", "mean", "p50", "p99", "p9999", "max"),
            "lateness_us": ("p99",),
        }.items():
            assert {name: row[f"{kind}_{name}"] for name in names}.items() <= load[kind].items()
        assert row["rate_achieved_per_s"] == load["rate_per_s"]["achieved"]
        assert row["rate_requested_per_s"] == load["rate_per_s"]["requested"]
        for name in ("intended", "completed", "timed_out", "in_flight"):
            assert row[f"{name}_requests"] == load["requests"][name]
        system = trial["resources"]["roles"].get("system", {"cpu_cores_mean": None, "fds_max": None})
        assert row["system_cpu_cores_mean"] == system["cpu_cores_mean"]
        assert row["system_open_files_max"] == system["fds_max"]


def test_cases_are_those_of_the_document(run):
    cases = {case["id"]: case for case in run.results()["cases"]}
    rows = {row["case"]: row for row in run.cases.records()}
    assert rows.keys() == cases.keys()
    for name, row in rows.items():
        case = cases[name]
        assert (row["state"], row["verdict"]) == (case["state"], case["verdict"]["state"])
        assert (row["validity"], row["validity_reasons"]) == (
            case["validity"]["state"],
            codes(case["validity"]),
        )
        assert row["trials"] + row["trials_set_aside"] == case["attempts"]["made"]
        for kind in ("latency", "service_time", "latency_ours"):
            found = case[f"{kind}_us"] or {}
            assert {name: row[f"{kind}_us_{name}"] for name in ("mean", "p50", "p999", "max") if found} == {
                key: value for key, value in found.items() if key in {"mean", "p50", "p999", "max"}
            }
        asked = list(run.objectives.where(case=name).records())
        assert [(one["objective"], one["held"]) for one in asked] == [
            (one["objective"], one["held"]) for one in case["verdict"]["objectives"]
        ]
        spreads = {one["figure"]: one["median"] for one in run.spreads.where(case=name).records()}
        assert spreads == {key: one["median"] for key, one in case["spread_over_repeats"].items()}


def test_intervals_are_the_steps_of_the_document(run, trials):
    assert set(run.intervals["trial"].tolist()) == trials.keys()
    for number, (_, trial) in trials.items():
        rows = rows_of(run.intervals, number)
        steps = [
            {
                **{name: row[name] for name in ("start_s", "end_s", "phase", "errors")},
                **{f"{name}_per_s": row[f"{name}_per_s"] for name in ("requested", "sent", "completed")},
                "latency_us": {name: row[f"latency_us_{name}"] for name in ("p50", "p99", "max")},
                **{name: row[f"{name}_connections"] for name in ("held", "active")},
            }
            for row in rows
        ]
        assert steps == trial["series"]["steps"]
        # The account of the load puts the same frames into steps in another way.
        measured = [
            (row["lateness_us_p99"], row["lateness_us_max"]) for row in rows if row["phase"] == "measure"
        ]
        of_load = [one["lateness_us"] for one in trial["load"]["intervals"]]
        assert measured == [(one["p99"], one["max"]) for one in of_load]
        assert {row["validity"] for row in rows} == {trial["validity"]["state"]}


def test_roles_are_the_curves_of_the_document(run, trials):
    for number, (_, trial) in trials.items():
        for role, curve in trial["series"]["roles"].items():
            rows = list(run.roles.where(trial=number, role=role).records())
            assert [
                {name: row[name] for name in ("start_s", "end_s")} | {"cores": row["cpu_cores"]}
                for row in rows
            ] == (curve["cpu"])
            looks = {look["at_s"]: look["bytes"] for look in curve["memory"]}
            assert [row["memory_bytes"] for row in rows] == [looks[row["end_s"]] for row in rows]
            assert {row["memory_measure"] for row in rows} == {curve["memory_measure"]}


def recorded(run, statement: str) -> list[sqlite3.Row]:
    connection = sqlite3.connect(run.path / "record.db")
    connection.row_factory = sqlite3.Row
    try:
        return connection.execute(statement).fetchall()
    finally:
        connection.close()


def test_looks_are_those_of_the_record(run):
    rows = list(run.resources.records())
    looks = recorded(
        run,
        "SELECT p.*, started_s FROM process_samples p JOIN trials t ON t.id = p.trial ORDER BY trial, at_s, p.id",
    )
    assert [
        (row["trial"], row["at_s"], row["member"], row["incarnation"], row["rss_bytes"], row["working_set_bytes"])
        for row in rows
    ] == [
        (look["trial"], look["at_s"] - look["started_s"], look["member"], look["incarnation"], look["rss_bytes"],
         look["working_set_bytes"])
        for look in looks
    ]  # fmt: skip
    used: dict[object, tuple[float, float]] = {}
    for row in rows:
        of = row["trial"], row["role"], row["incarnation"]
        before = used.setdefault(of, (row["at_s"], row["cpu_user_s"] + row["cpu_system_s"]))
        now = row["at_s"], row["cpu_user_s"] + row["cpu_system_s"]
        expected = None if now == before else (now[1] - before[1]) / (now[0] - before[0])
        assert row["cpu_cores"] == (None if expected is None else pytest.approx(expected))
        used[of] = now
    counted = [
        (look["trial"], look["member"], counter, value)
        for look in recorded(run, "SELECT * FROM system_samples ORDER BY trial, at_s, id")
        for counter, value in json.loads(look["sample"]).items()
    ]
    found = [(row["trial"], row["member"], row["counter"], row["value"]) for row in run.counters.records()]
    assert found == counted


def test_what_happened_is_that_of_the_record(run, trials):
    for number, (_, trial) in trials.items():
        phases = [
            {"name": row["phase"], **{key: row[key] for key in ("start_s", "end_s")}}
            for row in rows_of(run.phases, number)
        ]
        assert phases == trial["phases"]
        done = [(row["done"], row["start_s"]) for row in rows_of(run.disturbances, number)]
        measured_s = next((phase["start_s"] for phase in trial["phases"] if phase["name"] == "measure"), 0)
        assert done == [
            (one["done"], pytest.approx(measured_s + one["at_s"])) for one in trial["disturbances"]
        ]
    milestones = recorded(run, "SELECT * FROM milestones ORDER BY trial, id")
    assert [
        (row["subject"], row["milestone"], json.loads(row["answers"])) for row in run.milestones.records()
    ] == [(row["subject"], row["milestone"], json.loads(row["answers"])) for row in milestones]
    journal = [(entry["author"], entry["text"]) for entry in run.results()["journal"]]
    assert [(row["author"], row["text"]) for row in run.journal.records()] == journal
    why = [(row["code"], row["remedy"], row["fault"]) for row in run.reasons.records()]
    assert sorted(why) == sorted(
        (reason["code"], reason["remedy"], reason["fault"])
        for _, trial in trials.values()
        for reason in trial["validity"]["reasons"]
    )


def test_what_a_discoverer_did_is_that_of_the_document(run, trials):
    carried = {number: trial["discovery"] for number, (_, trial) in trials.items() if trial["discovery"]}
    assert {row["trial"] for row in run.discovery_steps.records()} == carried.keys()
    for number, found in carried.items():
        rows = rows_of(run.discovery_steps, number)
        assert [(row["number"], row["step"]) for row in rows] == [
            (at, one["step"]) for at, one in enumerate(found["steps"], start=1)
        ]
        for row, one in zip(rows, found["steps"], strict=True):
            assert (row["asked_services"], row["missing_services"]) == (one["asked"], one["missing"])
            assert (row["writes_count"], json.loads(row["calls"])) == (one["writes"], one["calls"])
            times = one["times_s"] or [None]
            assert (row["there_s_first"], row["there_s_max"]) == (times[0], times[-1])
        (trial,) = rows_of(run.trials, number)
        assert trial["discovered_all_s"] == found["steps"][0]["times_s"][-1]
        assert trial["queue_peak_items"] == found["queue"]["peak"]
    looks = recorded(run, "SELECT * FROM queue_samples ORDER BY trial, id")
    assert [(row["depth_items"], row["done_items"]) for row in run.queue.records()] == [
        (look["depth"], look["done"]) for look in looks
    ]
    assert run.queue.units["depth_items"] == "items"
    assert run.discovery_steps.units["there_s_p50"] == "s"
    # Who discovers nothing has no columns of it.
    assert ("discovered_all_s" in run.trials) == bool(carried)


def test_every_figure_stands_beside_its_validity(run):
    assert {table.name for table in run.tables()} == set(TABLES)
    for table in run.tables():
        assert "validity" in table or table.name in {"reasons", "journal"}
        assert {len(array) for array in table.values()} == {table.rows}
        said = repr(table)
        if "validity" in table and "INVALID" in table["validity"].tolist():
            assert "INVALID: see `validity`" in said
            assert "INVALID" in table._repr_html_()
    for trial in run.trials.where(validity="INVALID")["trial"].tolist():
        assert f"trial {trial} (" in repr(run)
        assert "INVALID" in repr(run.histogram(trial))


def test_the_histogram_of_a_trial_is_what_another_reader_reads_in_its_log(run, trials):
    """The judge is the HdrHistogram of Python, a port of the Java one."""
    for number, (_, trial) in trials.items():
        for kind in ("latency", "service_time"):
            (log,) = (run.path / "histograms").glob(f"{number:03d}-*.{kind}.hlog")
            reader = HistogramLogReader(str(log), HdrHistogram(1, 3_600_000_000, 3))
            whole = HdrHistogram(1, 3_600_000_000, 3)
            while (interval := reader.get_next_interval_histogram()) is not None:
                if interval.get_tag().startswith("measure-"):
                    whole.add(interval)
            reader.close()
            ours = run.histogram(number, kind)
            assert ours.count == whole.get_total_count() == int(ours.counts.sum())
            assert {q: ours.quantile_us(q / 100) for q in (50, 90, 99, 100)} == {
                q: whole.get_value_at_percentile(q) for q in (50, 90, 99, 100)
            }
            assert ours.values_us.tolist() == [
                item.value_iterated_to
                for item in whole.get_recorded_iterator()
                if item.count_added_in_this_iter_step
            ]
            assert HdrHistogram.decode(ours.encode()).get_total_count() == ours.count
            assert ours.percentiles_us.p99 == trial["load"][f"{kind}_us"]["p99"]
    with pytest.raises(PlanError, match="has no trial 99"):
        run.histogram(99)
    with pytest.raises(PlanError, match="no histogram of 'connect' in 'measure'"):
        run.histogram(1, "connect")


def test_charts_are_those_of_the_report(tmp_path):
    run = seatrial.open_run(make_run(tmp_path, systems=("envoy",), trials=4, twists={2: Twist(died=True)}))
    by_case, spectrum, *over_time = run.charts()
    assert (by_case.title, spectrum.title, len(over_time)) == ("Latency by case", "Percentile spectrum", 4)
    shown = by_case._repr_mimebundle_()
    assert shown["application/vnd.vegalite.v5+json"]["data"]["values"] == by_case["data"]["values"]
    assert {value["belief"] for value in by_case["data"]["values"]} >= {"INVALID (dashed, hollow)"}
    assert shown["image/svg+xml"].startswith("<svg")
    assert "Latency by case" in shown["image/svg+xml"]
    assert "INVALID" in over_time[1].caption


def test_a_live_run_has_its_running_trial_and_says_that_nobody_judged_it(tmp_path):
    compiled = compiled_plan(("envoy",))
    with RunWriter.create(tmp_path, "live", PLAN_TEXT, json.dumps(compiled)) as writer:
        writer.append(events.RunStarted("live", "live", 8))
        for event in trial_events(1, 1, compiled["cases"][0], 8, Twist()):
            writer.append(event)
        for event in islice(trial_events(2, 1, compiled["cases"][1], 8, Twist()), 21):
            writer.append(event)
        writer.append(events.Noted("person", "still going on"))
        run = seatrial.open_run(writer.path)
        rows = {row["trial"]: row for row in run.trials.records()}
        assert (rows[1]["validity"], rows[2]["validity"], rows[2]["state"]) == (
            "VALID",
            "not judged",
            "running",
        )
        assert rows[2]["latency_us_p99"] is None
        assert set(run.intervals.where(trial=2)["validity"].tolist()) == {"not judged"}
        assert "of a trial that is not judged yet" in repr(run.intervals)
        assert run.histogram(2).count > 0
        assert "not judged" in repr(run.histogram(2))
        assert "1 not judged" in repr(run)
    with_all = seatrial.open_run(writer.path)
    assert [row["validity"] for row in with_all.trials.records()] == ["VALID", "INVALID"]


def test_a_run_is_opened_without_reading_what_is_in_it(tmp_path):
    path = make_run(tmp_path, systems=("envoy",), trials=1)
    with sqlite3.connect(path / "record.db") as connection:
        for table in ("frames", "frame_histograms", "process_samples", "trials", "cases"):
            connection.execute(f"DROP TABLE {table}")
    connection.close()
    assert seatrial.open_run(path).path == path
    with pytest.raises(RecordError, match="is not a run directory"):
        seatrial.open_run(tmp_path / "nowhere")


def test_a_damaged_frame_is_named_and_the_rest_is_there(tmp_path):
    path = make_run(tmp_path, systems=("envoy",), trials=2)
    with sqlite3.connect(path / "record.db") as connection:
        connection.execute("UPDATE frame_histograms SET data = x'00' WHERE id = 5")
    connection.close()
    run = seatrial.open_run(path)
    assert [row["validity"] for row in run.trials.records()] == ["INVALID", "VALID"]
    assert set(run.intervals["trial"].tolist()) == {1, 2}
    assert any("damaged" in text for text in run.journal["text"].tolist())


def test_intervals_are_a_second_also_where_the_charts_put_steps_together(tmp_path):
    """A run of more steps than a chart has points; each frame is a step of its own, to the sample."""
    compiled, seconds = compiled_plan(("envoy",)), 2_500
    made_events = list(trial_events(1, 1, compiled["cases"][0], 1, Twist()))
    frames = [event.frame for event in made_events if isinstance(event, events.FrameRecorded)]
    first = frames[-2]
    with RunWriter.create(tmp_path, "long", PLAN_TEXT, json.dumps(compiled)) as writer:
        for event in made_events:
            if isinstance(event, events.FrameRecorded) and event.frame is first:
                for second in range(seconds):
                    start_ns = first.start_ns + second * 1_000_000_000
                    frame = replace(first, seq=second, start_ns=start_ns, end_ns=start_ns + 1_000_000_000)
                    writer.append(events.FrameRecorded(1, frame))
            elif not isinstance(event, events.FrameRecorded):
                writer.append(event)
    run = seatrial.open_run(writer.path)
    assert run.intervals.rows == seconds
    assert np.allclose(run.intervals["end_s"] - run.intervals["start_s"], 1)
    (part,) = first.parts
    assert run.intervals["sent_per_s"].tolist() == pytest.approx([part.sent] * seconds)
    (case,) = [case for case in run.results()["cases"] if case["trials"]]
    assert len(case["trials"][0]["series"]["steps"]) < seconds


def test_other_libraries_get_the_same_values(run):
    pandas = pytest.importorskip("pandas")
    for table in run.tables():
        frame = table.to_pandas()
        assert list(frame) == list(table)
        as_python = frame.astype(object).where(frame.notna(), None)
        for column in table.columns:
            if column.kind != "time":
                expected = [row[column.name] for row in table.records()]
                assert as_python[column.name].tolist() == expected, (table.name, column.name)
    assert isinstance(run.trials.to_pandas()["latency_us_p99"].dtype, pandas.Int64Dtype)


@pytest.mark.parametrize("name", ["arrow", "polars"])
def test_a_library_that_is_not_there_is_named(tmp_path, monkeypatch, name):
    library = {"arrow": "pyarrow", "polars": "polars"}[name]
    monkeypatch.setitem(sys.modules, library, None)
    run = seatrial.open_run(make_run(tmp_path, systems=("envoy",), trials=1))
    with pytest.raises(EnvironmentFault, match=f"{library} is not installed"):
        getattr(run.trials, f"to_{name}")()


def test_arrow_gets_the_same_values_and_the_units(tmp_path):
    pytest.importorskip("pyarrow")
    run = seatrial.open_run(made(tmp_path, "doubts"))
    for table in run.tables():
        arrow = table.to_arrow()
        for name, row in zip(
            arrow.column_names, zip(*(one.values() for one in table.records()), strict=True), strict=False
        ):
            assert arrow.column(name).to_pylist() == list(row)
        assert {
            field.name: field.metadata[b"unit"].decode() for field in arrow.schema if field.metadata
        } == table.units


def test_polars_gets_the_same_values(tmp_path):
    pytest.importorskip("polars")
    run = seatrial.open_run(made(tmp_path, "doubts"))
    for table in run.tables():
        assert table.to_polars().to_dicts() == list(table.records())


@pytest.mark.parametrize(
    ("name", "unit"),
    [
        ("latency_us_p99", "us"), ("rate_achieved_per_s", "requests/s"), ("memory_bytes", "bytes"),
        ("system_cpu_cores_per_1000_requests_per_s", "cores per 1,000 requests/s"), ("start_s", "s"), ("status", None),
        ("completed_requests", "requests"), ("kernel_softirq_busiest_fraction", "fraction"), ("repeats", None),
    ],
)  # fmt: skip
def test_units_are_in_the_names(name, unit):
    assert unit_in(name) == unit
