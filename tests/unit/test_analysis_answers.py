"""What a run answers: the sentences against arithmetic from the histograms, and the marks beside their figures."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from tests.support.loads import changed
from tests.support.made_run import Twist, make_run

from seatrial._engine import Histogram
from seatrial.analysis.load.histograms import merged
from seatrial.analysis.run.said.answers import answers_of
from seatrial.analysis.run.said.growth import growth_sentences
from seatrial.analysis.run.said.sentences import range_us
from seatrial.analysis.run.spread import spread_of
from seatrial.analysis.run.summary import summarise_run
from seatrial.record.reader import RunReader

if TYPE_CHECKING:
    from pathlib import Path

    from seatrial.analysis.run.model import CaseSummary, RunSummary, TrialSummary


def summary_of(path: Path) -> RunSummary:
    with RunReader.open(path) as reader:
        return summarise_run(reader)


@pytest.fixture(scope="module")
def good(tmp_path_factory):
    return make_run(tmp_path_factory.mktemp("runs"))


def merged_us(path: Path, quantile: float) -> dict[tuple[str, str], int]:
    """Return a quantile of each case, from the frames of the record alone."""
    found: dict[tuple[str, str], Histogram] = {}
    with RunReader.open(path) as reader:
        for trial in reader.trials():
            system, _, variables = trial.case_id.partition("-")
            found.setdefault((system, variables), Histogram()).add(
                merged(reader.frames(trial.trial), "latency")
            )
    return {case: histogram.quantile_us(quantile) for case, histogram in found.items()}


def test_what_a_system_adds_is_the_difference_of_the_percentiles(good):
    first = answers_of(summary_of(good))[0]
    for quantile, name in ((0.5, "p50"), (0.99, "p99")):
        us = merged_us(good, quantile)
        bare = [value for (system, _), value in us.items() if system == "direct"]
        assert f"{name} {range_us(min(bare), max(bare))}" in first
        for system in ("envoy", "nginx"):
            added = [
                us[system, variables] - us["direct", variables] for one, variables in us if one == system
            ]
            assert re.search(rf"{system} adds .*?{range_us(min(added), max(added))} to the {name}", first)
    assert "repeats of one case differ by up to" in first
    assert "INVALID" not in first


def test_what_requests_and_connections_cost(good):
    # 95 and 55 us of CPU for each request; 21 kB for each held connection; 50 more are active.
    costs = answers_of(summary_of(good))[1]
    assert costs.startswith(
        "1,000 requests/s cost envoy 0.095 cores and nginx 0.055 cores; a connection costs envoy "
    )
    found = re.search(r"nginx (\S+) to (\S+) kB of memory\.$", costs)
    assert found is not None
    wanted = [connections * 21.0 / (connections + 50) for connections in (200, 500)]
    assert [float(text) for text in found.groups()] == pytest.approx(wanted, rel=0.01)


def test_how_figures_move_with_each_variable(good):
    summary = summary_of(good)
    connections, rate = answers_of(summary)[2:]
    assert connections.startswith(
        "From connections=200 to 500, memory per connection becomes 1.1 times as large with"
    )
    assert "p50" not in connections
    assert rate.startswith(
        "From rate=1k/s to 2k/s, p50 becomes 1.1 times as large with direct, envoy and nginx;"
    )
    assert "cores" not in rate
    assert len(answers_of(summary)) <= 4


def test_where_repeats_overlap_nothing_is_claimed(tmp_path):
    # In one of its repeats direct is as slow as the proxy.
    summary = summary_of(make_run(tmp_path, twists={1: Twist(slow=4)}, systems=("direct", "envoy")))
    assert re.search(r"envoy adds \S+ to \S+ us \(3 of 4 cases\) to the p50", answers_of(summary)[0])


def test_figures_are_of_the_cases_that_can_be_believed(tmp_path):
    # Trial 5 is envoy's first case; its second repeat is trial 13.
    summary = summary_of(
        make_run(tmp_path, twists={5: Twist(counts_off=1, slow=50)}, systems=("direct", "envoy"))
    )
    first = answers_of(summary)[0]
    assert "INVALID" not in first
    assert not re.search(r"envoy adds [^;]* ms to the p50", first)


def test_invalid_is_a_mark_beside_a_figure(tmp_path):
    twists = {number: Twist(counts_off=1) for number in (5, 6, 7, 8)}
    summary = summary_of(make_run(tmp_path, twists=twists, systems=("direct", "envoy")))
    first, costs, *growth = answers_of(summary)
    assert re.search(
        r"envoy adds \d+ to \d+ us \(INVALID\) to the p50 and \d+ to \d+ us \(INVALID\) to the p99", first
    )
    assert "1,000 requests/s cost envoy 0.095 cores (INVALID)" in costs
    assert all("envoy" not in sentence for sentence in growth)


def test_what_only_looks_worse_is_at_most(tmp_path):
    twists = {number: Twist(lateness_us=900) for number in range(5, 9)}
    first = answers_of(summary_of(make_run(tmp_path, twists=twists, systems=("direct", "envoy"))))[0]
    assert re.search(r"envoy adds at most .* to the p50 and at most .* to the p99", first)


@pytest.mark.parametrize(("lateness_us", "off"), [(0, "takes"), (900, "takes at least")])
def test_a_system_that_is_faster_than_none_takes_time_off(tmp_path, lateness_us, off):
    # The trials of direct are 1 to 4 and 9 to 12; those of envoy may be late, and faster still.
    twists = {number: Twist(slow=50) for number in (1, 2, 3, 4, 9, 10, 11, 12)}
    late = range(5, 9) if lateness_us else ()
    twists |= {number: Twist(lateness_us=lateness_us) for first in late for number in (first, first + 8)}
    first = answers_of(summary_of(make_run(tmp_path, twists=twists, systems=("direct", "envoy"))))[0]
    off_each = "at least " if lateness_us else ""
    assert re.search(
        rf"envoy {off} [\d. tomu]+s off the p50 and {off_each}[\d. tomu]+s off the p99", first
    ), first


def test_a_system_that_is_faster_in_some_cases_moves_the_figure_both_ways(tmp_path):
    # Of the two cases with 500 connections direct is slow.
    twists = {number: Twist(slow=50) for number in (3, 4, 11, 12)}
    first = answers_of(summary_of(make_run(tmp_path, twists=twists, systems=("direct", "envoy"))))[0]
    assert re.search(r"envoy moves the p50 by -[\d.]+ ms to \+[\d.]+ us and the p99 by -", first), first


def test_a_baseline_that_did_not_run_is_not_called_one_that_the_plan_lacks(tmp_path):
    run = summary_of(make_run(tmp_path, trials=8, end=False, systems=("envoy", "direct")))
    measured = [case.case.system for case in run.cases if case.latency_us is not None]
    only_envoy = replace(
        run,
        cases=tuple(
            replace(case, latency_us=None) if case.case.system == "direct" else case for case in run.cases
        ),
    )
    assert "envoy" in measured
    assert "(no case of `direct` beside them was measured, so what" in answers_of(only_envoy)[0]
    alone = replace(run, cases=tuple(case for case in run.cases if case.case.system == "envoy"))
    assert "(the plan has no system `direct`, so what" in answers_of(alone)[0]


def test_where_nothing_can_be_believed_that_is_the_first_sentence(tmp_path):
    twists = {number: Twist(counts_off=1) for number in range(1, 13)}
    sentences = answers_of(summary_of(make_run(tmp_path, twists=twists, systems=("envoy",))))
    assert sentences[0].startswith("Nothing in this run could be believed")
    assert "no system `direct`" in sentences[1]
    assert sentences[-1] == (
        "How figures move with connections and rate is not known: no two cases to compare can be believed."
    )


def test_where_single_trials_can_be_believed_that_is_not_nothing(tmp_path):
    twists = {number: Twist(counts_off=1) for number in range(1, 5)}
    first, *_ = answers_of(summary_of(make_run(tmp_path, twists=twists, systems=("envoy",))))
    assert first == "No case of this run could be believed as a whole, though single trials could."


def test_a_repeat_without_a_figure_is_none_that_they_could_differ_by(tmp_path):
    run = summary_of(make_run(tmp_path, systems=("envoy",)))
    cases = tuple(
        replace(case, trials=(case.trials[0], *(replace(one, load=None) for one in case.trials[1:])))
        for case in run.cases
    )
    assert "one repeat each: how far these figures spread is not known" in " ".join(
        answers_of(replace(run, cases=cases))
    )


def with_loads(summary: RunSummary, system: str, **changes: Any) -> RunSummary:
    """Return the run with these values in every load of one system."""

    def other(trial: TrialSummary) -> TrialSummary:
        assert trial.load is not None
        return replace(trial, load=changed(trial.load, **changes))

    cases = (
        replace(case, trials=tuple(map(other, case.trials))) if case.case.system == system else case
        for case in summary.cases
    )
    return replace(summary, cases=tuple(cases))


def test_a_system_that_fell_behind_opens_the_answer(good):
    first = answers_of(
        with_loads(summary_of(good), "nginx", requests__intended=12_000, requests__completed=2_999)
    )[0]
    assert first == (
        "nginx answered 2,999 of the 12,000 requests asked with connections=200 rate=1k/s (24.9%), and less"
        " than was asked in 3 other cases: latencies there are those of a queue."
    )


def test_latencies_are_those_of_no_queue_where_requests_broke(good):
    summary = with_loads(
        summary_of(good),
        "nginx",
        requests__intended=12_000,
        requests__sent=12_000,
        requests__completed=9_000,
        requests__failed=3_000,
    )
    first = answers_of(summary)[0]
    assert first.startswith("nginx answered 9,000 of the 12,000 requests asked")
    assert "queue" not in first


@pytest.mark.parametrize(
    "changes",
    [
        # Poisson arrivals at 100/s for 60 s are between 5,850 and 6,150 of them.
        pytest.param(
            {"rate_per_s__achieved": 98.0, "requests__intended": 5_880, "requests__completed": 5_880},
            id="an arrival less",
        ),
        # What takes 100 ms and is asked in the last 100 ms of the window is answered after it.
        pytest.param(
            {"rate_per_s__achieved": 980.0, "requests__intended": 5_000, "requests__completed": 5_000},
            id="in the drain",
        ),
    ],
)
def test_who_answers_all_that_is_asked_has_not_fallen_behind(good, changes):
    summary = with_loads(summary_of(good), "nginx", **changes)
    achieved = spread_of([changes["rate_per_s__achieved"]])
    assert achieved is not None
    spreads = {"achieved_per_s": achieved}
    cases = tuple(replace(case, spreads={**case.spreads, **spreads}) for case in summary.cases)
    assert not any("queue" in sentence for sentence in answers_of(replace(summary, cases=cases)))


def test_a_run_without_measurements_answers_nothing(tmp_path):
    assert answers_of(summary_of(make_run(tmp_path, trials=0, end=False))) == ()


def test_one_repeat_says_that_its_spread_is_not_known(tmp_path):
    summary = summary_of(make_run(tmp_path, trials=8, systems=("direct", "envoy")))
    assert "how far these figures spread is not known" in answers_of(summary)[0]


def test_growth_is_a_cost_for_each_variable_with_its_interval(good):
    found = {(growth.system, growth.figure): growth for growth in summary_of(good).growth}
    assert {system for system, _ in found} == {"envoy", "nginx"}
    for system, cpu_us in (("envoy", 95), ("nginx", 55)):
        cpu = found[system, "CPU"]
        # 1 us of CPU for each request is 0.001 cores for 1,000 requests/s.
        assert cpu.fit.slopes["rate"].per_unit * 1_000 == pytest.approx(cpu_us / 1_000, rel=0.02)
        assert f"{cpu_us / 1_000:.3g} cores more per 1,000 requests/s (" in cpu.sentence
        memory = found[system, "memory"]
        # 21 kB for each held connection, of which PSS is nine tenths in these records.
        assert memory.fit.slopes["connections"].per_unit == pytest.approx(18_900, rel=0.02)
        assert "18.9 KB more per connection (" in memory.sentence
        assert memory.fit.trials == 8


def test_where_the_last_case_is_not_believed_the_last_believed_one_is_compared(good, tmp_path):
    def at(case: CaseSummary, rate_per_s: float) -> CaseSummary:
        return replace(case, case=replace(case.case, variables=(("rate", rate_per_s),)))

    believed = [case for case in summary_of(good).cases if case.case.system == "nginx"]
    doubted = summary_of(
        make_run(tmp_path, twists={number: Twist(counts_off=1) for number in range(1, 5)}, systems=("envoy",))
    ).cases[0]
    doubted = replace(doubted, case=replace(doubted.case, system="nginx"))
    (sentence,) = growth_sentences([at(believed[0], 1_000), at(believed[1], 2_000), at(doubted, 9_000)])
    assert sentence.startswith("From rate=1k/s to 2k/s, "), sentence
    (sentence,) = growth_sentences([at(believed[0], 1_000), at(doubted, 9_000)])
    assert sentence.startswith("How figures move with rate is not known"), sentence
