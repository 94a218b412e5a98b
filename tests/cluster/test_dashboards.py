"""The dashboard of the control plane, and what Envoy has of its controller, asked while real controllers work."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from tests.support.api_server import free_port
from tests.support.cluster_runs import ENDS_WITHIN_S, ClusterBench
from tests.support.dashboards import has_numbers, metrics, queries
from tests.support.metrics_page import MetricsPage, metrics_page
from tests.support.prometheus import Prometheus, prometheus, scrape
from tests.support.runs import Bench, results
from tests.support.shipped import shipped

from seatrial.report.dashboards.control_plane import CONTROL_PLANE
from seatrial.report.dashboards.proxies.envoy import ENVOY

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(600)]

SYSTEMS = """systems:
  - contour: {proxies: 1, cpus: 0.3, memory: 256 MiB, controller_cpus: 0.3, controller_memory: 256 MiB}
  - envoy-gateway: {proxies: 1, cpus: 0.3, memory: 256 MiB, controller_cpus: 0.3, controller_memory: 256 MiB}
"""
SHORTER = {
    "phases": "{stable_for: 1 s, warmup: 1 s, measure: 22 s, cooldown: 5 s}",
    "load": "{connections: 20, active: 4, rate: 50/s, timeout: 2 s, resolution: 10 ms}",
    "objects": "{routes: 10, at_a_time: 2, rounds: 3, probe_period: 20 ms, probe_rate: 400/s}",
}
PAGES = {
    "contour": (r"contour-", ":8000/proxy/metrics"),
    "envoy-gateway": (r"envoy-gateway-", ":19001/proxy/metrics"),
    "envoy of contour": (r"envoy-[0-9a-f]+-", ":8002/proxy/stats/prometheus"),
    "envoy of envoy-gateway": (r"envoy-st-", ":19001/proxy/stats/prometheus"),
}
"""Of which pods, by their names, and where."""
NOT_YET = {
    # Of its source: internal/metrics/metrics.go. What went wrong has no series until it does.
    "contour_httpproxy_invalid",
    "contour_status_update_conflict_total",
    "contour_status_update_failed_total",
}
OF_A_CONTROLLER = "Configuration from a controller (xDS)"
WINDOW_S = 20.0
"""A page is read every few seconds here, through the API server, and a rate takes two readings."""


def are_there(server: Prometheus, names: set[str]) -> bool:
    """Return whether each metric was scraped: of a page that a busy machine reads seldom there may be no rate."""
    return all(server.instant(f"last_over_time({name}[10m])") for name in names)


@contextmanager
def followed(bench: ClusterBench, pages: Mapping[str, MetricsPage]) -> Iterator[None]:
    """Have each page say what the pods of the run say, read through the API server as often as that answers."""
    over = threading.Event()

    def follow() -> None:
        while not over.wait(0.2):
            # Pods come and go, and one that is going does not answer.
            with suppress(Exception):
                names = "custom-columns=:metadata.namespace,:metadata.name"
                pods = bench.kubectl("get", "pods", "-A", "--no-headers", "-o", names).split("\n")
                for namespace, name in (pod.split() for pod in pods if pod.startswith("st-")):
                    read(namespace, name)

    def read(namespace: str, name: str) -> None:
        for called, (pattern, at) in PAGES.items():
            if re.match(pattern, name):
                with suppress(Exception):
                    path = f"/api/v1/namespaces/{namespace}/pods/{name}{at}"
                    pages[called].text = bench.kubectl("get", "--raw", path)

    thread = threading.Thread(target=follow, daemon=True)
    thread.start()
    yield
    over.set()
    thread.join(60)


def test_what_controllers_say_is_what_the_dashboards_ask_for(cluster: Any, tmp_path: Path) -> None:
    bench = ClusterBench(cluster, Bench(tmp_path))
    text, count = re.subn(r"systems:\n(  - .*\n)+", SYSTEMS, shipped("controllers", **SHORTER))
    assert count == 1
    plan = tmp_path / "plan.yaml"
    pods = "worker_cpus: 0.2, worker_memory: 128 MiB, origin_cpus: 0.2, origin_memory: 128 MiB"
    plan.write_text(f"{text}kubernetes: {{{pods}}}\n")
    own = f"127.0.0.1:{free_port()}"
    with ExitStack() as stack:
        pages = {called: stack.enter_context(metrics_page("")) for called in PAGES}
        targets = [page.target for page in pages.values()]
        jobs = scrape("controllers", *targets), scrape("seatrial", own)
        server = stack.enter_context(prometheus(tmp_path / "prometheus", *jobs))
        stack.enter_context(followed(bench, pages))
        from_s = time.time()
        with bench.start(plan, "--metrics", own) as running:
            outcome = running.wait(ENDS_WITHIN_S)
        assert outcome.code in {0, 1, 3}, outcome.stderr
        asked = [
            each
            for each in queries(CONTROL_PLANE, WINDOW_S)
            if "traefik_" not in each.expr or "contour" in each.expr
        ]
        of_envoy = {panel.title for row in ENVOY.rows if row.title == OF_A_CONTROLLER for panel in row.panels}
        assert of_envoy
        asked += [each for each in queries(ENVOY, WINDOW_S) if each.panel in of_envoy]
        empty = [
            (each.panel, each.expr)
            for each in asked
            if not metrics(each.expr) & NOT_YET
            and not has_numbers(server, each, from_s, time.time())
            and not are_there(server, metrics(each.expr))
        ]
        assert empty == []
        for case in results(bench.bench.run_directory())["cases"]:
            (trial,) = case["trials"]
            (created,) = [change for change in trial["changes"] if change["change"] == "create"]
            of = f'system="{case["system"]}",change="create",milestone="live"'
            spent, reached = (
                server.value(f"last_over_time(seatrial_change_milestone_seconds_{name}{{{of}}}[10m])")
                for name in ("sum", "count")
            )
            assert reached == len(created["every_s"]) > 0
            assert spent == pytest.approx(sum(created["every_s"]), rel=0.01)
