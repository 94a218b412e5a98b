"""What a stall must look like in the percentiles, and what is wrong with percentiles in which it does not."""

from __future__ import annotations

from benchmarks.peers.base import Report

TOLERANCE = 0.05
"""Of the true value; where the stall must not show at all, of the stall."""
QUANTILES = {"p50_us": 0.5, "p99_us": 0.99, "p999_us": 0.999, "max_us": 1.0}
TRUE = "true"
_EXPLAINED_BY = {"coordinated omission": "stall erased", "over-corrected": "own delay"}
"""Where the stall is nowhere, percentiles lack it for that reason. Where requests took longer than the stall, they
waited for the tool itself; samples that are made up are never longer than the stall."""


def truth_us(quantile: float, window_s: float, stall_s: float) -> float:
    """Return the quantile that a schedule sees in microseconds, for a server that is fast but for one stall.

    Requests come evenly. One that is due t into the stall waits S - t, so the fraction of latencies above x is
    (S - x) / W, and the quantile is S - (1 - q) W where that is positive. The time that the server needs for the
    backlog is left out; see the derivation in tests/local/test_load_stall.py.
    """
    return max(0.0, stall_s - (1 - quantile) * window_s) * 1e6


def verdict(report: Report, window_s: float, stall_s: float, made: int, planned: int | None) -> str:
    """Return "true", or what is wrong, the worst first. ``made`` is what the server counted."""
    wrong = [*_wrong_values(report, window_s, stall_s)]
    if planned is not None and made < planned * (1 - TOLERANCE):
        wrong.append("requests dropped")
    return ", ".join(dict.fromkeys(wrong)) or TRUE


def _wrong_values(report: Report, window_s: float, stall_s: float) -> list[str]:
    wrong = []
    for name in reversed(QUANTILES):
        seen_us, true_us = getattr(report, name), truth_us(QUANTILES[name], window_s, stall_s)
        allowed_us = TOLERANCE * (true_us or stall_s * 1e6)
        if seen_us is None:
            wrong.append("not reported")
        elif seen_us > true_us + allowed_us:
            wrong.append("own delay" if name == "max_us" else "over-corrected")
        elif seen_us < true_us - allowed_us:
            wrong.append("stall erased" if name == "max_us" else "coordinated omission")
    return [each for each in wrong if _EXPLAINED_BY.get(each) not in wrong]
