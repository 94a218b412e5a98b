"""Values of variables as a person would write them; different values never look alike."""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations

import pytest
from tests.support.made_run import make_run

from seatrial.analysis.run.labels import value_text, variables_text
from seatrial.analysis.run.summary import summarise_run
from seatrial.record.reader import RunReader
from seatrial.report.charts.charts import latency_by_case
from seatrial.report.table import result_rows


@pytest.mark.parametrize(
    ("name", "value", "text"),
    [
        ("connections", 1_000_000, "1M"),
        ("connections", 1_000_001, "1,000,001"),
        ("connections", 0, "0"),
        ("rate", 2_000.0, "2k/s"),
        ("rate", 0.123456789, "0.123456789/s"),
        ("rate", 1_234_567.0, "1,234,567/s"),
        ("body", 1_000_000, "1 MB"),
        ("body", 1_000_001, "1,000,001 B"),
        ("body", 22 * 1024, "22 KiB"),
        ("connect_rate", 2_000, "2k/s"),
        ("active", 600, "600"),
        ("something else", 1_000_000, "1,000,000"),
    ],
)
def test_a_value_is_shown_as_a_person_would_write_it(name, value, text):
    assert value_text(name, value) == text


@pytest.mark.parametrize("name", ["connections", "rate", "body", "other"])
def test_different_values_never_look_alike(name):
    values = [
        1,
        999,
        1_000,
        1_001,
        1_024,
        10_000,
        12_345,
        123_456,
        1_000_000,
        1_000_001,
        1_048_576,
        1_048_577,
    ]
    for one, other in combinations(values, 2):
        assert value_text(name, one) != value_text(name, other)


def test_nothing_that_varies_is_a_single_case():
    assert variables_text(()) == "single case"
    assert variables_text((("connections", 100_000), ("rate", 500.0))) == "connections=100k rate=500/s"


def test_cases_that_differ_by_one_byte_stay_apart_in_tables_and_charts(tmp_path):
    with RunReader.open(make_run(tmp_path, systems=("direct",))) as reader:
        run = summarise_run(reader)
    values = (1_000_000, 1_000_001, 1_000_002, 999_999)
    cases = tuple(
        replace(case, case=replace(case.case, variables=(("body", value),)))
        for case, value in zip(run.cases, values, strict=True)
    )
    run = replace(run, cases=cases)
    rows = result_rows(run)
    assert [row.first_of_group for row in rows] == [True] * 4
    assert len({row.cells["case"] for row in rows}) == 4
    chart = latency_by_case(run)
    assert chart is not None
    assert len({value["case"] for value in chart["data"]["values"]}) == 4
