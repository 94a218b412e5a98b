"""The charts as Vega-Lite specs: plain dicts with their data inside, no reference to anything outside."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from seatrial.report.charts.discovery import TIMES, time_values
from seatrial.report.charts.style import (
    BELIEVED,
    CASE_LIMIT,
    CONFIG,
    DOUBTED,
    SPECTRUM_TICKS,
    SYSTEM_LIMIT,
    dashes_of,
    scale_of,
    system_colours,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from seatrial.analysis.run.model import CaseSummary, RunSummary

Spec = dict[str, Any]

PERCENTILES = {"p50": "p50 (median)", "p90": "p90", "p99": "p99", "p999": "p99.9"}
MILLISECOND_US = 1_000
HALF_WIDTH = 385


def latency_by_case(summary: RunSummary) -> Spec | None:
    """Return percentiles for each case and system: merged (dot) and the range of the repeats (bar)."""
    values = [value for case in summary.cases for value in _percentile_values(case)]
    titles = list(PERCENTILES.values())
    return _by_case(summary, values, "percentile", titles, "latency (ms)", "ms") if values else None


def discovery_by_case(summary: RunSummary) -> Spec | None:
    """Return how soon services were there, for each case and system: the median of the repeats, and their range."""
    values = [
        {
            "case": case.label,
            "system": case.case.system,
            "state": case.state,
            "belief": _belief(case),
            **value,
        }
        for case in summary.cases
        for value in time_values(case)
    ]
    return _by_case(summary, values, "what", list(TIMES.values()), "seconds", "s") if values else None


def _by_case(
    summary: RunSummary, values: Sequence[Spec], facet: str, titles: Sequence[str], y_title: str, unit: str
) -> Spec:
    labels = list(dict.fromkeys(case.label for case in summary.cases))
    systems = [system.label for system in summary.systems]
    place = {
        "x": {
            "field": "case",
            "type": "nominal",
            "sort": labels,
            "title": None,
            "axis": {"labelAngle": _angle(labels), "labelOverlap": False, "labelLimit": CASE_LIMIT},
        },
        "xOffset": {"field": "system", "sort": systems},
        "color": _colour(systems),
        "tooltip": _tooltip(facet, unit),
    }
    y_axis = {
        "title": y_title,
        "scale": {"type": "log", "nice": False, "padding": 12},
        "axis": {"format": ",.4~r", "tickCount": 5},
        "type": "quantitative",
    }
    bar = {
        "mark": {"type": "rule", "strokeWidth": 4, "opacity": 0.35},
        "encoding": {
            **place,
            "y": {"field": f"low_{unit}", **y_axis},
            "y2": {"field": f"high_{unit}"},
            "strokeDash": dashes_of(values),
        },
    }
    dot = {
        "mark": {"type": "point", "filled": True, "size": 55, "opacity": 1, "strokeWidth": 2},
        "encoding": {
            **place,
            "y": {"field": f"merged_{unit}", **y_axis},
            # On a white ground a white filling is hollow, and hides the bar behind it.
            "fill": {
                "condition": {"test": f"datum.belief == '{DOUBTED}'", "value": "#ffffff"},
                "field": "system",
                "type": "nominal",
                "scale": scale_of(system_colours(systems)),
                "legend": None,
            },
            "stroke": {
                "field": "system",
                "type": "nominal",
                "scale": scale_of(system_colours(systems)),
                "legend": None,
            },
        },
    }
    return {
        **_base(values),
        "facet": {
            "field": facet,
            "type": "nominal",
            "title": None,
            "sort": list(titles),
        },
        "columns": 2,
        "spec": {"width": HALF_WIDTH, "height": 170, "layer": [bar, dot]},
        "resolve": {"scale": {"y": "independent"}},
    }


def latency_spectrum(summary: RunSummary) -> Spec | None:
    """Return the percentile spectrum of each case, one line for each system."""
    values = [
        {
            "case": case.label,
            "system": case.case.system,
            "belief": _belief(case),
            "inverse": inverse,
            "latency_ms": max(1, us) / MILLISECOND_US,
        }
        for case in summary.cases
        for inverse, us in case.spectrum
    ]
    if not values:
        return None
    systems = [system.label for system in summary.systems]
    names = "".join(f"datum.value == {tick} ? '{name}' : " for tick, name in SPECTRUM_TICKS.items())
    axis = {"values": list(SPECTRUM_TICKS), "labelExpr": f"{names}''", "labelFlush": True}
    layer = {
        "width": HALF_WIDTH,
        "height": 190,
        "mark": {"type": "line", "interpolate": "monotone", "strokeWidth": 2, "tooltip": True},
        "encoding": {
            "x": _log("inverse", "percentile (%)", axis),
            "y": _log("latency_ms", "latency (ms)", {"format": ",.4~r", "tickCount": 5}),
            "color": _colour(systems, line=True),
            "strokeDash": dashes_of(values),
        },
    }
    labels = list(dict.fromkeys(case.label for case in summary.cases))
    facet = {"field": "case", "type": "nominal", "title": None, "sort": labels}
    return {**_base(values), "facet": facet, "columns": 2, "spec": layer}


def _percentile_values(case: CaseSummary) -> list[Spec]:
    if case.latency_us is None:
        return []
    return [
        {
            "case": case.label,
            "system": case.case.system,
            "percentile": title,
            "merged_ms": max(1, getattr(case.latency_us, name)) / MILLISECOND_US,
            "low_ms": max(1.0, case.spreads[name].min) / MILLISECOND_US,
            "high_ms": max(1.0, case.spreads[name].max) / MILLISECOND_US,
            "state": case.state,
            "belief": _belief(case),
        }
        for name, title in PERCENTILES.items()
        if name in case.spreads
    ]


def _belief(case: CaseSummary) -> str:
    return DOUBTED if case.state == "INVALID" else BELIEVED


def _base(values: Sequence[Spec]) -> Spec:
    return {"config": CONFIG, "data": {"values": list(values)}}


def _colour(systems: Sequence[str], *, line: bool = False) -> Spec:
    symbol: Spec = {"symbolType": "stroke"} if line else {"symbolType": "circle", "symbolStrokeWidth": 0}
    legend = {"orient": "top", "symbolOpacity": 1, "offset": 14, "labelLimit": SYSTEM_LIMIT, **symbol}
    return {
        "field": "system",
        "type": "nominal",
        "title": None,
        "sort": list(systems),
        "scale": scale_of(system_colours(systems)),
        "legend": legend,
    }


def _log(field: str, title: str, axis: Spec) -> Spec:
    return {
        "field": field,
        "type": "quantitative",
        "title": title,
        "scale": {"type": "log", "nice": False},
        "axis": axis,
    }


def _tooltip(facet: str, unit: str) -> list[Spec]:
    names = ("system", "case", facet, f"merged_{unit}", f"low_{unit}", f"high_{unit}", "state")
    return [{"field": name, "title": name.replace(f"_{unit}", f" ({unit})")} for name in names]


def _angle(labels: Sequence[str]) -> int:
    # Long labels side by side would run into each other.
    return 0 if len(labels) * max(map(len, labels), default=0) < 60 else -30
