"""Causes of doubt that only a case has: too few samples for what was asked, of trials that can all be believed."""

from __future__ import annotations

from dataclasses import replace

import pytest
from tests.support.loads import changed
from tests.support.made_run import Twist, make_run
from tests.unit.test_report import printed

from seatrial.analysis.run.cases import case_summary
from seatrial.analysis.run.model import CaseSummary, RunSummary
from seatrial.analysis.run.said.answers import answers_of
from seatrial.analysis.run.said.sentences import sentence_of
from seatrial.analysis.run.summary import summarise_run
from seatrial.record.reader import RunReader
from seatrial.record.tables.rows import RecordedObjective
from seatrial.report.doubts import doubts
from seatrial.report.html import render_html
from seatrial.report.markdown import render_markdown

ASKED = [RecordedObjective("p9999 < 1 s", "p9999", "<", 1_000_000)]


def short(case: CaseSummary) -> CaseSummary:
    """Return the case as it is where a percentile is asked for that its samples cannot carry."""
    trials = []
    for trial in case.trials:
        assert trial.load is not None
        latency_us = replace(trial.load.latency_us, count=600)
        trials.append(replace(trial, load=changed(trial.load, latency_us=latency_us)))
    found = case_summary(case.case, trials, [], ASKED, 2)
    return replace(case, validity=found.validity, verdict=found.verdict)


def run_of(parent, systems: tuple[str, ...], twists: dict[int, Twist]) -> RunSummary:
    with RunReader.open(make_run(parent, twists=twists, systems=systems)) as reader:
        return summarise_run(reader)


@pytest.mark.parametrize("twists", [{}, {5: Twist(died=True)}], ids=["of a case", "of a trial, too"])
def test_a_cause_that_only_a_case_has_is_printed_with_its_remedy(tmp_path, twists):
    run = run_of(tmp_path, ("direct", "envoy"), twists)
    cases = (*run.cases[:6], short(run.cases[6]), run.cases[7])
    sentence = sentence_of("envoy", cases[4:])
    assert "too little was measured" in sentence
    run = replace(run, cases=cases, systems=(run.systems[0], replace(run.systems[1], sentence=sentence)))
    (reason,) = cases[6].validity.reasons
    pages = render_html(run), render_markdown(run)
    for rendered in ("\n".join(printed(run, 100, terminal=False)), *pages):
        assert reason.remedy in rendered
        assert cases[6].case.id in rendered
    assert all("1 of 8 cases cannot be judged" in page for page in pages)
    assert [doubt.kind for doubt in doubts(run)] == ["trial"] * len(twists) + ["case"]


def test_short_samples_are_not_called_unbelievable(tmp_path):
    run = run_of(tmp_path, ("envoy",), {1: Twist(counts_off=1)})
    believed, doubted = [short(case) for case in run.cases[1:]], run.cases[0]
    first = answers_of(replace(run, cases=tuple(believed)))[0]
    assert first.startswith(
        "Every trial of this run can be believed, and yet no case can be judged: too little was measured"
    )
    first = answers_of(replace(run, cases=(doubted, *believed)))[0]
    assert first.startswith(
        "No case of this run can be judged: in 1 of 4 cases trials cannot be believed, and in the others too little"
    )
    assert "`p9999 < 1 s` needs 10,000 latencies" in first
