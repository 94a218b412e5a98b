"""``seatrial export``: what other tools read is what the documents and the record hold, value by value."""

from __future__ import annotations

import csv
import json
import math
import sqlite3
import sys
from datetime import UTC, datetime

import duckdb
import pytest
from hdrh.histogram import HdrHistogram
from hdrh.log import HistogramLogReader
from prometheus_client.openmetrics.parser import text_string_to_metric_families
from tests.support.made_run import Twist, make_run
from tests.support.made_runs import KINDS, made

import seatrial
from seatrial.report.tidy.run import TABLES


@pytest.fixture(params=KINDS)
def run(request, tmp_path):
    return seatrial.open_run(made(tmp_path / "runs", request.param))


@pytest.fixture
def small(tmp_path):
    twists = {2: Twist(errors={"reset": 3})}
    return seatrial.open_run(make_run(tmp_path / "runs", systems=("envoy",), trials=2, twists=twists))


def test_parquet_is_what_duckdb_reads_back(run, tmp_path, invoke):
    outcome = invoke("export", str(run.path), "--parquet", str(tmp_path / "out"))
    files = {path.stem: path for path in (tmp_path / "out").iterdir()}
    assert outcome.code == 0
    assert sorted(outcome.stdout.split()) == sorted(map(str, files.values()))
    assert files.keys() == set(TABLES)
    with duckdb.connect() as connection:
        for name, path in files.items():
            table = getattr(run, name)
            found = connection.execute("SELECT * FROM read_parquet(?)", [str(path)])
            columns = [column[0] for column in found.description]
            rows = [dict(zip(columns, row, strict=True)) for row in found.fetchall()]
            assert rows == list(table.records()), name
            about = dict(
                connection.execute("SELECT key, value FROM parquet_kv_metadata(?)", [str(path)]).fetchall()
            )
            assert json.loads(about[b"units"]) == table.units
            assert about[b"run"].decode() == run.path.name
        # The judge of the values themselves is the document, which is made without any table.
        trials = {
            trial["trial"]: (
                trial["validity"]["state"],
                trial["load"]["latency_us"]["p99"],
                trial["load"]["rate_per_s"]["achieved"],
            )
            for case in run.results()["cases"]
            for trial in case["trials"]
        }
        query = "SELECT trial, validity, latency_us_p99, rate_achieved_per_s FROM read_parquet(?)"
        read = connection.execute(query, [str(files["trials"])]).fetchall()
        assert {number: tuple(values) for number, *values in read} == trials


def test_types_do_not_depend_on_what_is_known(tmp_path, invoke):
    """Files of several runs are read together."""
    for number, kind in enumerate(("nothing", "doubts")):
        path = made(tmp_path / f"runs-{number}", kind)
        assert invoke("export", str(path), "--parquet", str(tmp_path / f"out-{number}")).code == 0
    with duckdb.connect() as connection:
        for name in TABLES:
            files = [str(tmp_path / f"out-{number}" / f"{name}.parquet") for number in (0, 1)]
            describe = "DESCRIBE SELECT * FROM read_parquet(?)"
            types = [connection.execute(describe, [file]).fetchall() for file in files]
            assert types[0] == types[1]


def test_csv_holds_every_value(run, tmp_path, invoke):
    assert invoke("export", str(run.path), "--csv", str(tmp_path / "out")).code == 0
    assert {path.stem for path in (tmp_path / "out").iterdir()} == set(TABLES)
    for name in TABLES:
        table = getattr(run, name)
        with (tmp_path / "out" / f"{name}.csv").open(newline="") as file:
            rows = list(csv.DictReader(file))
        kinds = {column.name: column.kind for column in table.columns}
        read = [{key: value_of(kinds[key], text) for key, text in row.items()} for row in rows]
        expected = [
            {key: "" if value is None and kinds[key] == "text" else value for key, value in row.items()}
            for row in table.records()
        ]
        assert read == expected


def value_of(kind: str, text: str) -> object:
    if kind == "text":
        return text
    if not text:
        return None
    if kind == "time":
        return datetime.fromisoformat(text).astimezone(UTC).replace(tzinfo=None)
    if kind == "bool":
        return {"True": True, "False": False}[text]
    return int(text) if kind == "int" else float(text)


def test_histogram_logs_are_read_by_hdrhistograms_own_reader(small, tmp_path, invoke):
    out = tmp_path / "out"
    assert invoke("export", str(small.path), "--hdr-log", str(out)).code == 0
    for trial in (1, 2):
        rows = list(small.intervals.where(trial=trial).records())
        for kind in ("latency", "service_time", "lateness"):
            (log,) = out.glob(f"{trial:03d}-*.{kind}.hlog")
            reader = HistogramLogReader(str(log), HdrHistogram(1, 3_600_000_000, 3))
            lines = []
            while (interval := reader.get_next_interval_histogram()) is not None:
                lines.append(interval)
            reader.close()
            # One line an interval, whatever the number of workers.
            sending = [row for row in rows if row[f"{kind}_us_p99"] is not None]
            assert [one.get_value_at_percentile(99) for one in lines] == [
                row[f"{kind}_us_p99"] for row in sending
            ]
            tags = {"warm up": "warmup", "measure": "measure"}
            assert [one.get_tag() for one in lines] == [tags[row["phase"]] for row in sending]
            began = reader.get_start_time_sec()
            at_s = [one.get_start_time_stamp() / 1_000 - began for one in lines]
            assert at_s == pytest.approx([row["start_s"] for row in sending], abs=0.01)
            measured = [one.get_total_count() for one in lines if one.get_tag() == "measure"]
            assert sum(measured) == small.histogram(trial, kind).count


