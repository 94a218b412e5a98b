"""One HTML file, readable offline and with scripts off: charts are static SVG, made interactive where possible."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from seatrial.report import balance, kernel, settings
from seatrial.report.charts.bundle import chart_script
from seatrial.report.charts.of_run import charts_of
from seatrial.report.doubts import doubted_text, doubts
from seatrial.report.during import (
    controllers,
    discovered,
    discovery,
    disturbances,
    objects,
    observed,
    scraped,
)
from seatrial.report.facts import (
    DOUBTS,
    GROWTH,
    METHOD,
    SET_ASIDE,
    environment_facts,
    network_facts,
    repeats_text,
    when_text,
)
from seatrial.report.table import (
    COUNT_HEADINGS,
    count_rows,
    ours_lines,
    resource_columns,
    resource_rows,
    result_columns,
    result_rows,
    set_aside_lines,
    trials_in_order,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from seatrial.analysis.run.model import RunSummary
    from seatrial.report.charts.of_run import Chart


@dataclass(frozen=True, slots=True)
class DrawnChart:
    """One chart as it stands in the page."""

    chart: Chart
    svg: str


def render_html(summary: RunSummary) -> str:
    """Return the page."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("seatrial.report"), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    found = list(_charts(summary))
    return environment.get_template("report.html.j2").render(
        summary=summary,
        columns=result_columns(summary),
        resource_columns=resource_columns(summary),
        **_discovery(summary),
        rows=result_rows(summary),
        resource_rows=resource_rows(summary),
        ours=ours_lines(summary),
        growth_heading=GROWTH,
        growth=[growth.sentence for growth in summary.growth],
        disturbances_heading=disturbances.HEADING,
        disturbance_columns=disturbances.COLUMNS,
        disturbances=disturbances.disturbance_rows(summary),
        controllers_heading=controllers.HEADING,
        controller_columns=controllers.COLUMNS,
        controllers=controllers.controller_rows(summary),
        observed_heading=observed.HEADING,
        observed_columns=observed.COLUMNS,
        observed=observed.observed_rows(summary),
        observed_over_heading=observed.OVER_HEADING,
        observed_over_columns=observed.OVER_COLUMNS,
        observed_over=observed.over_rows(summary),
        observed_notes_heading=observed.NOTES_HEADING,
        observed_notes=observed.observed_notes(summary),
        scraped_heading=scraped.HEADING,
        scraped_columns=scraped.COLUMNS,
        scraped=scraped.scraped_rows(summary),
        scraped_how_heading=scraped.HOW_HEADING,
        scraped_how_columns=scraped.HOW_COLUMNS,
        scraped_how=scraped.how_rows(summary),
        objects_heading=objects.HEADING,
        object_columns=objects.COLUMNS,
        objects=objects.object_rows(summary),
        balance_heading=balance.HEADING,
        balance=balance.balance_lines(summary),
        kernel_heading=kernel.HEADING,
        kernel=kernel.kernel_lines(summary),
        settings_title=settings.TITLE,
        settings_headings=settings.HEADINGS,
        settings=settings.setting_rows(summary),
        count_headings=COUNT_HEADINGS,
        count_rows=count_rows(summary),
        trials=trials_in_order(summary),
        doubted=doubted_text(summary),
        set_aside=set_aside_lines(summary),
        set_aside_meaning=SET_ASIDE,
        what_doubts_mean=DOUBTS,
        doubts=doubts(summary),
        charts=[drawn for drawn in found if drawn.chart.group is None],
        folded=[drawn for drawn in found if drawn.chart.group is not None],
        when=when_text(summary.run),
        repeats=repeats_text(summary),
        facts=(*environment_facts(summary.environment), *network_facts(summary)),
        method=METHOD,
        specs=_script_safe(json.dumps({drawn.chart.id: drawn.chart.spec for drawn in found})),
        bundle=_script_safe_code(chart_script()) if found else "",
    )


def _discovery(summary: RunSummary) -> dict[str, Any]:
    return {
        "of_discoverers": discovered.only_discoverers(summary),
        "how_to_read_discovered": discovered.HOW_TO_READ,
        "discovery_heading": discovery.HEADING,
        "discovery_columns": discovery.COLUMNS,
        "discovery": discovery.discovery_rows(summary),
        "queue_heading": discovery.QUEUE_HEADING,
        "queue_columns": discovery.QUEUE_COLUMNS,
        "queues": discovery.queue_rows(summary),
    }


def _charts(summary: RunSummary) -> Iterator[DrawnChart]:
    import vl_convert

    for chart in charts_of(summary):
        svg = vl_convert.vegalite_to_svg(chart.spec)
        yield DrawnChart(chart, _own_names(svg, chart.id, chart.title))


def _own_names(svg: str, prefix: str, title: str) -> str:
    # Several drawings share one page, and all of them call their clip paths alike.
    named = re.sub(r'id="([^"]+)"', rf'id="{prefix}-\1"', svg)
    named = re.sub(r"url\(#([^)]+)\)", rf"url(#{prefix}-\1)", named)
    label = title.replace("&", "&amp;").replace("<", "&lt;").replace('"', "&quot;")
    return named.replace("<svg ", f'<svg role="img" aria-label="{label}" ', 1)


def _script_safe(text: str) -> str:
    # JSON inside a script element must not be able to end it.
    return text.replace("<", "\\u003c")


def _script_safe_code(code: str) -> str:
    return code.replace("</script", "<\\/script").replace("<!--", "<\\!--")
