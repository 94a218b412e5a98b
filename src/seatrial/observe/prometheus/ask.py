"""Asking about the measure phase of one trial, once it is over: at steps that every scrape falls between once."""

from __future__ import annotations

import asyncio
import math
import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from seatrial.errors import PlanError
from seatrial.observe.prometheus.intervals import Interval, interval_of
from seatrial.observe.prometheus.series import Observed, series_of
from seatrial.units import format_duration

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from seatrial.observe.prometheus.client import Prometheus
    from seatrial.plan.model.observe import QueryPlan

SCRAPES_AWAITED = 2.0
"""How many scrape intervals a scrape after the phase is waited for: one may fail."""
SPARE_S = 2.0
"""A scrape takes its time, too, and what was scraped is there for queries only then."""
AWAITED_LIMIT_S = 120.0
_POLL_S = 0.2


@dataclass(frozen=True, slots=True)
class Clock:
    """How far the clock of a Prometheus is ahead of this machine's, known to within ``error_s``."""

    ahead_s: float
    error_s: float


async def clock_of(client: Prometheus) -> Clock:
    """Ask for its time: the answer was made between the question and its arrival."""
    asked_s = time.time()
    answer = await client.instant("time()")
    heard_s = time.time()
    found = answer.data["result"]
    if answer.data["resultType"] == "vector":
        # As VictoriaMetrics makes of it.
        found = found[0].get("value", found) if found else [heard_s]
    theirs_s = float(found[0])
    return Clock(theirs_s - (asked_s + heard_s) / 2, (heard_s - asked_s) / 2)


async def observed(
    client: Prometheus,
    queries: Sequence[QueryPlan],
    values: Mapping[str, str],
    window_s: tuple[float, float],
) -> tuple[Observed, ...]:
    """Evaluate queries over a phase that is over, from and to which Unix time (this machine's clock).

    A query that is refused is a ``problem`` of its own; raises ``EnvironmentFault`` where Prometheus does not answer.
    """
    clock = await clock_of(client)
    # To the millisecond, which is all that its API takes.
    start_s, end_s = (round(at_s + clock.ahead_s, 3) for at_s in window_s)
    blank = [
        Observed(
            one.name, one.filled(values), one.unit, start_s, end_s, 0.0, 0, "", clock.ahead_s, clock.error_s
        )
        for one in queries
    ]
    intervals: list[Interval | PlanError] = []
    for one in blank:
        try:
            intervals.append(await interval_of(client, one.query, end_s, end_s - start_s))
        except PlanError as refusal:
            intervals.append(refusal)
    await _scraped(client, [one for one in intervals if isinstance(one, Interval)], end_s)
    found = []
    for query, one, interval in zip(queries, blank, intervals, strict=True):
        if isinstance(interval, PlanError):
            found.append(replace(one, problem=interval.line))
        else:
            found.append(await _evaluated(client, query, one, interval))
    return tuple(found)


def step_of(query: QueryPlan, interval: Interval) -> float:
    """Return the step in seconds: no shorter than the scrape interval, where that is known."""
    if not interval.is_known:
        return query.step_s or interval.seconds
    return max(query.step_s or 0.0, interval.seconds)


async def _evaluated(client: Prometheus, query: QueryPlan, one: Observed, interval: Interval) -> Observed:
    step_s = step_of(query, interval)
    step_ms = math.ceil(round(step_s * 1_000, 3))
    start_ms, end_ms = round(one.start_s * 1_000), round(one.end_s * 1_000)
    moments = (end_ms - start_ms) // step_ms
    one = replace(one, step_s=step_ms / 1_000, moments=moments, interval_text=interval.text)
    if not moments:
        lasts = format_duration(round(one.end_s - one.start_s, 3))
        return replace(
            one, problem=f"the measure phase of {lasts} is shorter than a step of {format_duration(step_s)}"
        )
    at_s = ((end_ms - (moments - 1) * step_ms) / 1_000, one.end_s, step_ms / 1_000)
    try:
        answer = await client.range(one.query, *at_s)
        scraped = await _scraped_before(client, interval, at_s)
    except PlanError as refusal:
        return replace(one, problem=refusal.line)
    series, left_out = series_of(answer.data)
    warnings = answer.warnings
    if scraped is not None and len(scraped) < moments:
        series = tuple(found for found in (each.at(scraped) for each in series) if found.points)
        text = f"nothing was scraped shortly before {moments - len(scraped)} of {moments} moments: they have no values"
        warnings = (*warnings, text)
    return replace(one, series=series, left_out=left_out, warnings=warnings)


async def _scraped_before(
    client: Prometheus, interval: Interval, at_s: tuple[float, float, float]
) -> frozenset[float] | None:
    """Return the moments before which any target was scraped, or tried to be; None where there is no telling.

    A Prometheus that was away for less than five minutes gives the last value that it has for all of that time
    (Prometheus, "Querying basics", staleness); of a target that is away it says so at once.
    """
    if not interval.targets:
        return None
    within_ms = round(SCRAPES_AWAITED * interval.seconds * 1_000)
    answer = await client.range(f"count(count_over_time({_up(interval.targets)}[{within_ms}ms]))", *at_s)
    series, _ = series_of(answer.data)
    return frozenset(found_s for one in series for found_s, _ in one.points)


async def _scraped(client: Prometheus, intervals: Iterable[Interval], end_s: float) -> None:
    """Wait until each target was scraped after the phase: what it counted until then is there then. In bounded time."""
    found = list(intervals)
    targets = frozenset(target for one in found for target in one.targets)
    if not targets:
        return
    longest_s = max(one.seconds for one in found if one.targets)
    limit_s = min(SCRAPES_AWAITED * longest_s + SPARE_S, AWAITED_LIMIT_S)
    # One that is gone has no `up` any more, and nobody waits for it.
    looked = f"min(timestamp({_up(targets)}))"
    deadline_s = time.monotonic() + limit_s
    while time.monotonic() < deadline_s:
        result = (await client.instant(looked)).data["result"]
        if not result or float(result[0].get("value", (0, "inf"))[1]) >= end_s:
            return
        await asyncio.sleep(min(_POLL_S, limit_s))


def _up(targets: Iterable[tuple[str, str]]) -> str:
    """Return what selects whether each target was reached."""
    pairs = tuple(targets)
    jobs, instances = ("|".join(sorted({_escaped(one[at]) for one in pairs})) for at in (0, 1))
    return f'up{{job=~"{jobs}",instance=~"{instances}"}}'


def _escaped(text: str) -> str:
    """Return a text as a regular expression within a string of PromQL."""
    special = "".join(f"\\{letter}" if letter in r"\.+*?()|[]{}^$" else letter for letter in text)
    return special.replace("\\", "\\\\").replace('"', '\\"')
