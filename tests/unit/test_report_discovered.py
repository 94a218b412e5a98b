"""Reports of discoverers: what they carried stands where others have the load, and nothing that is empty is shown."""

from __future__ import annotations

import csv
import io
from dataclasses import replace

import pytest
from rich.console import Console
from tests.support.made_run import make_run

from seatrial.analysis.run.summary import summarise_run
from seatrial.record.reader import RunReader
from seatrial.report.csv import results_csv
from seatrial.report.html import render_html
from seatrial.report.markdown import render_markdown
from seatrial.report.table import RESULT_COLUMNS, result_columns, result_rows
from seatrial.report.terminal import print_summary


@pytest.fixture(scope="module")
def summary(tmp_path_factory):
    # Each carries its three services within 500, 1,500 and 2,500 ms of its start: see ``made_run``.
    run = make_run(tmp_path_factory.mktemp("runs"), systems=("envoy",), discovers=True)
    with RunReader.open(run) as reader:
        return summarise_run(reader)


def test_what_was_carried_stands_where_others_have_the_load(summary) -> None:
    headings = [column.heading for column in result_columns(summary)]
    assert headings[3:] == [
        "Services", "First there", "All there", "New", "Update", "Delete", "Queue peak", "Left", "Missing",
    ]  # fmt: skip
    cells = result_rows(summary)[0].cells
    shown = [cells[column.key] for column in result_columns(summary)[3:]]
    # No step but the first and the last was come to.
    assert shown == ["3", "500 ms", "2.5 s", "-", "-", "-", "4", "0", "0"]


def test_what_did_not_come_has_no_time(summary) -> None:
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


def test_a_run_with_a_proxy_keeps_the_columns_of_the_load(summary) -> None:
    first, *others = summary.cases
    proxied = replace(first, case=replace(first.case, kind="envoy"))
    assert result_columns(replace(summary, cases=(proxied, *others))) == RESULT_COLUMNS


def test_every_report_of_discoverers_shows_them_and_leaves_out_the_load(summary) -> None:
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


def test_a_spreadsheet_has_what_it_had_and_each_figure_of_the_discoverer(summary) -> None:
    rows = list(csv.DictReader(io.StringIO(results_csv(summary))))
    assert {"rate_achieved_per_s", "latency_us_p99"} <= rows[0].keys()
    for row in rows:
        assert float(row["discovered_first_s"]) == 0.5
        assert float(row["discovered_all_s"]) == 2.5
        assert (float(row["queue_peak_items"]), float(row["queue_left_items"])) == (4, 0)
        assert (row["discovered_new_s_p50"], row["not_discovered_services"]) == ("", "0")
        assert float(row["api_calls_per_service"]) == 10
