"""The charts as Vega-Lite specs: plain dicts with their data inside, no reference to anything outside."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from seatrial.report.charts import series
from seatrial.report.charts.style import (
    BELIEVED,
    CASE_LIMIT,
    CONFIG,
    DASHES,
    DOUBTED,
    OTHERS,
    SOFT,
    SPECTRUM_TICKS,
    SYSTEM_LIMIT,
    scale_of,
    system_colours,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from seatrial.analysis.run.model import CaseSummary, RunSummary

Spec = dict[str, Any]

PERCENTILES = {"p50": "p50 (median)", "p90": "p90", "p99": "p99", "p999": "p99.9"}
MILLISECOND_US = 1_000
PANEL_WIDTH, HALF_WIDTH = 740, 385


def latency_by_case(summary: RunSummary) -> Spec | None:
    """Return percentiles for each case and system: merged (dot) and the range of the repeats (bar)."""
    values = [value for case in summary.cases for value in _percentile_values(case)]
    if not values:
        return None
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
        "tooltip": _tooltip(),
    }
    y_axis = {
        "title": "latency (ms)",
        "scale": {"type": "log", "nice": False, "padding": 12},
        "axis": {"format": ",.4~r", "tickCount": 5},
        "type": "quantitative",
    }
    bar = {
        "mark": {"type": "rule", "strokeWidth": 4, "opacity": 0.35},
        "encoding": {
            **place,
            "y": {"field": "low_ms", **y_axis},
            "y2": {"field": "high_ms"},
            "strokeDash": _dash(values),
        },
    }
    dot = {
        "mark": {"type": "point", "filled": True, "size": 55, "opacity": 1, "strokeWidth": 2},
        "encoding": {
            **place,
            "y": {"field": "merged_ms", **y_axis},
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
            "field": "percentile",
            "type": "nominal",
            "title": None,
            "sort": list(PERCENTILES.values()),
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
            "strokeDash": _dash(values),
        },
    }
    labels = list(dict.fromkeys(case.label for case in summary.cases))
    facet = {"field": "case", "type": "nominal", "title": None, "sort": labels}
    return {**_base(values), "facet": facet, "columns": 2, "spec": layer}


def trial_over_time(case: CaseSummary, systems: Sequence[str] = ()) -> Spec | None:
    """Return one trial of a case over time: rate, latency, CPU and memory of each role, the phases as bands.

    ``systems`` are those of the run, in the order in which they have their colours.
    """
    trial = series.typical_trial(case)
    if trial is None:
        return None
    # What is kept as text is read once.
    trial = replace(trial, series=trial.series.read())
    if not trial.series.points:
        return None
    own = system_colours(systems or [case.case.system])[case.case.system]
    colours = {**OTHERS, "achieved": own, "system": own}
    curves = {
        "requests/s": series.rate_values(trial),
        "latency (ms)": series.latency_values(trial),
        "CPU (cores)": series.cpu_values(trial),
        series.memory_title(trial): series.memory_values(trial),
    }
    shown = {title: values for title, values in curves.items() if values}
    bands = series.phase_bands(trial)
    x = _time([*bands, *(value for values in shown.values() for value in values)])
    # What is believed is drawn as everything is, and needs nothing that says so.
    belief = {"belief": DOUBTED} if trial.validity.reasons else {}
    panels = [
        _panel(
            bands,
            [{**value, **belief} for value in values],
            {**x, "title": "seconds from the start of the trial" if number == len(shown) - 1 else None},
            title,
            colours,
            first=number == 0,
        )
        for number, (title, values) in enumerate(shown.items())
    ]
    return {
        "config": CONFIG,
        "vconcat": panels,
        "spacing": 14,
        "resolve": {"scale": {"stroke": "independent"}},
    }


def _time(rows: Sequence[Spec]) -> Spec:
    # One axis for all panels, wide enough for everything in them.
    first_s = min([0.0, *(row[key] for row in rows for key in ("start_s", "at_s") if key in row)])
    last_s = max(row[key] for row in rows for key in ("end_s", "at_s") if key in row)
    return {"type": "quantitative", "scale": {"domain": [first_s, last_s], "nice": False}}


def _panel(
    bands: Sequence[Spec],
    values: Sequence[Spec],
    x: Spec,
    title: str,
    colours: Mapping[str, str],
    *,
    first: bool,
) -> Spec:
    layers = [_bands(bands, x), _curves(values, x, title, colours, legend_of_belief=first)]
    if first:
        wide = (x["scale"]["domain"][1] - x["scale"]["domain"][0]) * 0.05
        layers.append(_phase_names([band for band in bands if band["end_s"] - band["start_s"] > wide], x))
    return {"width": PANEL_WIDTH, "height": 110, "layer": layers}


def _bands(bands: Sequence[Spec], x: Spec) -> Spec:
    fill = {"field": "fill", "type": "nominal", "scale": None}
    return {
        "data": {"values": list(bands)},
        "mark": {"type": "rect", "opacity": 1},
        "encoding": {"x": {"field": "start_s", **x}, "x2": {"field": "end_s"}, "color": fill},
    }


def _phase_names(bands: Sequence[Spec], x: Spec) -> Spec:
    # Written above the panel, where no curve can run through them.
    return {
        "data": {"values": list(bands)},
        "mark": {"type": "text", "align": "left", "dx": 1, "fontSize": 11, "fill": SOFT},
        "encoding": {"x": {"field": "start_s", **x}, "y": {"value": -7}, "text": {"field": "phase"}},
    }


def _curves(
    values: Sequence[Spec], x: Spec, title: str, colours: Mapping[str, str], *, legend_of_belief: bool
) -> Spec:
    names = list(dict.fromkeys(value["series"] for value in values))
    is_log = title.startswith("latency")
    scale: Spec = {"type": "log", "nice": True} if is_log else {"zero": True, "nice": True}
    axis = {"tickCount": 4, "format": ",.4~r"}
    stroke = {
        "field": "series",
        "type": "nominal",
        "title": None,
        "sort": names,
        "scale": scale_of({name: colours[name] for name in names}),
        "legend": {"symbolType": "stroke"},
    }
    doubted = "belief" in values[0]
    dash = (
        {"strokeDash": {**_dash(values), **({} if legend_of_belief else {"legend": None})}} if doubted else {}
    )
    return {
        "data": {"values": list(values)},
        "mark": {"type": "line", "interpolate": "step-after", "strokeWidth": 1.8, "tooltip": True},
        "encoding": {
            "x": {"field": "at_s", **x},
            "y": {"field": "value", "type": "quantitative", "title": title, "scale": scale, "axis": axis},
            "stroke": stroke,
            "detail": {"field": "part"},
            **dash,
        },
    }


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


def _dash(values: Sequence[Spec]) -> Spec:
    # A legend only where there is something to distinguish.
    doubted = any(value["belief"] == DOUBTED for value in values)
    legend = {"orient": "top", "symbolType": "stroke", "symbolStrokeColor": SOFT} if doubted else None
    return {
        "field": "belief",
        "type": "nominal",
        "title": None,
        "scale": {"domain": list(DASHES), "range": list(DASHES.values())},
        "legend": legend,
    }


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


def _tooltip() -> list[Spec]:
    names = ("system", "case", "percentile", "merged_ms", "low_ms", "high_ms", "state")
    return [{"field": name, "title": name.replace("_ms", " (ms)")} for name in names]


def _angle(labels: Sequence[str]) -> int:
    # Long labels side by side would run into each other.
    return 0 if len(labels) * max(map(len, labels), default=0) < 60 else -30
