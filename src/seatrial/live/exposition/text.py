"""OpenMetrics and Prometheus's text format, written by Prometheus's own library."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from prometheus_client import CONTENT_TYPE_LATEST as PROMETHEUS_TEXT
from prometheus_client import generate_latest as prometheus_text
from prometheus_client.metrics_core import Metric
from prometheus_client.openmetrics.exposition import CONTENT_TYPE_LATEST as OPENMETRICS_TEXT
from prometheus_client.openmetrics.exposition import generate_latest as openmetrics_text

from seatrial.live.exposition.distribution import BOUNDS_S, Distribution

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from prometheus_client.samples import Sample

    from seatrial.live.exposition.families import Family

OPENMETRICS: Final = OPENMETRICS_TEXT
PROMETHEUS: Final = PROMETHEUS_TEXT

BOUNDS = tuple(repr(bound) for bound in BOUNDS_S)
"""As that library writes them, too."""


class Page:
    """Families as what the library collects from."""

    def __init__(self, families: Iterable[Family] = ()) -> None:
        self._metrics: dict[str, Metric] = {}
        self.add(families)

    def add(self, families: Iterable[Family], at_s: float | None = None) -> None:
        """Add samples to their metrics; ``at_s`` is their Unix time, None is now."""
        for family in families:
            metric = self._metrics.get(family.name)
            if metric is None:
                metric = self._metrics[family.name] = Metric(
                    family.name, family.help, family.kind, family.unit
                )
            for series in family.series:
                for name, labels, value in samples_of(family, series.labels, series.value):
                    metric.add_sample(name, labels, value, at_s)

    def sort(self) -> None:
        """Put all times of a series beside each other, as OpenMetrics has them."""
        for metric in self._metrics.values():
            metric.samples.sort(key=_series)

    def collect(self) -> Sequence[Metric]:
        """Return every metric, as the library asks for it."""
        return tuple(self._metrics.values())

    def openmetrics(self) -> bytes:
        """Return the page in OpenMetrics 1.0."""
        return bytes(openmetrics_text(self))  # type: ignore[no-untyped-call]

    def prometheus(self) -> bytes:
        """Return the page in Prometheus's text format 0.0.4."""
        return bytes(prometheus_text(self))


def _series(sample: Sample) -> list[tuple[str, str]]:
    return sorted((name, value) for name, value in sample.labels.items() if name != "le")


def samples_of(
    family: Family, labels: Mapping[str, str], value: float | Distribution
) -> Iterator[tuple[str, dict[str, str], float]]:
    """Yield the samples of one series: name, labels, value; of a histogram its classic buckets, count and sum."""
    if not isinstance(value, Distribution):
        yield family.sample_name, dict(labels), value
        return
    for bound, count in zip((*BOUNDS, "+Inf"), (*value.cumulative, value.count), strict=True):
        yield f"{family.name}_bucket", {**labels, "le": bound}, count
    yield f"{family.name}_count", dict(labels), value.count
    yield f"{family.name}_sum", dict(labels), value.sum_s
