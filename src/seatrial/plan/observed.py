"""Objectives on what a Prometheus has seen: ``observed.NAME < 5``, ``observed.NAME.max <= 200 MB``."""

from __future__ import annotations

import re
from typing import Final, Literal, TypeAlias, get_args

Statistic: TypeAlias = Literal["mean", "min", "max", "first", "last"]
STATISTICS: Final[tuple[Statistic, ...]] = get_args(Statistic)
"""What of a series over the measure window an objective may be about; the mean where it does not say."""
OBSERVED = "observed."
"""Before the name of a query in a metric's name."""

NAME_PATTERN = r"[a-z][a-z0-9_]{0,62}"
_METRIC = re.compile(rf"observed\.({NAME_PATTERN})(?:\.({'|'.join(STATISTICS)}))?", re.ASCII)
METRIC_PATTERN = rf"observed\.{NAME_PATTERN}(\.({'|'.join(STATISTICS)}))?"
"""The name of such a metric, in a JSON Schema."""
_VALUE = re.compile(r"([+-]?[0-9]{1,15}(?:\.[0-9]{1,15})?(?:[eE][+-]?[0-9]{1,3})?)\s*(\S*)", re.ASCII)
SHAPE = (
    "`observed.NAME` or `observed.NAME.STATISTIC`, such as `observed.memory.max`; statistics: "
    + ", ".join(f"`{name}`" for name in STATISTICS)
)


def parts_of(metric: str) -> tuple[str, Statistic] | None:
    """Return the query's name and the statistic that a metric is about; None where it is no such metric."""
    found = _METRIC.fullmatch(metric)
    if found is None:
        return None
    statistic = next((one for one in STATISTICS if one == found[2]), STATISTICS[0])
    return found[1], statistic


def read_value(text: str) -> tuple[float, str]:
    """Return a threshold and the unit that is written after it, empty without one; raises ``ValueError``."""
    found = _VALUE.fullmatch(text.strip())
    if found is None:
        raise ValueError(
            f"`{text.strip()}` is not a number: a number such as `2`, `-0.5` or `2e9`, and its unit"
        )
    return float(found[1]), found[2]
