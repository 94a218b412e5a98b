"""Every query of every dashboard, asked of a real Prometheus while a load goes through a real proxy of each kind."""

from __future__ import annotations

import json
import shutil
import sqlite3
import subprocess
import time
from bisect import bisect_left
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import pytest
from tests.support.api_server import free_port
from tests.support.dashboards import Asked, filled, has_numbers, metrics, panels, queries
from tests.support.program import Running
from tests.support.prometheus import Prometheus, program, prometheus, scrape

from seatrial.live.exposition.distribution import BOUNDS_S
from seatrial.report.dashboards.every import DASHBOARDS
from seatrial.report.dashboards.grafana import dashboard_json
from seatrial.report.dashboards.promql import PHASES
from seatrial.report.dashboards.talk import TALK
from seatrial.run.observer.targets import FOLLOWED, PROXY_JOB

pytestmark = pytest.mark.slow

PLAN = """\
name: dashboards
systems: [envoy, nginx, haproxy, traefik, caddy]
load: {connections: 20, rate: 200/s, active: 4}
# A Prometheus looks at what there is to scrape every five seconds.
phases: {stable_for: 500 ms, warmup: 4 s, measure: 5 s, cooldown: 1 s}
repeat: 1
retry: 0
objectives: [errors == 0, p99 < 5 s]
"""
UNSEEN_S = 3.0
EVERY, WINDOW_S = "500ms", 2.0
WELL = "nothing goes wrong in this load"
STATIC = "this Envoy has no controller: tests/cluster/test_dashboards.py has one that has"
EMPTY = {
    ("load", "Errors by kind"): WELL,
    ("nginx", "Errors by kind"): WELL,
    ("load", "Signs of doubt"): WELL,
    ("load", "Objectives"): "the doubts of a machine that does other things, too, may change them",
    ("load", "Requests of held connections"): "the held connections of this load are silent",
    ("envoy", "Updates taken"): STATIC,
    ("envoy", "Updates refused"): STATIC,
    ("envoy", "Connected to its controller"): STATIC,
    ("traefik", "Retries"): "no middleware asks for any",
    ("caddy", "Errors of handlers"): WELL,
}
"""Panels that may be empty here, and why; of the control plane all but what is Traefik's and Go's.

Discoverers are in `tests/cluster/test_discovery_dashboard.py`.
"""
NOT_HERE = {
    "seatrial_errors_total": WELL,
    "seatrial_held_requests_total": EMPTY["load", "Requests of held connections"],
    "seatrial_doubt_signs": WELL,
    "seatrial_objective_met": EMPTY["load", "Objectives"],
    # Of its source: pkg/metrics/prometheus.go, `retriesTotalName`.
    "traefik_service_retries_total": EMPTY["traefik", "Retries"],
    # Of its source: modules/caddyhttp/metrics.go, `requestErrors`.
    "caddy_http_request_errors_total": WELL,
}
"""Metrics that no page has as yet. Those of ours are held against their names in `tests/unit/test_dashboards.py`."""


@dataclass(frozen=True, slots=True)
class Seen:
    """What was scraped, and from when to when (Unix time)."""

    run: Path
    plain: Prometheus
    native: Prometheus
    from_s: float
    to_s: float

    def has_numbers(self, asked: Asked) -> bool:
        """Return whether a query yields any."""
        server = self.native if "native" in asked.panel else self.plain
        return has_numbers(server, asked, self.from_s, self.to_s)


@contextmanager
def node_exporter() -> Iterator[str]:
    at = f"127.0.0.1:{free_port()}"
    command = [
        shutil.which("setpriv") or "setpriv", "--pdeathsig", "KILL",
        str(program("prometheus-node-exporter")), f"--web.listen-address={at}",
    ]  # fmt: skip
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        yield at
        process.terminate()


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Seen]:
    folder = tmp_path_factory.mktemp("dashboards")
    plan, runs, port = folder / "plan.yaml", folder / "runs", free_port()
    plan.write_text(PLAN)
    # As `seatrial observe up` follows the proxies of runs.
    (runs / FOLLOWED).mkdir(parents=True)
    announced = [{"files": [str(runs / FOLLOWED / "*.json")], "refresh_interval": "1s"}]
    own = scrape("seatrial", f"127.0.0.1:{port}", every=EVERY)
    with ExitStack() as stack:
        proxies = scrape(PROXY_JOB, every=EVERY, file_sd_configs=announced)
        machine = scrape("machine", stack.enter_context(node_exporter()), every=EVERY)
        plain = stack.enter_context(prometheus(folder / "plain", own, proxies, machine))
        # This version takes native histograms in place of classic ones, or the other way round.
        native = stack.enter_context(prometheus(folder / "native", own, features=["native-histograms"]))
        from_s = time.time()
        arguments = ["--runs", str(runs), "--share-machine", "--metrics", f"127.0.0.1:{port}"]
        with Running("run", str(plan), *arguments) as running:
            outcome = running.wait(110)
        assert outcome.code in {0, 1, 3}, outcome.stderr
        (run,) = (path for path in runs.iterdir() if path.name != FOLLOWED)
        yield Seen(run, plain, native, from_s, time.time())


