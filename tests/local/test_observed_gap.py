"""A Prometheus that was away within a phase and is there again: what it has not seen has no value."""

from __future__ import annotations

import asyncio
import signal
import time
from itertools import pairwise
from pathlib import Path

from tests.support.metrics_page import metrics_page
from tests.support.prometheus import prometheus, scrape

from seatrial.analysis.observed.figures import figures_of, is_covered
from seatrial.observe.prometheus.ask import observed
from seatrial.observe.prometheus.client import Access, Prometheus
from seatrial.observe.prometheus.series import Observed
from seatrial.plan.model.observe import QueryPlan

EVERY_S = 0.5


def test_a_moment_before_which_nothing_was_scraped_has_no_value(tmp_path: Path) -> None:
    queries = tuple(
        QueryPlan(name=name, query=query) for name, query in (("asked", "asked_total"), ("one", "vector(1)"))
    )
    with (
        metrics_page(lambda number: f"asked_total {number}\n") as page,
        prometheus(tmp_path, scrape("harbour", page.target, every="500ms")) as server,
    ):
        server.wait_for("asked_total")
        start_s = time.time()
        time.sleep(1.5)
        server.stop(signal.SIGKILL)
        time.sleep(1.0)
        server.start()
        asked = page.asked
        # It finds its targets again within seconds.
        while page.asked < asked + 3:
            time.sleep(0.1)
        end_s = time.time()

        async def ask() -> tuple[Observed, ...]:
            async with Prometheus(Access(server.url)) as client:
                return await observed(client, queries, {}, (start_s, end_s))

        one, constant = asyncio.run(ask())
    (series,) = one.series
    times = [at_s for at_s, _ in page.given]
    for at_s, _ in series.points:
        # The page is the judge: it was asked shortly before. What a busy machine is late by is far from the gap.
        assert any(at_s - 2 * EVERY_S - 0.1 < given_s <= at_s for given_s in times)
    gap_s = max(after - before for before, after in pairwise(times))
    left_out = one.moments - len(series.points)
    assert left_out >= gap_s / EVERY_S - 4
    assert left_out >= 2
    assert not is_covered(one, figures_of(series))
    (warning,) = one.warnings
    assert warning.startswith(f"nothing was scraped shortly before {left_out} of {one.moments} moments")
    # What no scrape is behind has a value at each moment.
    assert (len(constant.series[0].points), constant.warnings) == (constant.moments, ())
