"""From a record to what is said of it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from tests.support.made_run import Twist, make_run

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path
    from typing import Any

    from seatrial.analysis.run.model import CaseSummary, RunSummary
    from seatrial.record.tables.rows import RecordedTrial

from tests.support.loads import changed

from seatrial._engine import Histogram
from seatrial.analysis.load.distribution import Percentiles
from seatrial.analysis.load.histograms import merged, spectrum
from seatrial.analysis.resources import TrialResources
from seatrial.analysis.run.cases import case_summary
from seatrial.analysis.run.said.sentences import range_us, rate_text, sentence_of, value_text
from seatrial.analysis.run.summary import outcome_of, summarise_run
from seatrial.errors import ExitCode
from seatrial.record.reader import RunReader
from seatrial.record.tables.rows import RecordedObjective
from seatrial.report.html import render_html
from seatrial.report.json import results_document
from seatrial.report.markdown import render_markdown


def summary_of(path: Path) -> RunSummary:
    with RunReader.open(path) as reader:
        return summarise_run(reader)


@pytest.fixture(scope="module")
def good(tmp_path_factory):
    return make_run(tmp_path_factory.mktemp("runs"))


@pytest.fixture(scope="module")
def twisted(tmp_path_factory):
    twists = {
        5: Twist(died=True),
        6: Twist(lateness_us=900),
        7: Twist(held_lost=5),
        8: Twist(generator_cores=0.95),
        9: Twist(counts_off=1),
        10: Twist(drained=False),
        11: Twist(lost_frame=7),
        12: Twist(errors={"read_reset": 40}),
    }
    return summary_of(make_run(tmp_path_factory.mktemp("runs"), twists=twists, trials=12))


def test_a_good_run_passes_with_a_sentence_for_each_system(good):
    summary = summary_of(good)
    assert summary.exit_code == ExitCode.PASS
    assert [system.state for system in summary.systems] == ["PASS"] * 3
    sentence = summary.systems[1].sentence
    assert sentence.startswith("envoy: PASS, p99 ")
    assert (
        "over 4 cases x 2 repeats, 0 errors, 1,000 to 2,000 requests/s asked for, at least 100.0%" in sentence
    )


def test_percentiles_of_a_case_are_of_the_merged_histograms(good):
    with RunReader.open(good) as reader:
        summary = summarise_run(reader)
        case = summary.cases[4]
        both = Histogram()
        for trial in case.trials:
            both.add(merged(reader.frames(trial.trial), "latency"))
    assert case.latency_us is not None
    assert case.latency_us.count == both.count == 12_000
    assert case.latency_us.p999 == both.quantile_us(0.999)
    low, high = case.spreads["p99"].min, case.spreads["p99"].max
    assert low <= case.latency_us.p99 <= high


def test_resources_and_series(good):
    case = summary_of(good).cases[5]
    assert case.spreads["system_cpu_cores"].median == pytest.approx(0.19)
    assert case.spreads["system_cpu_cores_per_1000_per_s"].median == pytest.approx(0.095)
    assert case.spreads["system_memory_bytes_per_connection"].median == pytest.approx(16_800, rel=0.05)
    points = case.trials[0].series.points
    assert len(points) == 10
    assert {point.phase for point in points} == {"ramp", "warm up", "measure"}
    assert points[-1].sent_per_s == pytest.approx(2_000)
    assert points[-1].held == 200
    assert {curve.role for curve in case.trials[0].series.roles} == {"system", "origin", "generator"}


@pytest.mark.parametrize(
    ("trial", "code"),
    [
        (5, "system.died"),
        (6, "generator.late"),
        (7, "system.held_connections"),
        (8, "generator.cpu"),
        (9, "system.counts"),
        (10, "system.not_drained"),
        (11, "generator.frames"),
        (12, "system.errors"),
    ],
)
def test_what_went_wrong_is_found_in_the_record(twisted, trial, code):
    found = {summary.trial: summary for _, summary in twisted.invalid}
    assert code in [reason.code for reason in found[trial].validity.reasons]


def test_doubt_makes_exit_code_3_and_is_said_in_the_sentence(twisted):
    assert twisted.exit_code == ExitCode.INVALID_MEASUREMENT
    direct, envoy, _ = twisted.systems
    assert direct.state == "unfinished"
    assert envoy.sentence.startswith("envoy: INVALID, 4 of 4 trials cannot be believed: the system went away")
    assert twisted.cases[4].verdict.state is None


def test_trials_of_different_drivers_are_not_put_together_in_silence(tmp_path):
    summary = summary_of(make_run(tmp_path, twists={6: Twist(driver="io_uring")}))
    doubted = {
        case.label: reason.text
        for case in summary.cases
        for reason in case.validity.reasons
        if reason.code == "generator.drivers"
    }
    mixed = summary.cases[5]
    assert list(doubted) == [mixed.label]
    assert "epoll, io_uring" in doubted[mixed.label]
    assert mixed.verdict.state is None


def test_a_slow_system_fails_and_is_believed(tmp_path):
    summary = summary_of(
        make_run(
            tmp_path,
            twists={6: Twist(slow=12)},
        )
    )
    assert summary.exit_code == ExitCode.OBJECTIVE_FAILED
    assert summary.systems[1].sentence.startswith("envoy: FAIL, p99 < 5 ms does not hold in 1 of 4 cases")
    assert summary.cases[5].label == "connections=200 rate=2k/s"


def test_a_fail_is_said_beside_what_cannot_be_believed(tmp_path):
    summary = summary_of(make_run(tmp_path, twists={5: Twist(died=True), 6: Twist(slow=12)}))
    envoy = summary.systems[1]
    assert envoy.sentence.startswith(
        "envoy: FAIL, p99 < 5 ms does not hold in 1 of 4 cases (connections=200 rate=2k/s: "
    )
    assert (
        ", in 1 of 2 repeats); INVALID in 1 of 4 cases, where 1 of 8 trials cannot be believed: the system"
        in (envoy.sentence)
    )
    assert (envoy.state, summary.exit_code) == ("INVALID", ExitCode.INVALID_MEASUREMENT)


def with_load(case: CaseSummary, asked: Sequence[RecordedObjective] = (), **changes: Any) -> CaseSummary:
    loads = [changed(trial.load, **changes) for trial in case.trials if trial.load is not None]
    trials = [replace(trial, load=load) for trial, load in zip(case.trials, loads, strict=True)]
    return case_summary(case.case, trials, [], asked, 2)


def test_a_page_of_errors_fails_and_is_the_first_that_is_said(good):
    summary = summary_of(good)
    case = with_load(summary.cases[4], status={"500": 6_000})
    assert (case.state, case.findings) == ("FAIL", ("all 12,000 answers were 500",))
    assert sentence_of("envoy", [case]).startswith(
        "envoy: FAIL, answers were not as expected in 1 of 1 case"
        " (connections=200 rate=1k/s: all 12,000 answers were 500)"
    )
    run = replace(summary, cases=(case,))
    assert run.findings == ("envoy, connections=200 rate=1k/s: all 12,000 answers were 500",)
    assert results_document(run)["findings"] == list(run.findings)
    for rendered in (render_markdown(run), render_html(run)):
        finding = rendered.index("all 12,000 answers were 500")
        assert finding < rendered.index("envoy: PASS")


def test_too_few_samples_are_the_plans_fault_and_say_how_many_it_takes(good):
    asked = [RecordedObjective("p9999 < 1 s", "p9999", "<", 1_000_000)]
    seen = summary_of(good).cases[4]
    case = case_summary(seen.case, seen.trials, [], asked, 2)
    assert (case.state, case.verdict.state) == ("INVALID", None)
    (reason,) = case.validity.reasons
    assert reason.code == "plan.few_samples"
    assert "`p9999 < 1 s` needs 10,000 latencies in every trial, and one has 6,000" in reason.text
    assert reason.text in sentence_of("envoy", [case])


def test_what_only_the_generators_part_decides_has_no_verdict_and_says_so(good):
    seen = summary_of(good).cases[4]
    ours = Percentiles(**dict.fromkeys(Percentiles.__dataclass_fields__, 10**9))
    trials = [
        replace(trial, load=changed(trial.load, latency_ours_us=ours))
        for trial in seen.trials
        if trial.load is not None
    ]
    case = case_summary(seen.case, trials, [], [RecordedObjective("p99 < 1 us", "p99", "<", 1)], 2)
    assert (case.state, case.verdict.state) == ("INVALID", None)
    (reason,) = case.validity.reasons
    assert reason.code == "generator.decides"
    assert "`p99 < 1 us` does not hold" in reason.text
    assert reason.text in sentence_of("envoy", [case])


@pytest.mark.parametrize(
    ("metric", "value", "text"),
    [
        ("proxy_memory", 12_600_000, "12.6 MB"), ("errors", 12_600_000, "12,600,000"), ("achieved", 0.98999, "98.99 %"),
        ("proxy_cpu_cores", 0.4567, "0.457 cores"), ("p99", 842, "842 us"),
    ],
)  # fmt: skip
def test_values_are_written_with_their_units(metric, value, text):
    assert value_text(metric, value) == text


def test_a_rate_below_one_is_no_nought(good):
    assert [rate_text(rate) for rate in (0.5, 39.75, 2_000, 2_000.4)] == ["0.5", "39.8", "2,000", "2,000"]
    case = with_load(summary_of(good).cases[4], rate_per_s__requested=0.5, rate_per_s__achieved=0.49)
    assert "0.49 requests/s achieved of 0.5" in sentence_of("envoy", [case])


def test_a_run_that_was_cut_says_so(tmp_path):
    summary = summary_of(make_run(tmp_path, trials=2, end=False))
    assert summary.run.state == "cut off"
    assert [case.state for case in summary.cases[:4]] == ["unfinished"] * 2 + ["not run"] * 2
    assert summary.systems[0].sentence == "direct: not finished, 2 of 8 trials ran"
    assert summary.exit_code == ExitCode.INVALID_MEASUREMENT


class GoesOn(RunReader):
    """A run that goes on meanwhile: each time that its trials are read one more of them has ended."""

    ended = 0

    def trials(self) -> tuple[RecordedTrial, ...]:
        self.ended += 1
        return tuple(
            trial if trial.trial <= self.ended else replace(trial, state="running")
            for trial in super().trials()
        )


def test_a_trial_that_ends_while_a_live_run_is_read_breaks_nothing(tmp_path):
    path = make_run(tmp_path, trials=8, end=False, systems=("direct",))
    with GoesOn.open(path) as reader:
        summary = summarise_run(reader)
    assert sum(len(case.trials) for case in summary.cases) > 0


class OfOneTrial(RunReader):
    """Reads no trial but the one that it is asked for."""

    def trials(self) -> tuple[RecordedTrial, ...]:
        raise AssertionError("with every trial that ends all those before it are read again")


def test_to_judge_one_trial_no_other_is_read(tmp_path):
    path = make_run(tmp_path, trials=3, end=False, twists={2: Twist(died=True)}, systems=("direct",))
    with OfOneTrial.open(path) as reader:
        states = [
            None if (found := outcome_of(reader, trial)) is None else found[1].state for trial in range(5)
        ]
    assert states == [None, "VALID", "INVALID", "VALID", None]


def test_a_case_passes_only_with_all_its_repeats(tmp_path):
    summary = summary_of(make_run(tmp_path, trials=5, end=False, systems=("direct",)))
    assert [case.state for case in summary.cases] == ["PASS", *["unfinished"] * 3]
    assert [case.verdict.state for case in summary.cases] == ["PASS", None, None, None]
    assert summary.systems[0].sentence == "direct: not finished, 5 of 8 trials ran"


def test_what_a_proxy_was_asked_and_nobody_saw_is_not_passed_over(good):
    summary = summary_of(good)
    asked = [RecordedObjective("proxy_cpu_cores < 1", "proxy_cpu_cores", "<", 1)]
    seen = summary.cases[4]
    blind = [replace(trial, resources=TrialResources(())) for trial in seen.trials]
    case = case_summary(seen.case, blind, [], asked, 2)
    assert (case.state, case.verdict.state) == ("INVALID", None)
    assert [reason.code for reason in case.validity.reasons] == ["generator.unknown_metric"]
    assert case_summary(seen.case, seen.trials, [], asked, 2).state == "PASS"
    direct = summary.cases[0]
    assert case_summary(direct.case, direct.trials, [], asked, 2).state == "VALID"
    whole = replace(summary, cases=(case, *summary.cases[1:]))
    assert whole.exit_code == ExitCode.INVALID_MEASUREMENT
    assert "proxy_cpu_cores < 1" in sentence_of("envoy", [case])


def test_a_run_without_trials_is_no_measurement(tmp_path):
    assert summary_of(make_run(tmp_path, trials=0)).exit_code == ExitCode.INVALID_MEASUREMENT


def test_the_spectrum_ends_where_the_samples_do():
    histogram = Histogram()
    for value in range(1, 1_001):
        histogram.record(value)
    points = spectrum(histogram)
    assert points[0] == (1.0, histogram.quantile_us(0.0))
    assert 800 <= points[-1][0] <= 1_000
    assert [value for _, value in points] == sorted(value for _, value in points)


def test_ranges_name_the_unit_once_where_they_can():
    assert range_us(410, 620) == "410 to 620 us"
    assert range_us(410, 1_620) == "410 us to 1.62 ms"
    assert range_us(410, 410) == "410 us"


def test_what_does_not_hold_is_said_where_nothing_can_be_believed_either(tmp_path):
    """Whoever mends the doubt would meet the failure only in the next run."""
    twists = {number: Twist(counts_off=1, slow=1_000, errors={"read_reset": 40}) for number in range(1, 13)}
    summary = summary_of(make_run(tmp_path, twists=twists, trials=12))
    _, envoy, _ = summary.systems
    assert envoy.state == "INVALID"
    doubts, _, broken = envoy.sentence.partition("; by what was measured all the same, ")
    assert "cannot be believed" in doubts
    assert "p99 < 5 ms does not hold in 4 of 4 cases" in broken
