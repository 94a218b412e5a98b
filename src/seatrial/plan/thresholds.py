"""What a threshold cannot mean: one that nothing measured can meet, or that everything meets."""

from __future__ import annotations

LONGEST_US = 3_600_000_000
"""Histograms end at an hour, and what took longer counts as one: no percentile is above it."""

_MEASURED = {"us": "a time", "cores": "CPU", "bytes": "memory"}


def mistake(unit: str, comparison: str, threshold: float, *, is_fraction: bool) -> tuple[str, str] | None:
    """Return what is wrong with ``VALUE COMPARISON THRESHOLD`` and what is allowed, None where it can be meant.

    No metric is ever below 0; ``unit`` is that of the threshold, "" for counts and fractions.
    """
    if is_fraction and (threshold > 1 or (threshold == 1 and comparison == ">")):
        return f"{threshold:.10g} is {threshold * 100:,.10g} %", "up to `100 %`, such as `99 %` or `0.99`"
    if threshold == 0 and comparison in {"<", ">="}:
        found = "nothing is below 0" if comparison == "<" else "everything is 0 or more"
        return found, "`== 0`, or a value above 0"
    if unit in _MEASURED and threshold == 0:
        return f"{_MEASURED[unit]} is never exactly 0", "a value above 0"
    if unit in _MEASURED and comparison == "==":
        return f"{_MEASURED[unit]} that was measured is never exactly so", "`<`, `<=`, `>` or `>=`"
    if unit == "us" and threshold > LONGEST_US:
        return "latencies are kept up to an hour", "at most `1 h`"
    return None
