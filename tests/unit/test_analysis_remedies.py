"""What to do about the kinds of failure whose cause is plain."""

from __future__ import annotations

from seatrial.analysis.load.failures import REMEDIES, remedy_of


def test_the_most_frequent_failure_decides():
    counts = {"connect_refused": 10, "connect_timeout": 3}
    assert remedy_of(counts, "otherwise") == REMEDIES["connect_refused"]
    assert "nothing listens" in REMEDIES["connect_refused"]


def test_a_kind_without_a_plain_cause_is_left_to_who_asks():
    assert remedy_of({"read_reset": 5, "connect_refused": 1}, "otherwise") == "otherwise"
    assert remedy_of({}, "otherwise") == "otherwise"
