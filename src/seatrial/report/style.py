"""Colours and type of the charts, in one place."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', Arial, sans-serif"

# Okabe and Ito's palette, which people with any kind of colour vision tell apart; the baseline is grey.
PALETTE = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000")
FIXED = {
    "direct": "#7d8590",
    "requested": "#7d8590",
    "generator": "#e69f00",
    "origin": "#7d8590",
    "system": "#0072b2",
}

PHASE_FILLS = {
    "set up": "#ffffff",
    "ramp": "#f6f8fa",
    "warm up": "#eef2f6",
    "measure": "#e3f1e6",
    "cool down": "#f6f8fa",
}

CONFIG: dict[str, Any] = {
    "background": "transparent",
    "font": FONT,
    "view": {"stroke": "#d0d7de"},
    "axis": {
        "labelColor": "#57606a",
        "titleColor": "#57606a",
        "titleFontWeight": "normal",
        "gridColor": "#e7ebef",
        "domainColor": "#d0d7de",
        "tickColor": "#d0d7de",
        "labelFontSize": 11,
        "titleFontSize": 11,
        "labelLimit": 240,
    },
    "header": {"labelFontSize": 12, "labelFontWeight": 600, "labelColor": "#24292f", "labelAnchor": "start"},
    "legend": {"labelColor": "#24292f", "labelFontSize": 12, "symbolSize": 90, "titleFontWeight": "normal"},
}


def colour_scale(names: Sequence[str]) -> dict[str, Any]:
    """Return a scale that gives each name its own colour, known names always the same."""
    free = iter(
        [colour for colour in PALETTE if colour not in {FIXED[name] for name in names if name in FIXED}] * 10
    )
    return {"domain": list(names), "range": [FIXED[name] if name in FIXED else next(free) for name in names]}
