"""A generator that was the bottleneck says so: pitfall 5, client queueing."""

from __future__ import annotations

from typing import Any

from tests.support.program import run_seatrial, running_origin
from tests.support.starved import starved

from seatrial.errors import ExitCode

LOAD = ("-q", "--json", "-", "-t1", "-c20", "-R20k", "-d2s")
"""Needs some 30 % of a core, three times what is left to it."""


def reasons(document: dict[str, Any]) -> dict[str, dict[str, str]]:
    return {reason["code"]: reason for reason in document["validity"]["reasons"]}


def test_a_generator_with_a_tenth_of_a_core_is_invalid_and_says_why() -> None:
    with running_origin() as origin:
        with starved(0.1) as hunger:
            outcome = run_seatrial("load", origin.url, *LOAD, prefix=hunger.prefix, limit_s=90.0)
        free = run_seatrial("load", origin.url, *LOAD)
    assert hunger.group is None or not hunger.group.exists()
    assert outcome.code == ExitCode.INVALID_MEASUREMENT
    given = reasons(outcome.document)
    (code, *_) = [code for code in hunger.codes if code in given]
    assert given[code]["remedy"]
    assert free.document["lateness_us"]["p99"] < outcome.document["lateness_us"]["p99"]
    assert 0 < free.document["generator"]["worker_cpu_cores_max"] < 1.1
    assert free.document["generator"]["receive_wait_us_p99"] > 0
    if code == "environment.throttled":
        assert "CPU quota" in given[code]["text"]
        assert "cpu.max" in given[code]["remedy"]
        assert outcome.document["generator"]["throttled_s"] > 0.1
        # What is held back reads late, too: its answers lie until the next period of the quota.
        assert outcome.document["generator"]["receive_wait_us_max"] > 1_000
        assert code not in reasons(free.document)
        assert free.document["generator"]["throttled_s"] < 0.01


def test_a_generator_whose_core_is_taken_by_others_is_invalid_and_says_why() -> None:
    with running_origin() as origin, starved(0.1, by_quota=False) as hunger:
        outcome = run_seatrial("load", origin.url, *LOAD, prefix=hunger.prefix, limit_s=90.0)
    assert outcome.code == ExitCode.INVALID_MEASUREMENT
    assert hunger.codes == ("generator.late", "generator.unread")
    assert set(hunger.codes) & set(reasons(outcome.document))
