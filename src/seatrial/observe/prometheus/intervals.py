"""How often the targets are scraped that the series of a query come from: no step has a reason to be finer."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import yaml

from seatrial.units import format_duration

if TYPE_CHECKING:
    from collections.abc import Mapping

    from seatrial.observe.prometheus.client import Prometheus

UNKNOWN_INTERVAL_S = 60.0
"""Prometheus' own default, where a server says nothing of its scrapes."""
UNSCRAPED_STEP_S = 1.0
"""Of what no scrape is behind, such as `vector(1)`, and of series that are not there."""

_UNITS_S = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3_600.0, "d": 86_400.0, "w": 604_800.0, "y": 31_536_000.0}
_DURATION = re.compile(r"(?:\d+(?:ms|[smhdwy]))+")
_STRINGS = re.compile(r'"(?:\\.|[^"\\])*"|\'(?:\\.|[^\'\\])*\'|`[^`]*`')
# Ranges, and the lists of labels of aggregations and matchings.
_NO_NAMES = re.compile(
    r"\[[^\[\]]*\]|\b(?:by|without|on|ignoring|group_left|group_right)\s*\([^()]*\)", re.IGNORECASE
)
_SELECTOR = re.compile(
    r"(?<![\w:.$])(?P<name>[a-zA-Z_:][\w:]*)(?:\s*\{[^{}]*\}|(?![\w:]|\s*\())|\{[^{}]*\}", re.ASCII
)
_WORDS = frozenset({
    "and", "or", "unless", "atan2", "bool", "offset", "by", "without", "on", "ignoring", "group_left", "group_right",
    "inf", "nan", "start", "end", "sum", "min", "max", "avg", "count", "stddev", "stdvar", "group", "topk", "bottomk",
    "quantile", "count_values",
})  # fmt: skip


@dataclass(frozen=True, slots=True)
class Interval:
    """A scrape interval, what it is of in words, and the targets (job, instance) that it was found at.

    ``is_known`` is False where it is a guess, or of nothing: a plan may say another one.
    """

    seconds: float
    text: str
    targets: frozenset[tuple[str, str]] = frozenset()
    is_known: bool = True


def seconds_of(duration: str) -> float:
    """Return a duration as Prometheus writes it, such as ``1m30s``, in seconds; raises ``ValueError``."""
    if not _DURATION.fullmatch(duration):
        raise ValueError(f"{duration!r} is no duration")
    return sum(int(number) * _UNITS_S[unit] for number, unit in re.findall(r"(\d+)(ms|[smhdwy])", duration))


def selectors(query: str) -> tuple[str, ...]:
    """Return what PromQL selects series by, each once, such as ``up{job="x"}``."""
    # As long as the query, so that places in the one are those in the other.
    masked = _STRINGS.sub(lambda found: "#" * len(found[0]), query)
    while (less := _NO_NAMES.sub(lambda found: " " * len(found[0]), masked)) != masked:
        masked = less
    found = (
        query[one.start() : one.end()]
        for one in _SELECTOR.finditer(masked)
        if (one["name"] or "").lower() not in _WORDS
    )
    return tuple(dict.fromkeys(found))


async def interval_of(client: Prometheus, query: str, at_s: float, within_s: float) -> Interval:
    """Return the longest scrape interval of the targets whose series a query reads, within so long before a moment.

    The server's default where its targets do not say: series of recording rules have none.
    """
    selected = selectors(query)
    if not selected:
        return Interval(UNSCRAPED_STEP_S, "none: it reads no series", is_known=False)
    within = f"{max(1, round(within_s * 1_000))}ms"
    looked = " or ".join(f"count by (job, instance) (last_over_time({one}[{within}]))" for one in selected)
    pairs = {_pair(one.get("metric", {})) for one in (await client.instant(looked, at_s)).data["result"]}
    if not pairs:
        return Interval(UNSCRAPED_STEP_S, "not known: there is no such series", is_known=False)
    reported = await _reported(client)
    of_query = {pair: reported[pair] for pair in pairs if pair in reported}
    return _longest(of_query) if of_query else await _default(client)


def _pair(labels: Mapping[str, Any]) -> tuple[str, str]:
    return str(labels.get("job", "")), str(labels.get("instance", ""))


async def _reported(client: Prometheus) -> dict[tuple[str, str], float]:
    """Return the scrape interval of each active target; nothing where it does not say (before Prometheus 2.29)."""
    data = await client.read("targets", state="active")
    found: dict[tuple[str, str], float] = {}
    for target in data.get("activeTargets", ()) if isinstance(data, dict) else ():
        pair, text = _pair(target.get("labels", {})), str(target.get("scrapeInterval", ""))
        if _DURATION.fullmatch(text):
            found[pair] = max(found.get(pair, 0.0), seconds_of(text))
    return found


def _longest(found: Mapping[tuple[str, str], float]) -> Interval:
    longest = max(found.values())
    jobs = sorted({job for job, _ in found})
    shown = ", ".join(jobs[:3]) + (f" and {len(jobs) - 3} more" if len(jobs) > 3 else "")
    shorter = min(found.values())
    span = format_duration(longest) if shorter == longest else f"up to {format_duration(longest)}"
    targets = "1 target" if len(found) == 1 else f"{len(found)} targets"
    return Interval(longest, f"{span}, of {targets} (job {shown})", frozenset(found))


async def _default(client: Prometheus) -> Interval:
    data = await client.read("status/config")
    try:
        seconds = seconds_of(yaml.safe_load(data["yaml"])["global"]["scrape_interval"])
    except (KeyError, TypeError, ValueError, yaml.YAMLError):
        text = f"not known, for Prometheus does not say: {format_duration(UNKNOWN_INTERVAL_S)} is its default"
        return Interval(UNKNOWN_INTERVAL_S, text, is_known=False)
    return Interval(
        seconds, f"{format_duration(seconds)}, the server's default: no target of the query is known"
    )
