"""What a dashboard's document holds: panels, queries as Prometheus takes them, and the metrics that they name."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from tests.support.prometheus import Prometheus

from seatrial.report.dashboards.grafana import dashboard_json
from seatrial.report.dashboards.panels import Dashboard

_WORDS = {"and", "or", "unless", "bool", "by", "on", "ignoring", "group_left", "offset"}


@dataclass(frozen=True, slots=True)
class Asked:
    """One query of one panel, with its variables put in."""

    dashboard: str
    panel: str
    expr: str
    is_instant: bool

    @property
    def at(self) -> tuple[str, str]:
        """The panel."""
        return self.dashboard, self.panel


def has_numbers(server: Prometheus, asked: Asked, from_s: float, to_s: float) -> bool:
    """Return whether a query yields a number at any moment (Unix times), or at the last one where it is asked once."""
    if asked.is_instant:
        found = [[one["value"]] for one in server.instant(asked.expr, to_s)]
    else:
        found = [one["values"] for one in server.range(asked.expr, from_s, to_s, 0.5)]
    # A quantile of nothing is none.
    return any(math.isfinite(float(value)) for values in found for _, value in values)


def panels(document: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the panels that show something."""
    return [panel for panel in document["panels"] if panel["type"] != "row"]


def filled(expr: str, window_s: float, range_s: float) -> str:
    """Return a query with every variable set to "all"."""
    expr = expr.replace("$__rate_interval", f"{window_s * 1000:.0f}ms").replace("$__range", f"{range_s:.0f}s")
    return re.sub(r"\$\w+", ".*", expr)


def queries(dashboard: Dashboard, window_s: float = 60.0, range_s: float = 600.0) -> Iterator[Asked]:
    """Yield each query of each panel."""
    for panel in panels(dashboard_json(dashboard)):
        for target in panel["targets"]:
            expr = filled(target["expr"], window_s, range_s)
            yield Asked(dashboard.name, panel["title"], expr, target["instant"])


def metrics(expr: str) -> set[str]:
    """Return the metrics that PromQL names."""
    expr = re.sub(r'"[^"]*"|\{[^}]*\}|\[[^\]]*\]', lambda found: "" if found[0][0] != '"' else '""', expr)
    # A selector may hold a brace in a text of its: those have gone before it.
    expr = re.sub(r"\{[^}]*\}", "", expr)
    expr = re.sub(r"\b(by|on|ignoring|group_left)\s*\([^)]*\)", "", expr)
    names = re.findall(r"\b[a-zA-Z_:][a-zA-Z0-9_:]*\b(?!\s*\()", expr)
    return {name for name in names if name not in _WORDS}
