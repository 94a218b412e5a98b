"""Counters from a page in Prometheus's text format, by their whole names: labels and all."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping


def parse_exposition(page: str, prefix: str) -> Mapping[str, float]:
    """Return ``{'name{label="value"}': number}`` of each series whose name begins with the prefix, without buckets."""
    values = {}
    for line in page.splitlines():
        if not line.startswith(prefix):
            continue
        # A value never holds a space, and nobody here adds a timestamp.
        series, _, number = line.rpartition(" ")
        if "_bucket{" not in series:
            values[series] = float(number)
    return values


def added_up(values: Mapping[str, float], label: str) -> Mapping[str, float]:
    """Return the values with this label left out, those that then have one name added up."""
    added: dict[str, float] = {}
    for series, value in values.items():
        name = re.sub(rf'\b{label}="[^"]*",?', "", series)
        added[name] = added.get(name, 0.0) + value
    return added


def matching(values: Mapping[str, float], name: str, **labels: str) -> Iterator[float]:
    """Yield the values of the series of this name that have all of these labels."""
    wanted = [f'{label}="{value}"' for label, value in labels.items()]
    for series, value in values.items():
        of, _, given = series.partition("{")
        if of == name and all(text in given for text in wanted):
            yield value
