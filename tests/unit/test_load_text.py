"""What the text of a load says of its connections."""

from __future__ import annotations

import dataclasses

from tests.support.loads import changed
from tests.unit.test_document import ACCOUNT, frame, part

from seatrial.analysis.load.result import TlsCounts
from seatrial.analysis.load.summarise import summarise
from seatrial.report.load.text import load_text

RESULT = summarise(ACCOUNT, [frame(0, 0, part([100, 200]))])


def test_connection_requests_that_were_sent_again_are_reported() -> None:
    again = changed(RESULT, connections__syn_retransmissions=1_234)
    assert "  1,234 connection requests (SYN) sent again\n" in load_text(again)
    both = changed(again, connections__reconnected=5)
    assert "  5 connections opened again, 1,234 connection requests (SYN) sent again\n" in load_text(both)


def test_what_was_asked_and_what_came_follows_the_validity() -> None:
    short = changed(
        RESULT,
        window_s=5.0,
        requests__intended=10_000,
        requests__sent=5_049,
        requests__completed=2_500,
        requests__unsent=4_951,
        requests__timed_out=2_549,
        answers__in_window=2_500,
        status={"200": 2_500},
    )
    assert load_text(short).split("\n\n")[2] == (
        "2,000/s asked, 500/s answered: a quarter; 4,951 requests found no free connection, 2,549 timed out"
    )
    wrong = changed(RESULT, status={"500": 2})
    assert load_text(wrong).split("\n\n")[2].splitlines()[0] == "All 2 answers were 500"


def test_percentiles_that_no_sample_reaches_are_left_out() -> None:
    few, many = (summarise(ACCOUNT, [frame(0, 0, part([100] * count))]) for count in (99, 10_000))
    assert [label for label in ("90%", "99%", "99.9%", "99.99%") if f" {label} " in load_text(few)] == ["90%"]
    assert " 99.99% " in load_text(many)


def test_where_nothing_was_measured_the_heading_says_so() -> None:
    assert load_text(changed(RESULT, window_s=0.0)).startswith("Nothing measured @ http")


def test_without_a_handshake_none_has_a_time() -> None:
    none = dataclasses.replace(RESULT.connect_us, count=0)
    failed = changed(RESULT, tls=TlsCounts({}, 0, 0, 0.0), tls_handshake_us=none)
    assert "  0 handshakes (none succeeded)\n" in load_text(failed)


def test_where_there_were_none_nothing_is_said() -> None:
    assert "again" not in load_text(RESULT)
