"""Pitfall 18: proxies are compared with a baseline of the same tool in the same run, or their readers know of none."""

from __future__ import annotations

from dataclasses import replace

import pytest
from tests.support.made_run import make_run

from seatrial.analysis.run.said.answers import answers_of
from seatrial.analysis.run.summary import summarise_run
from seatrial.record.reader import RunReader
from seatrial.report.table import NONE, UNMEASURED, result_rows


@pytest.fixture(scope="module")
def summary(tmp_path_factory):
    with RunReader.open(make_run(tmp_path_factory.mktemp("runs"))) as reader:
        return summarise_run(reader)


def test_every_combination_has_a_row_for_the_baseline(summary) -> None:
    rows = result_rows(summary)
    firsts = [row for row in rows if row.first_of_group]
    assert len(firsts) == len({row.cells["case"] for row in rows}) == 4
    assert {row.cells["system"] for row in firsts} == {"direct"}
    assert UNMEASURED not in {row.state for row in rows}


def test_a_baseline_that_the_plan_left_out_is_shown_as_not_measured(summary) -> None:
    proxied = replace(summary, cases=tuple(case for case in summary.cases if case.case.kind != "direct"))
    rows = result_rows(proxied)
    assert len(rows) == len(proxied.cases) + 4
    for row in (row for row in rows if row.first_of_group):
        assert (row.cells["system"], row.state, row.cells["p99"]) == ("direct", UNMEASURED, NONE)


def test_discoverers_lack_no_baseline_and_are_none(summary) -> None:
    proxied = [case for case in summary.cases if case.case.kind != "direct"]
    carried = [replace(case, case=replace(case.case, kind="gimbal-openstack")) for case in proxied]
    discovered = replace(summary, cases=tuple(carried))
    rows = result_rows(discovered)
    assert len(rows) == len(carried)
    assert sum(row.first_of_group for row in rows) == 4
    assert UNMEASURED not in {row.state for row in rows}
    # Nor is anything said of them that is of proxies: what one adds, or what a connection through it costs.
    of_proxies, of_discoverers = (
        " ".join(answers_of(one)) for one in (replace(summary, cases=tuple(proxied)), discovered)
    )
    for words in ("what a proxy adds is not known", "onnection costs"):
        assert words in of_proxies
        assert words not in of_discoverers
