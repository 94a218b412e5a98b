"""The report's charts as a notebook shows them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from seatrial.report.charts.of_run import Chart

VEGA_LITE = "application/vnd.vegalite.v5+json"
SCHEMA = "https://vega.github.io/schema/vega-lite/v5.json"


class NotebookChart(dict[str, Any]):
    """A Vega-Lite spec with its data inside, which a notebook draws; ``title`` and ``caption`` say what it shows.

    What may not be believed is dashed and hollow in it, as in the report.
    """

    def __init__(self, chart: Chart) -> None:
        title = {"text": chart.title, "subtitle": chart.caption, "anchor": "start"}
        super().__init__({"$schema": SCHEMA, **chart.spec, "title": title})
        self.title = chart.title
        self.caption = chart.caption

    def svg(self) -> str:
        """Return it drawn."""
        import vl_convert

        drawn: str = vl_convert.vegalite_to_svg(dict(self))
        return drawn

    def _repr_mimebundle_(self, **_: Any) -> dict[str, Any]:
        # Who knows Vega-Lite draws it and lets one point at it; everybody else shows the drawing.
        return {VEGA_LITE: dict(self), "image/svg+xml": self.svg(), "text/plain": repr(self)}

    def __repr__(self) -> str:
        """Return what it shows; its data are long."""
        return f"<chart {self.title!r}: {self.caption}>"
