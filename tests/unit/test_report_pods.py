"""A run whose roles were pods, in every report: what its memory is, and how much of the phase its CPU is of."""

from __future__ import annotations

import csv
import io
import json
from typing import Any

import pytest
from rich.console import Console
from tests.support.made_run import Twist, make_run

from seatrial.analysis.run.model import RunSummary
from seatrial.analysis.run.summary import summarise_run
from seatrial.record.reader import RunReader
from seatrial.report.charts.over_time import trial_over_time
from seatrial.report.csv import results_csv
from seatrial.report.json import results_json
from seatrial.report.markdown import render_markdown
from seatrial.report.terminal import print_summary

WORDS = "working set"


@pytest.fixture(scope="module")
def summary(tmp_path_factory: pytest.TempPathFactory) -> RunSummary:
    twists = dict.fromkeys(range(1, 9), Twist(of_pods=True))
    run = make_run(tmp_path_factory.mktemp("runs"), systems=("envoy",), twists=twists)
    with RunReader.open(run) as reader:
        return summarise_run(reader)


def test_tables_say_what_the_memory_is(summary: RunSummary) -> None:
    lines = render_markdown(summary).splitlines()
    rows = [line for line in lines if line.startswith("| ") and WORDS in line]
    # Both columns of each case.
    assert [line.count(f"({WORDS})") for line in rows] == [2] * len(summary.cases)
    text = io.StringIO()
    print_summary(summary, Console(file=text, width=240, color_system=None))
    assert text.getvalue().count(f"({WORDS})") >= len(summary.cases)


def test_sentences_say_what_the_memory_is(summary: RunSummary) -> None:
    text = render_markdown(summary)
    assert f"kB of memory ({WORDS})" in text
    assert "kB of memory." not in text
    assert f"envoy, memory ({WORDS}): " in text


def test_documents_say_what_the_memory_is(summary: RunSummary) -> None:
    rows = list(csv.DictReader(io.StringIO(results_csv(summary))))
    assert {row["system_memory_measure"] for row in rows} == {WORDS}
    trial = json.loads(b"".join(results_json(summary)))["cases"][0]["trials"][0]
    system: dict[str, Any] = trial["resources"]["roles"]["system"]
    assert (system["memory_measure"], system["rss_bytes_max"], system["pss_bytes_max"]) == (WORDS, None, None)
    assert system["working_set_bytes_max"] > 0
    assert trial["series"]["roles"]["system"]["memory_measure"] == WORDS


def test_charts_say_what_the_memory_is(summary: RunSummary) -> None:
    assert f"memory (MB; of pods: {WORDS})" in json.dumps(trial_over_time(summary.cases[0]))
