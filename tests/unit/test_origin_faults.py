"""The words of ``seatrial origin --delay``, ``--fault`` and ``--stall``, and what is said of wrong ones."""

from __future__ import annotations

from typing import Any

import pytest

from seatrial.cli.options.origin_faults import parse_delay, parse_fault, parse_stall, require_possible
from seatrial.errors import PlanError

DELAYS: dict[str, dict[str, Any]] = {
    "0s": {"kind": "none"},
    "5ms": {"kind": "fixed", "mean_us": 5_000},
    "uniform:1ms..9ms": {"kind": "uniform", "low_us": 1_000, "high_us": 9_000},
    "exponential:5ms": {"kind": "exponential", "mean_us": 5_000},
    "lognormal:p50=5ms,p99=40ms": {"kind": "lognormal", "p50_us": 5_000, "p99_us": 40_000},
}


@pytest.mark.parametrize(("text", "spec"), DELAYS.items())
def test_delays(text: str, spec: dict[str, Any]) -> None:
    assert parse_delay(text) == spec


def test_faults_and_stalls() -> None:
    assert parse_fault("long-length:0.5%") == {"kind": "long_length", "share": 0.005}
    assert parse_fault("slow:100%:200ms") == {"kind": "slow", "share": 1, "over_us": 200_000}
    assert parse_stall("2s@10s") == {"for_us": 2e6, "at_us": 1e7}


@pytest.mark.parametrize(
    ("parse", "text", "column", "why"),
    [
        (parse_delay, "5parsecs", 1, "duration"),
        (parse_delay, "gamma:5ms", 1, "no kind of delay"),
        (parse_delay, "uniform:5ms", 9, "does not fit"),
        (parse_delay, "uniform:9ms..1ms", 14, "below"),
        (parse_delay, "lognormal:p50=0s,p99=1s", 11, "above 0"),
        (parse_delay, "lognormal:p50=1ms,p99=1x", 23, "duration"),
        (parse_fault, "explode:1%", 1, "no fault"),
        (parse_fault, "reset", 7, "no share"),
        (parse_fault, "reset:1", 7, "no share"),
        (parse_fault, "reset:0%", 7, "no share"),
        (parse_fault, "reset:101%", 7, "no share"),
        (parse_fault, "reset:1%:2s", 9, "nothing else"),
        (parse_fault, "slow:1%", 8, "needs its time"),
        (parse_fault, "slow:1%:fast", 9, "duration"),
        (parse_stall, "2s", 3, "beginning"),
        (parse_stall, "0s@1s", 1, "longer than 0"),
        (parse_stall, "2s@later", 4, "duration"),
    ],
)
def test_a_mistake_is_reported_with_its_place(parse: Any, text: str, column: int, why: str) -> None:
    with pytest.raises(ValueError, match=why) as refused:
        parse(text)
    assert f"column {column}:" in str(refused.value)


def test_what_cannot_happen_is_refused() -> None:
    half, reset = parse_fault("half:60%"), parse_fault("reset:60%")
    with pytest.raises(PlanError, match=r"120\.0000% together"):
        require_possible((half, reset), 600, 200)
    for body_bytes, status in ((0, 200), (600, 204)):
        with pytest.raises(PlanError, match="half: an answer without a body"):
            require_possible((half,), body_bytes, status)
        require_possible((reset,), body_bytes, status)
