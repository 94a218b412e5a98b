"""Lines of a log: each message once and in order, what is missing named, and the rest kept as words."""

from __future__ import annotations

import json
import random

import pytest

from seatrial.pods.lines import WORDS_KEPT, Hole, Lines


def line(number: int) -> str:
    return json.dumps({"line": number, "type": "frame", "seq": number})


def taken(lines: Lines, *texts: str) -> list[object]:
    return [
        found["seq"] if isinstance(found, dict) else found for text in texts for found in lines.take(text)
    ]


def test_lines_that_come_again_are_dropped_wherever_the_log_is_read_again() -> None:
    chosen = random.Random(3)
    lines, seen, at = Lines(), [], 0
    while at < 300:
        # A reading begins somewhere before where the last one broke off.
        start = max(0, at - chosen.randrange(20))
        at = min(300, at + chosen.randrange(1, 30))
        seen += taken(lines, *map(line, range(start, at)))
    assert seen == list(range(300))


def test_what_is_missing_is_named_once_before_what_follows() -> None:
    lines = Lines()
    assert taken(lines, line(0), line(4), line(3), line(5), line(7)) == [0, Hole(1, 3), 4, 5, Hole(6, 6), 7]
    assert lines.repeated == 1
    assert [str(Hole(1, 3)), str(Hole(6, 6))] == ["lines 1 to 3 of its log", "line 6 of its log"]


@pytest.mark.parametrize(
    "text", ["no JSON", '{"type": "frame"}', "[1]", '{"line": "1"}', '{"line": 1', "\ufffd\ufffd"]
)
def test_what_is_no_message_is_kept_as_words(text: str) -> None:
    lines = Lines()
    assert taken(lines, line(0), text, text, line(1)) == [0, 1]
    assert lines.words == text


def test_of_many_words_the_last_are_kept() -> None:
    lines = Lines()
    taken(lines, *(f"word {number}" for number in range(3 * WORDS_KEPT)), "")
    assert lines.words.splitlines() == [f"word {number}" for number in range(2 * WORDS_KEPT, 3 * WORDS_KEPT)]
