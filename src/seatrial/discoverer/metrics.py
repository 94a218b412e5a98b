"""The discoverer's page for a Prometheus, and whether it is well."""

from __future__ import annotations

from itertools import accumulate
from typing import TYPE_CHECKING

from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily

from seatrial.discoverer.discoverer import CYCLE_LIMITS_S

if TYPE_CHECKING:
    from collections.abc import Iterator

    from prometheus_client.core import Metric

    from seatrial.discoverer.discoverer import Discoverer

_PREFIX = "seatrial_discoverer_"
_BACKEND = "backend"


class Page:
    """Reads what a discoverer counts whenever it is asked."""

    def __init__(self, discoverer: Discoverer) -> None:
        self._of = discoverer
        self._registry = CollectorRegistry(auto_describe=False)
        self._registry.register(self)

    def application(self) -> web.Application:
        """Return ``/metrics`` and ``/healthz``."""
        application = web.Application()
        application.add_routes([web.get("/metrics", self._metrics), web.get("/healthz", self._health)])
        return application

    def collect(self) -> Iterator[Metric]:
        """Yield every metric, as ``prometheus_client`` asks for them."""
        of, backend = self._of, [self._of.settings.backend]
        gauges = (
            ("queue_depth", "Items that are not done: waiting, delayed and in work.", of.queue.depth),
            ("upstream_services", "Services of the source when it was read last.", of.upstream),
            ("replicated_services", "Services that are in the destination as in the source.", of.replicated),
        )
        for name, text, value in gauges:
            gauge = GaugeMetricFamily(f"{_PREFIX}{name}", text, labels=[_BACKEND])
            gauge.add_metric(backend, value)
            yield gauge
        counters = (
            ("enqueued", "Items that were put into the queue.", of.queue.enqueued),
            ("done", "Items that were worked on to the end.", of.queue.done),
            ("dropped", "Items that were given up until they are found again.", of.queue.dropped),
            ("retries", "Times that a failed item was to come again.", of.queue.retries_made),
        )
        for name, text, value in counters:
            counter = CounterMetricFamily(f"{_PREFIX}{name}", text, labels=[_BACKEND])
            counter.add_metric(backend, value)
            yield counter
        yield from self._labelled(backend)

    def _labelled(self, backend: list[str]) -> Iterator[Metric]:
        of = self._of
        calls = CounterMetricFamily(
            f"{_PREFIX}api_calls",
            "Calls to the destination's API server; status 0: no answer.",
            labels=[_BACKEND, "verb", "resource", "status"],
        )
        for (verb, resource, status), count in sorted(of.calls.by.items()):
            calls.add_metric([*backend, verb, resource, str(status)], count)
        yield calls
        errors = CounterMetricFamily(f"{_PREFIX}errors", "What went wrong.", labels=[_BACKEND, "errortype"])
        for errortype, count in sorted(of.errors.items()):
            errors.add_metric([*backend, errortype], count)
        yield errors
        cycles = HistogramMetricFamily(
            f"{_PREFIX}cycle_seconds",
            "Reading the source and finding what differs, or a resync.",
            labels=[_BACKEND],
        )
        limits = [*map(str, CYCLE_LIMITS_S), "+Inf"]
        buckets = list(zip(limits, accumulate(of.cycles.counts), strict=True))
        cycles.add_metric(backend, buckets, of.cycles.sum_s)
        yield cycles

    async def _metrics(self, _: web.Request) -> web.Response:
        return web.Response(
            body=generate_latest(self._registry), headers={"Content-Type": CONTENT_TYPE_LATEST}
        )

    async def _health(self, _: web.Request) -> web.Response:
        trouble = self._of.trouble
        return web.Response(text=f"{trouble or 'ok'}\n", status=503 if trouble else 200)
