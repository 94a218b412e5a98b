"""A dashboard as Grafana's JSON, for version 11.6 and those that follow it.

Source: Grafana's own schemas, as its Foundation SDK publishes them (types of `dashboard`, `prometheus` and each kind of
panel); the tests load every dashboard through those.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from seatrial.report.dashboards.panels import Annotation, Dashboard, Panel, Row, Variable

Json = dict[str, Any]

SCHEMA_VERSION: Final = 41
"""That of Grafana 11.6; a later one reads it and brings it up to date."""
TAG: Final = "seatrial"
ALL: Final = ".*"
"""Of a variable, "all": the regular expression that is also right for series without the label."""
SOURCE: Final = {"type": "prometheus", "uid": "${datasource}"}
_COLUMNS, _HEIGHT = 24, 8
_LEGEND: Final = {"displayMode": "list", "placement": "bottom", "showLegend": True, "calcs": []}
_REFRESH_ON_TIME_RANGE: Final = 2
_SHARED_CROSSHAIR: Final = 1
_LABEL_VALUES: Final = 1


def dashboard_json(dashboard: Dashboard) -> Json:
    """Return the document that Grafana imports, or is provisioned with."""
    return {
        "uid": f"{TAG}-{dashboard.name}",
        "title": f"Seatrial: {dashboard.title}",
        "description": dashboard.description,
        "tags": [TAG],
        "schemaVersion": SCHEMA_VERSION,
        "editable": True,
        "graphTooltip": _SHARED_CROSSHAIR,
        "refresh": "5s",
        "time": {"from": "now-30m", "to": "now"},
        "links": [_link()],
        "templating": {"list": [_source(), *map(_variable, dashboard.variables)]},
        "annotations": {"list": [_annotation(each) for each in dashboard.annotations]},
        "panels": list(_panels(dashboard.rows)),
    }


def _link() -> Json:
    words = {"title": "Seatrial", "type": "dashboards", "icon": "external link", "tooltip": "", "tags": [TAG]}
    return {**words, "asDropdown": True, "targetBlank": False, "includeVars": True, "keepTime": True}


def _source() -> Json:
    # Which Prometheus it is: that of the provisioning, or any other that Grafana knows.
    return {"name": "datasource", "label": "Prometheus", "type": "datasource", "query": "prometheus"}


def _variable(variable: Variable) -> Json:
    return {
        "name": variable.name,
        "type": "query",
        "datasource": SOURCE,
        "query": {"query": variable.query, "qryType": _LABEL_VALUES, "refId": "values"},
        "refresh": _REFRESH_ON_TIME_RANGE,
        "multi": True,
        "includeAll": True,
        "allValue": ALL,
        "current": {"text": ["All"], "value": ["$__all"]},
    }


def _annotation(annotation: Annotation) -> Json:
    return {
        "name": annotation.name,
        "datasource": SOURCE,
        "enable": True,
        "iconColor": annotation.colour,
        "expr": annotation.expr,
        "titleFormat": annotation.title,
        "textFormat": annotation.text,
        "useValueForTime": True,
        # A short trial is there for a few seconds; a minute, which is the default, would miss it.
        "step": "5s",
    }


def _panels(rows: tuple[Row, ...]) -> Iterator[Json]:
    number = y = 0
    for row in rows:
        number += 1
        at = {"h": 1, "w": _COLUMNS, "x": 0, "y": y}
        yield {
            "type": "row",
            "id": number,
            "title": row.title,
            "collapsed": False,
            "gridPos": at,
            "panels": [],
        }
        x, y = 0, y + 1
        for panel in row.panels:
            number += 1
            if x + panel.width > _COLUMNS:
                x, y = 0, y + _HEIGHT
            at = {"h": _HEIGHT, "w": panel.width, "x": x, "y": y}
            yield {"id": number, "gridPos": at, **_panel(panel)}
            x += panel.width
        y += _HEIGHT


def _panel(panel: Panel) -> Json:
    defaults: Json = {"unit": panel.unit, "custom": _custom(panel)}
    if panel.states:
        named = {value: {"text": text, "color": colour} for value, (text, colour) in panel.states.items()}
        defaults["mappings"] = [{"type": "value", "options": named}]
    made = {
        "type": panel.kind,
        "title": panel.title,
        "description": panel.description,
        "datasource": SOURCE,
        "targets": [_target(panel, number) for number in range(len(panel.queries))],
        "options": _options(panel),
        "fieldConfig": {
            "defaults": defaults,
            "overrides": [_override(one.name, one.unit) for one in panel.columns],
        },
    }
    if panel.columns:
        made["transformations"] = list(_transformations(panel))
    return made


def _target(panel: Panel, number: int) -> Json:
    query = panel.queries[number]
    at_once = bool(panel.columns)
    return {
        "refId": _letter(number),
        "datasource": SOURCE,
        "expr": query.expr,
        "legendFormat": query.legend or "__auto",
        "editorMode": "code",
        "instant": at_once,
        "range": not at_once,
        "format": "table" if at_once else "time_series",
    }


def _custom(panel: Panel) -> Json:
    match panel.kind:
        case "timeseries":
            stacking = {"mode": "normal" if panel.is_stacked else "none", "group": "A"}
            fill = 30 if panel.is_stacked else 0
            # A trial that is over is no gap to be bridged.
            return {
                "drawStyle": "line",
                "lineWidth": 1,
                "fillOpacity": fill,
                "spanNulls": False,
                "stacking": stacking,
            }
        case "xychart":
            return {"show": "points", "pointSize": {"fixed": 8}}
        case _:
            return {}


def _options(panel: Panel) -> Json:
    tooltip = {"mode": "multi", "sort": "desc"}
    options: Mapping[str, Json] = {
        "timeseries": {"legend": _LEGEND, "tooltip": tooltip},
        "stat": {"reduceOptions": {"calcs": ["lastNotNull"]}, "colorMode": "value", "graphMode": "none"},
        "state-timeline": {"legend": _LEGEND, "tooltip": tooltip, "showValue": "auto", "mergeValues": True},
        "table": {"showHeader": True, "cellHeight": "sm"},
        # The first number of a frame lies along, each other one goes up.
        "xychart": {
            "mapping": "auto",
            "series": [],
            "legend": _LEGEND,
            "tooltip": {"mode": "single", "sort": "none"},
        },
    }
    return options[panel.kind]


def _override(name: str, unit: str) -> Json:
    properties = [{"id": "unit", "value": unit}]
    return {"matcher": {"id": "byName", "options": name}, "properties": properties}


def _transformations(panel: Panel) -> Iterator[Json]:
    yield {"id": "merge", "options": {}}
    names = {f"Value #{_letter(number)}": column.name for number, column in enumerate(panel.columns)}
    yield {
        "id": "organize",
        "options": {"excludeByName": {"Time": True}, "indexByName": {}, "renameByName": names},
    }
    if panel.kind == "xychart":
        # A frame, and so a colour, for each system, and one more for what may not be believed of it.
        yield {"id": "partitionByValues", "options": {"fields": ["system", "validity"], "keepFields": True}}


def _letter(number: int) -> str:
    return chr(ord("A") + number)
