"""From a record to what is said of it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from tests.support.made_run import Twist, make_run

if TYPE_CHECKING:
    from pathlib import Path

    from seatrial.analysis.model import RunSummary

from seatrial._engine import Histogram
from seatrial.analysis.cases import case_summary
from seatrial.analysis.histograms import merged, spectrum
from seatrial.analysis.resources import TrialResources
from seatrial.analysis.sentences import range_us, sentence_of
from seatrial.analysis.summary import summarise_run
from seatrial.errors import ExitCode
from seatrial.record.reader import RunReader
from seatrial.record.rows import RecordedObjective


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
    assert direct.state == "not run"
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


def test_a_run_that_was_cut_says_so(tmp_path):
    summary = summary_of(make_run(tmp_path, trials=2, end=False))
    assert summary.run.state == "cut off"
    assert [case.state for case in summary.cases[:4]] == ["not run"] * 4
    assert summary.systems[0].sentence == "direct: not finished, 0 of 4 cases ran"
    assert summary.exit_code == ExitCode.INVALID_MEASUREMENT


def test_a_case_passes_only_with_all_its_repeats(tmp_path):
    summary = summary_of(make_run(tmp_path, trials=5, end=False, systems=("direct",)))
    assert [case.state for case in summary.cases] == ["PASS", "not run", "not run", "not run"]
    assert [case.verdict.state for case in summary.cases] == ["PASS", None, None, None]
    assert summary.systems[0].sentence == "direct: not finished, 1 of 4 cases ran"


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
