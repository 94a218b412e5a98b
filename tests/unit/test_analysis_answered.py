"""What was asked and what came: each definition on numbers that a person can add up."""

from __future__ import annotations

from typing import Any

import pytest
from tests.support.loads import changed
from tests.unit.test_analysis_validity import LOAD

from seatrial.analysis.load.answered import (
    error_count,
    findings_of,
    share_text,
    unanswered,
    unexpected_of_held,
)
from seatrial.analysis.load.result import LoadResult

OF_HELD = "of 100 requests of idle connections"


def load(**changes: Any) -> LoadResult:
    """A load of 4 s at 100/s that was answered whole, but for what is changed."""
    asked: dict[str, Any] = {
        "window_s": 4.0,
        "requests__intended": 400,
        "requests__sent": 400,
        "requests__completed": 400,
        "requests__unsent": 0,
        "requests__in_flight": 0,
        "requests__timed_out": 0,
        "requests__failed": 0,
        "status": {"200": 400},
        "rate_per_s__requested": 100.0,
        "answers__in_window": 400,
        "answers__to_warmup": 0,
        "errors": {},
        "errors_in_window": {},
        "unexpected__counts": {},
    }
    return changed(LOAD, **(asked | changes))


# Capacity 40/s with two connections: what came in the window is the same with and without a warm-up.
OVERLOADED = load(
    requests__completed=240,
    status={"200": 240},
    requests__sent=242,
    requests__unsent=158,
    requests__in_flight=2,
    answers__in_window=160,
)
AFTER_2_S = load(
    requests__completed=119,
    status={"200": 119},
    requests__sent=121,
    requests__unsent=279,
    requests__in_flight=2,
    answers__in_window=160,
    answers__to_warmup=121,
)


def test_a_load_that_was_answered_as_asked_has_nothing_to_report() -> None:
    assert findings_of((load(),)) == ()
    assert (error_count(load()), unanswered(load()), load().answers.unexpected) == (0, 0, 0)
    assert load().answers.of_intended == 1.0


def test_requests_that_were_never_sent_are_errors() -> None:
    """Capacity 200/s, 400/s asked for 4 s: 1,380 of 1,600 were never sent."""
    result = load(
        requests__intended=1_600,
        requests__sent=220,
        requests__completed=200,
        requests__unsent=1_380,
        requests__timed_out=18,
        requests__in_flight=2,
        status={"200": 200},
        answers__in_window=200,
        errors_in_window={"timeout": 18},
    )
    assert unanswered(result) == error_count(result) == 1_400
    assert result.answers.of_intended == 0.125


def test_what_a_cut_load_left_no_word_of_is_said_as_such() -> None:
    cut = load(
        requests__completed=150,
        status={"200": 150},
        requests__sent=160,
        requests__unsent=0,
        requests__in_flight=0,
        answers__in_window=150,
    )
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
    slow = load(answers__in_window=392)
    assert slow.answers.of_intended == 1.0
    assert findings_of((slow,)) == (
        "100/s asked, 98/s answered: 98 %",
        "of the 400 requests intended in the window all were answered, 8 of them after its end",
    )


def test_poisson_arrivals_are_held_against_what_was_drawn() -> None:
    drawn = load(
        arrival="poisson",
        requests__intended=374,
        requests__sent=374,
        requests__completed=374,
        answers__in_window=372,
        status={"200": 374},
    )
    assert drawn.answers.of_intended == 1.0
    assert findings_of((drawn,)) == ()


def test_a_few_that_were_not_answered_are_named() -> None:
    few = load(
        requests__completed=398,
        requests__timed_out=1,
        requests__failed=1,
        status={"200": 398},
        answers__in_window=398,
    )
    assert findings_of((few,)) == ("2 of 400 requests were not answered: 1 request timed out, 1 failed",)
    closed = load(
        loop="closed",
        rate_per_s__requested=None,
        requests__completed=399,
        requests__timed_out=1,
        answers__in_window=300,
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
            {"status": {"200": 390, "500": 10}, "unexpected__counts": {"status": 10, "body": 20}},
            "30 of 400 answers were not as expected: 10 were 500, 20 had another header or body",
        ),
    ],
)
def test_statuses_that_nobody_asked_for_are_said(changes: dict[str, Any], sentence: str | None) -> None:
    result = load(**changes)
    assert findings_of((result,)) == (() if sentence is None else (sentence,))
    assert (error_count(result) == 0) is (sentence is None)


@pytest.mark.parametrize(
    ("held", "expected", "unexpected", "sentence"),
    [
        ({"2xx": 90}, (), 0, f"{OF_HELD} 4 had no answer"),
        ({"2xx": 1, "5xx": 95}, (), 95, f"{OF_HELD} 95 were not answered as expected, 4 had no answer"),
        ({"4xx": 96}, (404, 410), 0, f"{OF_HELD} 4 had no answer"),
        ({"3xx": 96}, (), 96, f"{OF_HELD} 96 were not answered as expected, 4 had no answer"),
    ],
)  # fmt: skip
def test_what_idle_connections_got_is_an_error_where_it_is_none_of_what_is_expected(
    held: dict[str, int], expected: tuple[int, ...], unexpected: int, sentence: str
) -> None:
    found = load(
        connections__held_requests=100, connections__held_answers=held, connections__held_unanswered=4,
        status={str(expected[0]) if expected else "200": 400}, status_expected=expected,
    )  # fmt: skip
    assert (unexpected_of_held(found), error_count(found)) == (unexpected, unexpected + 4)
    assert findings_of([found]) == (sentence,)


def test_trials_of_a_case_are_put_together() -> None:
    both = (load(status={"200": 300, "500": 100}), load(status={"200": 400}))
    assert findings_of(both) == ("100 of 800 answers were 500",)
    assert findings_of((OVERLOADED, load()))[0].startswith("100/s asked, 70/s answered: 70 %; ")


@pytest.mark.parametrize(
    ("part", "whole", "text"),
    [
        (500, 2_000, "a quarter"),
        (999, 2_000, "half"),
        (1_999, 2_000, "99.9 %"),
        (0, 5, "nothing"),
        (1, 5_000, "less than 0.1 %"),
        (398, 1_000, "39.8 %"),
        (0, 0, "nothing"),
    ],
)
def test_a_share_is_never_rounded_up_to_all(part: int, whole: int, text: str) -> None:
    assert share_text(part, whole) == text
