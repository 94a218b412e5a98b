"""Colours and type of the charts, in one place. In all charts of a page one colour means one thing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from seatrial.analysis.run.labels import UNPROXIED

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', Arial, sans-serif"

# Systems: Okabe and Ito's palette, which people with any kind of colour vision distinguish; the baseline is grey.
SYSTEMS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000")
BASELINE = "#7d8590"
# Everything else that has a curve, in colours that no system has. Percentiles are shades of one colour.
OTHERS = {
    "requested": "#24292f",
    "generator": "#c2185b",
    "controller": "#00838f",
    "origin": "#795548",
    "seatrial": "#9e9d24",
    "p50": "#b3aee6",
    "p99": "#6a5acd",
    "max": "#2e2370",
}

PHASE_FILLS = {
    "set up": "#ffffff",
    "ramp": "#f6f8fa",
    "warm up": "#eef2f6",
    "measure": "#e3f1e6",
    "cool down": "#f6f8fa",
}

# How cases that may not be believed are drawn, everywhere: dashed lines, hollow dots.
BELIEVED, DOUBTED = "believed", "INVALID (dashed, hollow)"
DASHES = {BELIEVED: [1, 0], DOUBTED: [4, 3]}

INK, SOFT, LINE, GRID = "#24292f", "#57606a", "#d0d7de", "#e7ebef"

# To hold a label against a limit is to measure its letters, which takes a third of the time of a drawing; only names
# that a person gave can be too long.
NO_LIMIT, CASE_LIMIT, SYSTEM_LIMIT = 0, 240, 300

CONFIG: dict[str, Any] = {
    # A chart brings its own ground along: its colours are made for white, whatever the page or an export is on.
    "background": "#ffffff",
    "padding": 8,
    "font": FONT,
    "view": {"stroke": LINE},
    "axis": {
        "labelColor": SOFT,
        "titleColor": SOFT,
        "titleFontWeight": "normal",
        "gridColor": GRID,
        "domainColor": LINE,
        "tickColor": LINE,
        "labelFontSize": 11,
        "titleFontSize": 11,
        "labelLimit": NO_LIMIT,
    },
    "header": {
        "labelFontSize": 12,
        "labelFontWeight": 600,
        "labelColor": INK,
        "labelAnchor": "start",
        "labelLimit": 380,
    },
    "legend": {
        "labelColor": INK,
        "labelFontSize": 12,
        "labelLimit": NO_LIMIT,
        "symbolSize": 90,
        "titleFontWeight": "normal",
    },
}

# Labels of the spectrum's axis, which is logarithmic in 1/(1-q).
SPECTRUM_TICKS = {
    1: "0",
    10: "90",
    100: "99",
    1_000: "99.9",
    10_000: "99.99",
    100_000: "99.999",
    1_000_000: "99.9999",
}


def system_colours(labels: Sequence[str]) -> dict[str, str]:
    """Return a colour for each system of a run; further ones than there are colours begin anew."""
    free = iter(SYSTEMS * (len(labels) // len(SYSTEMS) + 1))
    return {label: BASELINE if label == UNPROXIED else next(free) for label in labels}


def scale_of(colours: dict[str, str]) -> dict[str, Any]:
    """Return the scale that gives each name its colour."""
    return {"domain": list(colours), "range": list(colours.values())}


def dashes_of(values: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return how what may be believed is told from what may not."""
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
