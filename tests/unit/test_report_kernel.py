"""The line of each system about what the kernel saw."""

from __future__ import annotations

from dataclasses import replace

import pytest
from tests.support.made_run import make_run

from seatrial.analysis.kernel import KernelUse, NetworkUse, QueueUse
from seatrial.analysis.run.model import CaseSummary, RunSummary, TrialSummary
from seatrial.analysis.run.summary import summarise_run
from seatrial.observe.samples import LookingCost
from seatrial.record.reader import RunReader
from seatrial.report.html import render_html
from seatrial.report.kernel import kernel_lines
from seatrial.report.markdown import render_markdown


@pytest.fixture(scope="module")
def summary(tmp_path_factory) -> RunSummary:
    with RunReader.open(make_run(tmp_path_factory.mktemp("runs"), systems=("envoy",), trials=2)) as reader:
        return summarise_run(reader)


def with_kernel(summary: RunSummary, *drops: int) -> RunSummary:
    """The same run with so many packets and connections dropped in each of its trials."""
    left = list(drops)

    def seen(trial: TrialSummary) -> TrialSummary:
        lost = left.pop(0)
        queues = {"system": QueueUse(lost, 1, 511, 4_096)}
        network = NetworkUse(("system",), {"tcp_retransmitted_segments": 10.0 * lost}, {}, {}, queues)
        kernel = KernelUse(10.0, {"softnet_drops": float(lost)}, 0.03 + 0.06 * lost, (network,))
        return replace(
            trial, kernel=kernel, facts=replace(trial.facts, looking=LookingCost(10, 0.1, 10.0, 0.0))
        )

    def of_case(case: CaseSummary) -> CaseSummary:
        return replace(case, trials=tuple(seen(trial) for trial in case.trials))

    return replace(summary, cases=tuple(of_case(case) for case in summary.cases))


def test_a_line_says_the_range_over_trials_and_the_sum_of_losses(summary: RunSummary) -> None:
    (line,) = kernel_lines(with_kernel(summary, 0, 1))
    assert line == (
        "envoy: the busiest CPU 3 to 9 % in softirqs, 0 to 1 segments/s sent again,"
        " dropped: 1 connection and 1 packet, looking took 1 % of a core"
    )
    (line,) = kernel_lines(with_kernel(summary, 0, 0))
    assert "no connection and no packet dropped" in line


def test_what_is_not_known_is_not_said(summary: RunSummary) -> None:
    assert kernel_lines(summary) == ()
    assert "What the kernel saw" not in render_markdown(summary) + render_html(summary)


def test_both_reports_have_the_line(summary: RunSummary) -> None:
    lost = with_kernel(summary, 0, 1)
    for report in (render_markdown(lost), render_html(lost)):
        assert "What the kernel saw in the measure windows" in report
        assert "dropped: 1 connection and 1 packet" in report
