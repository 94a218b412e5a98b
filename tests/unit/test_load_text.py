"""What the text of a load says of its connections."""

from __future__ import annotations

import dataclasses

from tests.unit.test_document import FACTS, frame, part

from seatrial.analysis.document import summarise
from seatrial.report.load_text import load_text

RESULT = summarise(FACTS, [frame(0, 0, part([100, 200]))])


def test_connection_requests_that_were_sent_again_are_told() -> None:
    again = dataclasses.replace(RESULT, syn_retransmissions=1_234)
    assert "  1,234 connection requests (SYN) sent again\n" in load_text(again)
    both = dataclasses.replace(again, reconnected=5)
    assert "  5 connections opened again, 1,234 connection requests (SYN) sent again\n" in load_text(both)


def test_where_there_were_none_nothing_is_said() -> None:
    assert "again" not in load_text(RESULT)
