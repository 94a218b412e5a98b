"""What was asked and what came: each definition on numbers that a person can add up."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from tests.unit.test_analysis_validity import LOAD

from seatrial.analysis.load.answered import (
    answered_of_intended,
    error_count,
    findings_of,
    share_text,
    unanswered,
    unexpected_answers,
)
from seatrial.analysis.load.result import LoadResult


def load(**changes: Any) -> LoadResult:
    """A load of 4 s at 100/s that was answered whole, but for what is changed."""
    asked: dict[str, Any] = {
        "window_s": 4.0, "intended": 400, "sent": 400, "completed": 400, "unsent": 0, "in_flight": 0, "timed_out": 0,
        "failed": 0, "status": {"200": 400}, "rate_requested_per_s": 100.0, "answered_in_window": 400,
        "answered_to_warmup": 0, "errors": {}, "errors_in_window": {}, "unexpected": {},
    }  # fmt: skip
    return replace(LOAD, **(asked | changes))


# Capacity 40/s with two connections: what came in the window is the same with and without a warm-up.
OVERLOADED = load(
    completed=240, status={"200": 240}, sent=242, unsent=158, in_flight=2, answered_in_window=160
)
AFTER_2_S = load(
    completed=119, status={"200": 119}, sent=121, unsent=279, in_flight=2, answered_in_window=160,
    answered_to_warmup=121,
)  # fmt: skip


def test_a_load_that_was_answered_as_asked_has_nothing_to_report() -> None:
    assert findings_of((load(),)) == ()
    assert (error_count(load()), unanswered(load()), unexpected_answers(load())) == (0, 0, 0)
    assert answered_of_intended(load()) == 1.0


def test_requests_that_were_never_sent_are_errors() -> None:
    """Capacity 200/s, 400/s asked for 4 s: 1,380 of 1,600 were never sent."""
    result = load(
        intended=1_600, sent=220, completed=200, unsent=1_380, timed_out=18, in_flight=2, status={"200": 200},
        answered_in_window=200, errors_in_window={"timeout": 18},
    )  # fmt: skip
    assert unanswered(result) == error_count(result) == 1_400
    assert answered_of_intended(result) == 0.125


def test_what_a_cut_load_left_no_word_of_is_said_as_such() -> None:
    cut = load(completed=150, status={"200": 150}, sent=160, unsent=0, in_flight=0, answered_in_window=150)
    assert findings_of((cut,)) == (
        "100/s asked, 37.5/s answered: 37.5 %; 250 requests had no answer yet when the load was cut",
    )


def test_both_rates_are_said_where_they_differ() -> None:
    assert findings_of((OVERLOADED,)) == (
        "100/s asked, 40/s answered: 40 %; 158 requests found no free connection, 2 were unanswered at the end",
        "of the 400 requests intended in the window 240 were answered, 80 of them after its end",
    )
    first, second = findings_of((AFTER_2_S,))
    assert first.startswith("100/s asked, 40/s answered: 40 %; 279 requests found no free connection")
    assert second == (
        "of the 400 requests intended in the window 119 were answered, 80 of them after its end;"
        " 121 of the answers in the window were to requests of the warm-up"
    )


def test_answers_under_way_at_the_end_are_not_lost() -> None:
    """100 ms each over 5 s without a warm-up: 98 % came in the window, and all came."""
    slow = load(answered_in_window=392)
    assert answered_of_intended(slow) == 1.0
    assert findings_of((slow,)) == (
        "100/s asked, 98/s answered: 98 %",
        "of the 400 requests intended in the window all were answered, 8 of them after its end",
    )


def test_poisson_arrivals_are_held_against_what_was_drawn() -> None:
    drawn = load(
        arrival="poisson", intended=374, sent=374, completed=374, answered_in_window=372, status={"200": 374}
    )
    assert answered_of_intended(drawn) == 1.0
    assert findings_of((drawn,)) == ()


def test_a_few_that_were_not_answered_are_named() -> None:
    few = load(completed=398, timed_out=1, failed=1, status={"200": 398}, answered_in_window=398)
    assert findings_of((few,)) == ("2 of 400 requests were not answered: 1 request timed out, 1 failed",)
    closed = load(
        loop="closed", rate_requested_per_s=None, completed=399, timed_out=1, answered_in_window=300
    )
    assert findings_of((closed,)) == ("1 of 400 requests was not answered: 1 request timed out",)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"status": {"500": 400}}, "all 400 answers were 500"),
        ({"status": {"200": 399, "503": 1}}, "1 of 400 answers was 503"),
        ({"status": {"301": 400}}, "all 400 answers were 301"),
        (
            {"status": {"200": 100, "500": 100, "503": 200}},
            "300 of 400 answers were not as expected: 200 were 503, 100 were 500",
        ),
        ({"status": {"200": 400}, "status_expected": (404,)}, "all 400 answers were 200, 404 was expected"),
        ({"status": {"404": 400}, "status_expected": (200, 404)}, None),
        (
            {"status": {"200": 390, "500": 10}, "unexpected": {"status": 10, "body": 20}},
            "30 of 400 answers were not as expected: 10 were 500, 20 had another header or body",
        ),
    ],
)
def test_statuses_that_nobody_asked_for_are_said(changes: dict[str, Any], sentence: str | None) -> None:
    result = load(**changes)
    assert findings_of((result,)) == (() if sentence is None else (sentence,))
    assert (error_count(result) == 0) is (sentence is None)


def test_trials_of_a_case_are_put_together() -> None:
    both = (load(status={"200": 300, "500": 100}), load(status={"200": 400}))
    assert findings_of(both) == ("100 of 800 answers were 500",)
    assert findings_of((OVERLOADED, load()))[0].startswith("100/s asked, 70/s answered: 70 %; ")


@pytest.mark.parametrize(
    ("part", "whole", "text"),
    [
        (500, 2_000, "a quarter"), (999, 2_000, "half"), (1_999, 2_000, "99.9 %"), (0, 5, "nothing"),
        (1, 5_000, "less than 0.1 %"), (398, 1_000, "39.8 %"), (0, 0, "nothing"),
    ],
)  # fmt: skip
def test_a_share_is_never_rounded_up_to_all(part: int, whole: int, text: str) -> None:
    assert share_text(part, whole) == text
