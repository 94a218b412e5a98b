"""Windows of disturbances: every request in one of them, objectives on the worst, and what rules look at."""

from __future__ import annotations

from dataclasses import replace

import pytest
from tests.support.loads import changed
from tests.support.made_run import MEASURE_S, Twist, compiled_plan, made_account, made_frames
from tests.unit.test_analysis_judgement import measured, objective
from tests.unit.test_analysis_validity import GOOD, LOAD

from seatrial.analysis.load.answered import dropped, error_count
from seatrial.analysis.load.disturbed import disturbed
from seatrial.analysis.load.summarise import summarise
from seatrial.analysis.load.window import window_of
from seatrial.analysis.measured import Measured
from seatrial.analysis.run.objectives import judge_case
from seatrial.analysis.validity.evidence import TrialEvidence
from seatrial.analysis.validity.judge import judge_trial
from seatrial.record.facts import TrialCounts
from seatrial.record.tables.rows import RecordedDisturbance

CASE = compiled_plan(("envoy",))["cases"][0]
ACCOUNT = made_account(1, CASE)
FRAMES = list(made_frames(1, CASE, Twist(errors={"reset": 2})))
WINDOW = window_of(ACCOUNT, FRAMES)
COUNTS = ("intended", "sent", "completed", "unsent", "in_flight", "timed_out", "failed")


def at(*seconds: float) -> list[RecordedDisturbance]:
    start_s = WINDOW.start_ns / 1e9
    return [
        RecordedDisturbance(number, "reload", start_s + second, start_s + second + 0.5, 0)
        for number, second in enumerate(seconds, start=1)
    ]


@pytest.mark.parametrize(
    "seconds", [(2.0,), (2.01, 4.0), (0.0,), (1.5, 1.9), (0.0, 5.99), (1, 2, 3, 4, 5)], ids=str
)
def test_each_request_is_in_one_window(seconds):
    found = disturbed(ACCOUNT, FRAMES, WINDOW, at(*seconds))
    loads = (found.steady, *(window.load for window in found.windows))
    parts = [load for load in loads if load is not None]
    whole = summarise(ACCOUNT, FRAMES)
    for name in COUNTS:
        assert sum(getattr(part.requests, name) for part in parts) == getattr(whole.requests, name), name
    assert sum(part.latency_us.count for part in parts) == whole.latency_us.count
    assert sum(error_count(part) for part in parts) == error_count(whole)
    assert sum(dropped(part) for part in parts) == dropped(whole) == 2 * 2 * MEASURE_S


def test_a_window_begins_with_the_step_of_its_disturbance_and_ends_with_the_next():
    found = disturbed(ACCOUNT, FRAMES, WINDOW, at(2.01, 4.7))
    assert [(window.start_s, window.end_s) for window in found.windows] == [(2.0, 4.0), (4.0, 6.0)]
    assert [(window.at_s, window.took_s) for window in found.windows] == [(2.01, 0.5), (4.7, 0.5)]
    assert found.calm.length_s == 2.0
    assert found.steady is not None
    # The workers of the made run send 1,000/s together.
    assert [load.requests.sent for load in (found.steady, found.windows[0].load) if load] == [2_000, 2_000]


def test_nothing_is_steady_where_the_first_was_at_the_very_start():
    found = disturbed(ACCOUNT, FRAMES, WINDOW, at(0.0))
    assert found.steady is None
    assert found.calm.length_s == 0


def test_of_two_in_one_step_the_second_has_the_window():
    first, second = disturbed(ACCOUNT, FRAMES, WINDOW, at(2.2, 2.6)).windows
    assert (first.number, first.load) == (1, None)
    assert (second.number, second.start_s) == (2, 2.0)
    unseen = replace(windows(2_000), windows=(None, LOAD))
    assert judge_case([objective("during_p99", "<", 5_000)], [unseen]).outcomes[0].unknown


def codes(evidence: TrialEvidence) -> set[str]:
    return {reason.code for reason in judge_trial(evidence).reasons}


def windows(*p99s_us: int, **changes) -> Measured:
    loads = tuple(
        changed(LOAD, latency_us=replace(LOAD.latency_us, p99=p99_us), latency_ours_us=None, **changes)
        for p99_us in p99s_us
    )
    return replace(measured(1_000), windows=loads)


