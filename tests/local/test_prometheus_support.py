"""What the tests of metrics are judged by: a real Prometheus that scrapes what a test serves."""

from __future__ import annotations

import signal
import time
from typing import TYPE_CHECKING

from tests.support.metrics_page import metrics_page
from tests.support.prometheus import prometheus, scrape

if TYPE_CHECKING:
    from pathlib import Path


def test_it_scrapes_a_page_answers_both_kinds_of_queries_and_keeps_its_data_over_a_stop(
    tmp_path: Path,
) -> None:
    with metrics_page("boats_total 7\n") as page:
        with prometheus(tmp_path, scrape("harbour", page.target), features=["native-histograms"]) as server:
            server.wait_for("boats_total")
            page.text = "boats_total 9\n"
            server.wait_for("boats_total == 9")
            seen_s = time.time()
            assert server.value("sum(boats_total)") == 9
            assert server.value("no_such_series") is None
            (series,) = server.range('boats_total{job="harbour"}', seen_s - 2, seen_s, 0.5)
            assert series["metric"]["instance"] == page.target
            assert {float(value) for _, value in series["values"]} <= {7, 9}
            assert "native-histograms" in server.get("status/flags")["enable-feature"]
            server.stop(signal.SIGKILL)
            server.start()
            assert server.value("sum(boats_total)", at_s=seen_s) == 9
        assert page.asked >= 2
