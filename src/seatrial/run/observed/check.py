"""A plan's Prometheus before the run: it answers, understands every query, and scrapes often enough."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from seatrial.errors import EnvironmentFault, PlanError
from seatrial.observe.prometheus.ask import clock_of, step_of
from seatrial.observe.prometheus.client import Prometheus
from seatrial.observe.prometheus.faults import BadQuery
from seatrial.observe.prometheus.intervals import interval_of
from seatrial.plan.model.observe import PLACEHOLDERS
from seatrial.preflight.findings import Finding
from seatrial.run.observed.access import access_of
from seatrial.units import format_duration

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from seatrial.observe.prometheus.ask import Clock
    from seatrial.plan.cases import Case
    from seatrial.plan.model.observe import ObservePlan, QueryPlan
    from seatrial.plan.model.plan import Plan

CODE = "prometheus"
FEW_POINTS = 5
"""A mean of fewer is of moments, not of the phase."""
_HALF_AN_HOUR_S = 1_800.0


async def observed_findings(plan: Plan, cases: Sequence[Case]) -> tuple[Finding, ...]:
    """Return what is to be said of the plan's Prometheus; nothing where the plan has none.

    Raises ``PlanError`` with every query that it does not understand, ``EnvironmentFault`` where it does not answer.
    """
    if plan.observe is None:
        return ()
    async with Prometheus(access_of(plan.observe.prometheus)) as client:
        asked_s = time.monotonic()
        clock = await clock_of(client)
        took_s = time.monotonic() - asked_s
        build = await client.read("status/buildinfo")
        series = await _tried(client, plan.observe, cases)
        now_s, values = time.time() + clock.ahead_s, _values(cases)
        intervals = [
            (query, await interval_of(client, query.filled(values), now_s, _HALF_AN_HOUR_S))
            for query in plan.observe.queries
        ]
    texts = [_said(plan.observe, build, took_s, clock), *_empty(series)]
    findings = [Finding(CODE, "ok", "; ".join(texts))]
    findings += [
        finding
        for query, interval in intervals
        if interval.is_known
        for finding in _too_rare(query, step_of(query, interval), interval.text, plan.phases.measure_s)
    ]
    return tuple(findings)


async def observed_or_refused(plan: Plan, cases: Sequence[Case]) -> tuple[Finding, ...]:
    """Return as ``observed_findings`` does, with a refusal where Prometheus does not answer; raises ``PlanError``."""
    try:
        return await observed_findings(plan, cases)
    except EnvironmentFault as fault:
        return (Finding(CODE, "refuse", fault.line, fault.next_step or ""),)


def _values(cases: Sequence[Case]) -> dict[str, str]:
    """Return what may stand for every placeholder, as long as nothing has begun."""
    measure_ms = round(cases[0].phases.measure_s * 1_000)
    first = {"case": cases[0].id, "system": cases[0].system.label, "window": f"{measure_ms}ms"}
    return {**dict.fromkeys(PLACEHOLDERS, "1"), **first}


async def _tried(client: Prometheus, observe: ObservePlan, cases: Sequence[Case]) -> dict[str, int]:
    """Return how many series each query yields now; raises ``PlanError`` with all that are not understood."""
    found, wrong = {}, []
    for query in observe.queries:
        try:
            answer = await client.instant(query.filled(_values(cases)))
        except BadQuery as refusal:
            wrong.append(
                f"the query `{query.name}` is not understood: {refusal.what}\n  {query.query.strip()}"
            )
            continue
        is_vector = answer.data["resultType"] == "vector"
        if not is_vector and answer.data["resultType"] != "scalar":
            wrong.append(
                f"the query `{query.name}` yields a {answer.data['resultType']}, not a value at each moment\n"
                f"  {query.query.strip()}"
            )
        found[query.name] = len(answer.data["result"]) if is_vector else 1
    if wrong:
        raise PlanError(
            "\n".join(wrong),
            cause="Prometheus was asked, and refuses them; nothing was started",
            next_step="mend them under `observe: {queries: ...}`, and look again with `seatrial check PLAN`",
        )
    return found


def _said(observe: ObservePlan, build: object, took_s: float, clock: Clock) -> str:
    version = build.get("version", "") if isinstance(build, dict) else ""
    which = f"Prometheus {version}".strip()
    count = len(observe.queries)
    queries = "1 query" if count == 1 else f"{count} queries"
    apart = abs(clock.ahead_s)
    if apart <= clock.error_s:
        clocks = f"its clock is ours to within {format_duration(round(clock.error_s, 3) or 0.001)}"
    else:
        clocks = (
            f"its clock is {format_duration(round(apart, 3))} {'ahead' if clock.ahead_s > 0 else 'behind'}"
        )
    return f"{which} at {observe.prometheus.url} answers in {took_s * 1_000:.0f} ms and understands {queries}; {clocks}"


def _empty(series: dict[str, int]) -> Iterator[str]:
    """Yield the queries without a series: what the run itself starts has none yet."""
    names = [f"`{name}`" for name, count in series.items() if not count]
    if names:
        yield f"no series yet for {', '.join(names)}"


def _too_rare(query: QueryPlan, step_s: float, text: str, measure_s: float) -> Iterator[Finding]:
    points = int(measure_s / step_s + 1e-9)
    if points < FEW_POINTS:
        yield Finding(
            CODE,
            "warn",
            f"`{query.name}` has {points} points in a measure phase of {format_duration(measure_s)}, at a step of "
            f"{format_duration(step_s)} (scrape interval: {text})",
            "measure for longer, or have its targets scraped more often",
        )
