"""One trial over time as a Vega-Lite spec: a panel for each kind of figure, the phases as bands."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from seatrial.report.charts import series
from seatrial.report.charts.discovery import (
    ASKED,
    CHANGES_TITLE,
    DEPTH,
    QUEUE_TITLE,
    THERE,
    change_values,
    queue_values,
    step_marks,
)
from seatrial.report.charts.style import CONFIG, DOUBTED, OTHERS, SOFT, dashes_of, scale_of, system_colours

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from seatrial.analysis.run.model import CaseSummary

Spec = dict[str, Any]

PANEL_WIDTH = 740
ABOVE, LINE_HEIGHT = -7, 14
"""Of names above a panel, in pixels."""


def trial_over_time(case: CaseSummary, systems: Sequence[str] = ()) -> Spec | None:
    """Return one trial of a case over time: rate, latency, CPU and memory of each role, the phases as bands.

    ``systems`` are those of the run, in the order in which they have their colours.
    """
    trial = series.typical_trial(case)
    if trial is None:
        return None
    # What is kept as text is read once.
    trial = replace(trial, series=trial.series.read())
    curve = trial.series.discovery
    if not trial.series.points and curve is None:
        return None
    own = system_colours(systems or [case.case.system])[case.case.system]
    colours = {**OTHERS, "achieved": own, "system": own, THERE: own, DEPTH: own, ASKED: OTHERS["requested"]}
    # Of a discoverer the load only waits: there is nothing to show of it.
    carries = any(point.completed_per_s or point.sent_per_s for point in trial.series.points)
    curves = {
        CHANGES_TITLE: change_values(curve) if curve else [],
        QUEUE_TITLE: queue_values(curve) if curve else [],
        "requests/s": series.rate_values(trial) if carries or not curve else [],
        "latency (ms)": series.latency_values(trial),
        "CPU (cores)": series.cpu_values(trial),
        series.memory_title(trial): series.memory_values(trial),
    }
    shown = {title: values for title, values in curves.items() if values}
    bands = series.phase_bands(trial)
    x = _time([*bands, *(value for values in shown.values() for value in values)])
    # What is believed is drawn as everything is, and needs nothing that says so.
    belief = {"belief": DOUBTED} if trial.validity.reasons else {}
    marks = step_marks(curve, x["scale"]["domain"][1] - x["scale"]["domain"][0], PANEL_WIDTH) if curve else []
    panels = [
        _panel(
            (bands, marks if title in {CHANGES_TITLE, QUEUE_TITLE} else []),
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
    behind: tuple[Sequence[Spec], Sequence[Spec]],
    values: Sequence[Spec],
    x: Spec,
    title: str,
    colours: Mapping[str, str],
    *,
    first: bool,
) -> Spec:
    bands, marks = behind
    layers = [_bands(bands, x), _curves(values, x, title, colours, legend_of_belief=first)]
    if marks:
        layers.append(_steps(marks, x))
    if first:
        wide = (x["scale"]["domain"][1] - x["scale"]["domain"][0]) * 0.05
        shown = [band for band in bands if band["end_s"] - band["start_s"] > wide]
        layers.append(_names(shown, x, "start_s", "phase", ABOVE - LINE_HEIGHT if marks else ABOVE))
        if marks:
            layers.append(_names(marks, x, "text_s", "step", ABOVE))
    return {"width": PANEL_WIDTH, "height": 110, "layer": layers}


def _bands(bands: Sequence[Spec], x: Spec) -> Spec:
    fill = {"field": "fill", "type": "nominal", "scale": None}
    return {
        "data": {"values": list(bands)},
        "mark": {"type": "rect", "opacity": 1},
        "encoding": {"x": {"field": "start_s", **x}, "x2": {"field": "end_s"}, "color": fill},
    }


def _steps(marks: Sequence[Spec], x: Spec) -> Spec:
    return {
        "data": {"values": list(marks)},
        "mark": {"type": "rule", "strokeDash": [3, 3], "stroke": SOFT, "strokeWidth": 1, "tooltip": True},
        "encoding": {"x": {"field": "at_s", **x}},
    }


def _names(rows: Sequence[Spec], x: Spec, at: str, field: str, y_pixels: int) -> Spec:
    # Written above the panel, where no curve can run through them.
    return {
        "data": {"values": list(rows)},
        "mark": {"type": "text", "align": "left", "dx": 1, "fontSize": 11, "fill": SOFT},
        "encoding": {"x": {"field": at, **x}, "y": {"value": y_pixels}, "text": {"field": field}},
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
        {"strokeDash": {**dashes_of(values), **({} if legend_of_belief else {"legend": None})}}
        if doubted
        else {}
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
