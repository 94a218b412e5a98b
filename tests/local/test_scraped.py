"""Scraping proxies for what it costs them: as often as a page of the test, and real proxies themselves, say it was."""

from __future__ import annotations

import asyncio
import re
import time
from pathlib import Path
from typing import cast
from urllib.request import urlopen

import pytest
from tests.local.test_systems import Upstream, launch_in, made, send, upstream
from tests.support.metrics_page import MetricsPage, metrics_page
from tests.support.runs import Bench, results
from tests.support.systems import installed, require

from seatrial.errors import ExitCode
from seatrial.machine.address import Address, Endpoint
from seatrial.observe.samples import ScrapedPage
from seatrial.plan.cases import Case, compile_cases
from seatrial.plan.read import parse_plan
from seatrial.run.observed import scraping
from seatrial.run.observed.scraping import Scraper
from seatrial.systems.base import System
from seatrial.systems.local.asked import AskedProxy
from seatrial.systems.local.dialect import Dialect

__all__ = ["upstream"]

PLAN = """
name: scraped
systems: [SYSTEMS]
vary: {scrape: [0, 200 ms]}
load: {rate: 100/s, active: 5, timeout: 2 s, resolution: 10 ms}
phases: {stable_for: 0 s, warmup: 200 ms, measure: 1 s, cooldown: 5 s}
repeat: 1
retry: 0
capacity: never
"""
OWN_COUNTS = {
    # Of Envoy's admin address, where nobody else asks meanwhile.
    "envoy": r'envoy_http_downstream_rq_http1_total\{envoy_http_conn_manager_prefix="admin"\} (\d+)',
    "haproxy": r'haproxy_frontend_http_requests_total\{proxy="seatrial_metrics"\} (\d+)',
    "caddy": r'caddy_admin_http_requests_total\{code="200",handler="admin",method="GET",path="/metrics"\} (\d+)',
}
"""How often a proxy says that its page was asked for; Traefik does not count that."""


class Paged(AskedProxy):
    """Stands for a proxy whose page is one of the test."""

    def __init__(self, port: int) -> None:
        super().__init__(cast("Dialect", None))
        self._port = port

    @property
    def name(self) -> str:
        return "paged"

    @property
    def metrics_page(self) -> tuple[Address, str]:
        return Address("127.0.0.1", self._port), "/metrics"


class Fleet:
    """What of a system the scraper looks at."""

    def __init__(self, *proxies: AskedProxy) -> None:
        self._proxies = proxies

    def proxies(self) -> tuple[AskedProxy, ...]:
        return self._proxies


def case_scraped(every: str, system: str = "envoy") -> Case:
    text = PLAN.replace("SYSTEMS", system).replace(
        "vary: {scrape: [0, 200 ms]}", f"observe: {{scrape: {every}}}"
    )
    return compile_cases(parse_plan(text, "a.yaml"))[0]


def scraped(page: MetricsPage, every: str, for_s: float) -> tuple[ScrapedPage, tuple[str, ...]]:
    """Scrape a page of the test for so long; return what was seen, and what is said of it."""

    async def go() -> tuple[ScrapedPage, tuple[str, ...]]:
        scraper = Scraper(cast("System", Fleet(Paged(page.port))), case_scraped(every))
        scraper.start()
        await asyncio.sleep(for_s)
        (seen,) = await scraper.stop()
        return seen, scraper.remarks

    return asyncio.run(go())


def test_a_page_is_asked_once_an_interval_and_each_time_is_counted() -> None:
    with metrics_page("a 1\n" * 1_000) as page:
        seen, remarks = scraped(page, "100 ms", 1.5)
    assert (seen.done, seen.failed, seen.problem) == (page.asked, 0, None)
    # On a machine that does other things some are skipped, and none is made up for.
    assert 5 <= seen.done + seen.skipped <= 16
    assert (seen.bytes_max, seen.every_s, remarks) == (4_000, 0.1, ())
    assert 0 < seen.cpu_s < 1


@pytest.mark.parametrize("keeps", [True, False])
def test_a_connection_is_kept_where_the_page_keeps_it(keeps: bool) -> None:
    with metrics_page("a 1\n" * 100_000, keeps=keeps) as page:
        seen, _ = scraped(page, "100 ms", 0.8)
    assert (seen.done, seen.failed, seen.bytes_max) == (page.asked, 0, 400_000)
    assert seen.done >= 2
    assert page.connections == (1 if keeps else seen.done)


def test_what_takes_longer_than_the_interval_is_not_asked_twice_at_once() -> None:
    def slowly(_: int) -> str:
        time.sleep(0.5)
        return "a 1\n"

    with metrics_page(slowly) as page:
        seen, _ = scraped(page, "100 ms", 1.2)
    assert (seen.done, seen.failed) == (page.asked, 0)
    assert seen.done <= 4
    assert seen.skipped >= 3 * (seen.done - 1)
    assert seen.took_s_max >= 0.5
    apart = [after - before for (before, _), (after, _) in zip(page.given, page.given[1:], strict=False)]
    assert all(one > 0.4 for one in apart)