def test_half_a_character_is_an_escape(tmp_path, invoke):
    """A name of a file may hold what is no text."""
    path = make_run(tmp_path / "runs", systems=("envoy",), trials=1)
    with sqlite3.connect(path / "record.db") as record:
        facts = json.dumps({"remarks": [], "beside": ["/runs/\udcff, \x00"]})
        record.execute("UPDATE trials SET facts = ?", [facts])
    record.close()
    out = tmp_path / "out"
    assert invoke("export", str(path), "--parquet", str(out), "--csv", str(out)).code == 0
    with duckdb.connect() as connection:
        query = "SELECT beside FROM read_parquet(?)"
        assert connection.execute(query, [str(out / "trials.parquet")]).fetchall() == [
            ("/runs/\\udcff, \x00",)
        ]
    assert "/runs/\\udcff, \x00" in (out / "trials.csv").read_text()


def test_json_is_results_json(small, tmp_path, invoke):
    outcome = invoke("export", str(small.path), "--json", "-", "--csv", str(tmp_path / "out"))
    assert json.loads(outcome.stdout) == small.results()
    assert "trials.csv" in outcome.stderr
    assert invoke("export", str(small.path), "--json", str(tmp_path / "x.json")).code == 0
    assert json.loads((tmp_path / "x.json").read_text()) == small.results()


def test_doubts_are_said_beside_the_files(tmp_path, invoke):
    path = make_run(tmp_path / "runs", systems=("envoy",), trials=2, twists={2: Twist(died=True)})
    outcome = invoke("export", str(path), "--csv", str(tmp_path / "out"))
    assert outcome.code == 0
    assert "1 of 2 trials are INVALID" in outcome.stderr


def test_openmetrics_ends_with_what_the_tables_have(tmp_path, invoke):
    run = seatrial.open_run(make_run(tmp_path / "runs", systems=("envoy",), trials=1))
    page = tmp_path / "run.om"
    outcome = invoke("export", str(run.path), "--openmetrics", str(page))
    assert (outcome.code, outcome.stdout) == (0, f"{page}\n")
    # This reader takes nothing that the specification forbids; of a histogram it takes one time only, though.
    parts = page.read_text().split("# HELP ")
    text = "# HELP ".join(part for part in parts if " histogram\n" not in part)
    families = text_string_to_metric_families(text)  # type: ignore[no-untyped-call]
    last, states = {}, []
    for sample in (sample for family in families for sample in family.samples):
        if sample.name == "seatrial_run_info":
            states.append((sample.labels["state"], sample.timestamp))
        own = {"phase": "measure", "outcome": "completed"}
        if sample.name == "seatrial_requests_total" and own.items() <= sample.labels.items():
            last[int(sample.labels["trial"])] = sample.value
    assert ("finished", max(at for _, at in states)) in states
    trials = run.trials
    assert last == dict(zip(trials["trial"].tolist(), trials["completed_requests"].tolist(), strict=True))
    full = invoke("export", str(run.path), "--openmetrics", "/dev/full")
    assert (full.code, "/dev/full cannot be written: No space left" in full.stderr) == (4, True)


@pytest.mark.parametrize("name", ["results", "load"])
def test_a_schema_needs_no_run(invoke, name):
    outcome = invoke("export", "--schema", name)
    assert (outcome.code, outcome.stderr) == (0, "")
    assert json.loads(outcome.stdout)["title"] == f"seatrial.{name}/1"


def test_what_cannot_be_done_is_said(small, tmp_path, invoke, monkeypatch):
    assert invoke("export").code == 2
    assert "say what to write" in invoke("export", str(small.path)).stderr
    nowhere = invoke("export", str(tmp_path), "--csv", str(tmp_path / "out"))
    assert (nowhere.code, "is not a run directory" in nowhere.stderr) == (2, True)
    (tmp_path / "file").write_text("")
    for flag in ("--csv", "--parquet", "--hdr-log"):
        outcome = invoke("export", str(small.path), flag, str(tmp_path / "file/below"))
        assert (outcome.code, "cannot be written" in outcome.stderr) == (4, True)
    outcome = invoke("export", str(small.path), "--openmetrics", "/dev/full")
    assert (outcome.code, "cannot be written: No space left" in outcome.stderr) == (4, True)
    monkeypatch.setitem(sys.modules, "duckdb", None)
    outcome = invoke("export", str(small.path), "--parquet", str(tmp_path / "out"))
    assert (outcome.code, "seatrial[parquet]" in outcome.stderr) == (4, True)


def test_a_file_is_whole_or_not_there(small, tmp_path, invoke, monkeypatch):
    from seatrial.report.export import csv as exporter

    def stops(value: object) -> object:
        if isinstance(value, float) and math.isclose(value, 0.3):
            raise OSError(28, "No space left on device")
        return value

    monkeypatch.setattr(exporter, "_cell", stops)
    outcome = invoke("export", str(small.path), "--csv", str(tmp_path / "out"))
    assert outcome.code == 4
    assert "No space left" in outcome.stderr
    # Tables before were written; of the one that failed nothing is there.
    names = {path.name for path in (tmp_path / "out").iterdir()}
    assert "trials.csv" in names
    assert not any(name.startswith(".") for name in names)
    assert "machine.csv" not in names