def asked_here() -> Iterator[Asked]:
    for dashboard in DASHBOARDS:
        for asked in queries(dashboard, WINDOW_S, range_s=300):
            if dashboard.name == "discovery":
                continue
            if dashboard.name != "control-plane" or metrics(asked.expr) & {
                "traefik_config_reloads_total", "traefik_config_last_reload_success",
            }:  # fmt: skip
                yield asked


def test_every_query_is_understood_and_yields_something(seen: Seen) -> None:
    every = list(asked_here())
    empty = {asked.at: asked.expr for asked in every if not seen.has_numbers(asked) and asked.at not in EMPTY}
    there = set(seen.plain.get("label/__name__/values")) | set(seen.native.get("label/__name__/values"))
    # A page that is scraped seldom on a busy machine may have one reading in a window, and so no rate, here and there.
    assert {at: expr for at, expr in empty.items() if not metrics(expr) <= there} == {}
    assert len(empty) <= len(every) / 10, empty


def test_every_metric_is_on_the_page_of_its_program(seen: Seen) -> None:
    there = set(seen.plain.get("label/__name__/values")) | set(seen.native.get("label/__name__/values"))
    named = set().union(*(metrics(asked.expr) for asked in asked_here()))
    of_cluster = {asked.expr for asked in asked_here() if EMPTY.get(asked.at) is STATIC}
    by_controllers = set().union(*map(metrics, of_cluster)) | {
        "contour_build_info",
        "xds_snapshot_create_total",
    }
    assert named - there - NOT_HERE.keys() - by_controllers == set()


def test_phases_are_marked_where_the_record_has_them(seen: Seen) -> None:
    expr = filled(PHASES.expr, WINDOW_S, 300)
    with closing(sqlite3.connect(seen.run / "record.db")) as record:
        begun = record.execute(
            "SELECT trial, name, started_utc, at_s - started_s FROM phases JOIN trials ON trials.id = trial"
        ).fetchall()
    assert len(begun) >= 5 * 4
    marked = {
        (one["metric"]["trial"], one["metric"]["phase"], round(float(value) / 1000))
        for one in seen.plain.range(expr, seen.from_s, seen.to_s, 0.5)
        for _, value in one["values"]
    }
    for trial, phase, started_utc, after_s in begun:
        at_s = datetime.fromisoformat(started_utc).timestamp() + after_s
        # Of the last moments there is no scrape on a machine that does other things.
        if at_s > seen.to_s - UNSEEN_S:
            continue
        near = {(str(trial), phase, round(at_s) + off_s) for off_s in (-1, 0, 1)}
        assert marked & near, (trial, phase)


def test_what_the_talk_charts_is_what_the_run_recorded(seen: Seen) -> None:
    (table,) = [panel for panel in panels(dashboard_json(TALK)) if panel["type"] == "table"]
    names = table["transformations"][1]["options"]["renameByName"]
    by_name = {names[f"Value #{target['refId']}"]: target["expr"] for target in table["targets"]}
    charted = {name: of_trials(seen, expr) for name, expr in by_name.items()}
    for case in json.loads((seen.run / "results.json").read_text())["cases"]:
        (trial,) = case["trials"]
        load, number = trial["load"], str(trial["trial"])
        begun_s = {phase["name"]: phase["start_s"] for phase in trial["phases"]}
        measured_s = begun_s["cool down"] - begun_s["measure"]
        points = {name: values[number] for name, values in charted.items()}
        assert {validity for validity, _ in points.values()} == {trial["validity"]["state"]}
        value = {name: value for name, (_, value) in points.items()}
        assert value["connections"] == 24
        assert value["asked requests/s"] == 200
        assert value["requests/s"] * measured_s == pytest.approx(load["requests"]["completed"], rel=0.01)
        assert value["network"] * measured_s == pytest.approx(load["bytes"]["received"], rel=0.01)
        bucket = bisect_left(BOUNDS_S, load["latency_us"]["p99"] / 1e6)
        # A quantile lies in the bucket of its sample, or on its edge.
        assert abs(bisect_left(BOUNDS_S, value["p99"]) - bucket) <= 1
        assert value["memory"] > 1 << 20
        assert value["CPU"] >= 0


def of_trials(seen: Seen, expr: str) -> dict[str, tuple[str, float]]:
    """Return validity and value by trial."""
    found = seen.plain.instant(filled(expr, WINDOW_S, 300), seen.to_s)
    return {one["metric"]["trial"]: (one["metric"]["validity"], float(one["value"][1])) for one in found}