@pytest.mark.parametrize(
    ("limit", "value", "text", "said"),
    [
        ("LIMIT_S", 10.0, None, "it answers 503"),
        ("BODY_LIMIT_BYTES", 1 << 20, "a 1\n" * (1 << 19), "a page of more than 1 MiB"),
    ],
)
def test_what_fails_is_counted_and_said(
    monkeypatch: pytest.MonkeyPatch, limit: str, value: float, text: str | None, said: str
) -> None:
    monkeypatch.setattr(scraping, limit, value)
    with metrics_page("") as page:
        page.text = text
        seen, (remark,) = scraped(page, "100 ms", 0.5)
    assert (seen.done, seen.failed) == (0, page.asked)
    assert remark == f"{page.asked} of {page.asked} scrapes of paged failed, the last for this: {said}"


def test_a_large_page_holds_up_nothing_else_of_the_run() -> None:
    async def go() -> tuple[int, ScrapedPage]:
        scraper, ticks = Scraper(cast("System", Fleet(Paged(page.port))), case_scraped("100 ms")), 0
        scraper.start()
        until_s = time.monotonic() + 1.5
        while time.monotonic() < until_s:
            await asyncio.sleep(0.01)
            ticks += 1
        (seen,) = await scraper.stop()
        return ticks, seen

    with metrics_page("a_metric_of_a_large_page 1\n" * 400_000) as page:
        ticks, seen = asyncio.run(go())
    assert (seen.done, seen.bytes_max) == (page.asked, 10_800_000)
    assert seen.done >= 1
    # 150 on a machine of its own. The page itself is served in this process, too.
    assert ticks >= 15


def test_real_proxies_say_how_often_they_were_scraped_and_count_no_request_for_it(
    tmp_path: Path, upstream: Endpoint
) -> None:
    kinds = [kind for kind in installed() if kind != "direct"]

    async def one(kind: str) -> None:
        system = made(kind)
        directory = tmp_path / kind
        directory.mkdir()
        (address,) = await system.start(launch_in(directory, upstream, kind))
        try:
            before = await system.counters(exact=True)
            asked_before = await asyncio.to_thread(own_count, system, kind)
            scraper = Scraper(system, case_scraped("100 ms", kind))
            scraper.start()
            await asyncio.sleep(0.5)
            await asyncio.to_thread(send, address, 2, 10)
            pages = await scraper.stop()
            # The page itself is asked to say so, once.
            asked = (await asyncio.to_thread(own_count, system, kind)) - asked_before - 1
            assert await system.drained(20.0)
            after = await system.counters(exact=True)
            assert (after.requests or 0) - (before.requests or 0) == 20, kind
            if kind == "nginx":
                assert pages == ()
                assert scraper.remarks == (
                    "not scraped, for want of a page in the format of Prometheus: nginx",
                )
                return
            ((seen,), said) = pages, scraper.remarks
            assert (seen.member, seen.failed, said) == (kind, 0, ()), kind
            assert seen.done >= 2
            assert seen.bytes_max > 1_000
            if kind in OWN_COUNTS:
                assert asked == seen.done, kind
        finally:
            await system.stop()

    async def all_of_them() -> None:
        await asyncio.gather(*map(one, kinds))

    asyncio.run(all_of_them())
    assert Upstream.requests == 20 * len(kinds)


def own_count(system: System, kind: str) -> int:
    if kind not in OWN_COUNTS:
        return 0
    (proxy,) = system.proxies()
    assert isinstance(proxy, AskedProxy)
    assert proxy.metrics_page is not None
    at, path = proxy.metrics_page
    with urlopen(f"http://{at}{path}", timeout=20) as answer:
        found = re.search(OWN_COUNTS[kind], answer.read().decode())
    return int(found[1]) if found else 0


def test_a_run_with_and_without_counts_the_same_and_has_a_table_of_it(
    tmp_path: Path,
) -> None:
    require("envoy")
    require("nginx")
    bench = Bench(tmp_path)
    plan = tmp_path / "plan.yaml"
    plan.write_text(PLAN.replace("SYSTEMS", "direct, envoy: {proxies: 2}, nginx"))
    with bench.start(plan) as running:
        assert running.wait(120).code in {ExitCode.PASS, ExitCode.INVALID_MEASUREMENT}
    run = bench.run_directory()
    document = results(run)
    trials = {case["id"]: case["trials"][0] for case in document["cases"]}
    for name, trial in trials.items():
        # A fifth of a second of warm up is counted as well.
        counted = {count for count in trial["counts"].values() if count is not None}
        assert counted == {120}, name
        is_scraped = name.startswith("envoy") and name.endswith("0.2")
        assert [page["member"] for page in trial["scraped"]] == (["envoy-1", "envoy-2"] if is_scraped else [])
        assert all(page["done"] >= 3 and page["failed"] == 0 for page in trial["scraped"])
        assert any("not scraped" in remark for remark in trial["remarks"]) == (
            name.endswith("0.2") and not is_scraped
        )
    costs = {cost["system"]: cost for cost in document["scrape_costs"]}
    assert set(costs) == {"envoy", "nginx"}
    done = sum(page["done"] for page in trials["envoy-scrape=0.2"]["scraped"])
    assert costs["envoy"]["scrapes"] == {"done": done, "failed": 0}
    assert {figure["repeats"] for figure in costs["nginx"]["figures"]} == {"not scraped"}
    assert {figure["repeats"] for figure in costs["envoy"]["figures"]} <= {"one repeat", "doubted"}
    page = (run / "report.html").read_text()
    assert "What being scraped costs" in page
    assert "How each proxy was scraped" in page
