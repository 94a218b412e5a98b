"""Reports of discoverers: what they carried stands where others have the load, and nothing that is empty is shown."""

from __future__ import annotations

import csv
import io
from dataclasses import replace
from typing import Any

import pytest
from rich.console import Console
from tests.support.made_run import make_run

from seatrial.analysis.run.summary import summarise_run
from seatrial.record.reader import RunReader
from seatrial.report.charts.discovery import ASKED, CHANGES_TITLE, DEPTH, QUEUE_TITLE, THERE
from seatrial.report.charts.of_run import charts_of
from seatrial.report.charts.over_time import trial_over_time
from seatrial.report.charts.series import typical_trial
from seatrial.report.csv import results_csv
from seatrial.report.html import render_html
from seatrial.report.markdown import render_markdown
from seatrial.report.table import RESULT_COLUMNS, result_columns, result_rows
from seatrial.report.terminal import print_summary


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    # Each carries its three services within 500, 1,500 and 2,500 ms of its start: see ``made_run``.
    return make_run(tmp_path_factory.mktemp("runs"), systems=("envoy",), discovers=True)


@pytest.fixture(scope="module")
def summary(made):
    with RunReader.open(made) as reader:
        return summarise_run(reader)


def test_what_was_carried_stands_where_others_have_the_load(summary):
    headings = [column.heading for column in result_columns(summary)]
    assert headings[3:] == [
        "Services", "First there", "All there", "New", "Update", "Delete", "Queue peak", "Left", "Missing",
    ]  # fmt: skip
    cells = result_rows(summary)[0].cells
    shown = [cells[column.key] for column in result_columns(summary)[3:]]
    # No step but the first and the last was come to.
    assert shown == ["3", "500 ms", "2.5 s", "-", "-", "-", "4", "0", "0"]


def test_what_did_not_come_has_no_time(summary):
    case = summary.cases[0]
    uses = [trial.discovery for trial in case.trials]
    short = [
        replace(
            use, steps=(replace(use.steps[0], missing=2, times_s=use.steps[0].times_s[:1]), *use.steps[1:])
        )
        for use in uses
    ]
    trials = tuple(replace(one, discovery=use) for one, use in zip(case.trials, short, strict=True))
    cells = result_rows(replace(summary, cases=(replace(case, trials=trials),)))[0].cells
    assert (cells["found_first"], cells["found_all"]) == ("500 ms", f"{2 * len(trials)} missing")
    assert cells["not_found"] == str(2 * len(trials))


def test_a_systems_sentence_says_what_was_carried(summary):
    (system,) = summary.systems
    assert "3 services there after 2.5 s" in system.sentence
    assert "0 errors" not in system.sentence


def test_a_run_with_a_proxy_keeps_the_columns_of_the_load(summary):
    first, *others = summary.cases
    proxied = replace(first, case=replace(first.case, kind="envoy"))
    assert result_columns(replace(summary, cases=(proxied, *others))) == RESULT_COLUMNS


def test_every_report_of_discoverers_shows_them_and_leaves_out_the_load(summary):
    screen = io.StringIO()
    print_summary(summary, Console(file=screen, width=100))
    texts = {
        "terminal": screen.getvalue(),
        "markdown": render_markdown(summary),
        "html": render_html(summary),
    }
    for name, text in texts.items():
        assert "first there" in text.lower(), name
        assert "2.5 s" in text, name
        assert "p99 of repeats" not in text, name
    for text in (texts["markdown"], texts["html"]):
        assert "Do the counts agree?" not in text


def test_a_spreadsheet_has_what_it_had_and_each_figure_of_the_discoverer(summary):
    rows = list(csv.DictReader(io.StringIO(results_csv(summary))))
    assert {"rate_achieved_per_s", "latency_us_p99"} <= rows[0].keys()
    for row in rows:
        assert float(row["discovered_first_s"]) == 0.5
        assert float(row["discovered_all_s"]) == 2.5
        assert (float(row["queue_peak_items"]), float(row["queue_left_items"])) == (4, 0)
        assert (row["discovered_new_s_p50"], row["not_discovered_services"]) == ("", "0")
        assert float(row["api_calls_per_service"]) == 10


def panels_of(case) -> dict[str, Any]:
    spec = trial_over_time(case)
    assert spec is not None
    return {panel["layer"][1]["encoding"]["y"]["title"]: panel for panel in spec["vconcat"]}


def test_curves_are_what_was_recorded_and_nothing_between(made, summary):
    case = summary.cases[0]
    panels = panels_of(case)
    trial = typical_trial(case)
    assert trial is not None
    with RunReader.open(made) as reader:
        started_s = next(one.started_s for one in reader.trials() if one.trial == trial.trial)
        reached = reader.milestones(trial.trial)
        looks = reader.queue_samples(trial.trial)

    def drawn(panel, name) -> dict[float, float]:
        values = panel["layer"][1]["data"]["values"]
        return {row["at_s"]: row["value"] for row in values if row["series"] == name}

    for milestone, name in (("asked", ASKED), ("replicated", THERE)):
        curve = drawn(panels[CHANGES_TITLE], name)
        moments = [one.at_s - started_s for one in reached if one.milestone == milestone]
        assert curve, name
        for at_s, count in curve.items():
            assert count in {
                sum(moment <= at_s + 0.001 for moment in moments),
                sum(moment < at_s - 0.001 for moment in moments),
            }
        assert max(curve.values()) == len(moments) == 3
    depths = drawn(panels[QUEUE_TITLE], DEPTH)
    assert depths == {round(look.at_s - started_s, 3): look.depth for look in looks}
    marks = panels[QUEUE_TITLE]["layer"][2]["data"]["values"]
    assert [mark["step"] for mark in marks] == ["all", "end"]


def test_a_load_that_only_waits_has_no_panel(summary):
    case = summary.cases[0]
    trials = []
    for trial in case.trials:
        read = trial.series.read()
        points = tuple(
            replace(
                point, sent_per_s=0.0, completed_per_s=0.0, latency_us_p50=None, latency_us_p99=None,
                latency_us_max=None,
            )
            for point in read.points
        )  # fmt: skip
        trials.append(replace(trial, series=replace(read, points=points)))

    def titles(shown) -> list[str]:
        return list(panels_of(shown))

    assert titles(case)[:4] == [CHANGES_TITLE, QUEUE_TITLE, "requests/s", "latency (ms)"]
    assert titles(replace(case, trials=tuple(trials)))[:3] == [CHANGES_TITLE, QUEUE_TITLE, "CPU (cores)"]


def test_how_soon_is_drawn_by_case_where_there_are_several(summary):
    def found(run) -> Any:
        return {chart.id: chart for chart in charts_of(run)}.get("discovery")

    spec = found(summary).spec
    rows = [row for row in spec["data"]["values"] if row["what"] == "all there"]
    assert len(rows) == len(summary.cases) == 4
    assert {(row["low_s"], row["merged_s"], row["high_s"]) for row in rows} == {(2.5, 2.5, 2.5)}
    assert found(replace(summary, cases=summary.cases[:1])) is None