def test_an_objective_on_windows_must_hold_in_the_worst_of_each_trial():
    asked = [objective("during_p99", "<", 5_000)]
    assert judge_case(asked, [windows(2_000, 4_999)]).state == "PASS"
    verdict = judge_case(asked, [windows(2_000, 3_000), windows(5_000, 2_000)])
    assert (verdict.state, verdict.outcomes[0].values) == ("FAIL", (3_000, 5_000))
    assert verdict.outcomes[0].objective.metric == "during_p99"
    least = judge_case([objective("during_p99", ">", 2_500)], [windows(2_000, 3_000)])
    assert (least.state, least.outcomes[0].values) == ("FAIL", (2_000,))


def test_a_window_with_too_few_latencies_proves_no_percentile():
    few = windows(2_000, latency_us__count=99)
    (window,) = few.windows
    assert window is not None
    few = replace(few, windows=(changed(window, latency_us__count=99),))
    (outcome,) = judge_case([objective("during_p99", "<", 5_000)], [few]).outcomes
    assert (outcome.held, outcome.samples_needed, outcome.samples_fewest) == (None, 100, 99)


def test_every_window_has_to_prove_it_and_not_only_the_worst():
    few = changed(LOAD, latency_us=replace(LOAD.latency_us, p99=2_000, count=5), latency_ours_us=None)
    trial = replace(windows(3_000), windows=(few, *windows(3_000).windows))
    (outcome,) = judge_case([objective("during_p99", "<", 5_000)], [trial]).outcomes
    assert (outcome.held, outcome.samples_needed, outcome.samples_fewest) == (None, 100, 5)
    nothing = changed(LOAD, latency_us=replace(LOAD.latency_us, count=0), latency_ours_us=None)
    trial = replace(windows(3_000), windows=(nothing, *windows(3_000).windows))
    assert judge_case([objective("during_p99", "<", 5_000)], [trial]).outcomes[0].unknown
    three, nine = (changed(LOAD, requests__failed=count) for count in (3, 9))
    trial = replace(windows(3_000), windows=(three, nine))
    (outcome,) = judge_case([objective("during_dropped", "==", 3)], [trial]).outcomes
    assert (outcome.held, outcome.values) == (False, (9,))


def test_a_window_whose_requests_were_lost_is_worse_than_any_latency():
    lost = changed(LOAD, requests__failed=LOAD.requests.intended // 10, latency_ours_us=None)
    trial = replace(windows(4_000), windows=(*windows(4_000).windows, lost))
    (outcome, *_) = judge_case([objective("during_p99", "<", 5_000)], [trial]).outcomes
    assert outcome.held is False
    assert outcome.lost


def test_what_nothing_is_done_to_has_no_windows_and_what_is_disturbed_must_have_had_one():
    asked = [objective("during_dropped", "==", 0)]
    spared = replace(measured(), disturbed=False)
    assert judge_case(asked, [spared]).outcomes[0].held is None
    assert not judge_case(asked, [spared]).outcomes[0].unknown
    assert judge_case(asked, [measured()]).outcomes[0].unknown


def test_errors_after_a_disturbance_are_a_result_and_before_it_a_doubt():
    broken = changed(LOAD, errors_in_window={"connect_refused": 5_000})
    found = disturbed(ACCOUNT, FRAMES, WINDOW, at(2.0))
    after = replace(GOOD, load=broken, disturbed=replace(found, steady=LOAD))
    before = replace(GOOD, load=broken, disturbed=replace(found, steady=broken))
    assert "system.errors" not in codes(after)
    assert "system.errors" in codes(before)


def test_what_was_asked_to_see_that_it_was_done_may_have_been_counted():
    counts = TrialCounts(8_000, 8_000, 8_000, 8_012)
    assert "system.counts" in codes(replace(GOOD, counts=counts, asked_beside=11))
    assert "system.counts" not in codes(replace(GOOD, counts=counts, asked_beside=12))
    fewer = replace(GOOD, counts=TrialCounts(8_000, 7_999, 8_000, 8_000), asked_beside=12)
    assert "system.counts" in codes(fewer)
