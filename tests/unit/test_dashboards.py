"""Dashboards as documents: whole, of Grafana's schema, and of nothing that Seatrial does not expose."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import yaml
from syrupy.assertion import SnapshotAssertion
from tests.support.dashboards import filled, metrics, panels, queries
from tests.support.grafana_schema import breaches
from tests.support.program import Outcome
from tests.support.promtool import assert_rules

from seatrial.live.exposition.names import NAMES
from seatrial.report.dashboards.every import DASHBOARDS
from seatrial.report.dashboards.grafana import dashboard_json
from seatrial.report.dashboards.panels import Dashboard
from seatrial.report.dashboards.provisioning import write_dashboards

SUFFIXES = {
    "counter": ("_total",),
    "gauge": ("",),
    "info": ("_info",),
    "histogram": ("", "_bucket", "_count", "_sum"),
}
EXPOSED = {f"seatrial_{name}{suffix}" for name, (kind, _, _) in NAMES.items() for suffix in SUFFIXES[kind]}
BY_GRAFANA = {"__rate_interval", "__range", "datasource"}
every_dashboard = pytest.mark.parametrize("dashboard", DASHBOARDS, ids=lambda one: one.name)


@every_dashboard
def test_it_holds_against_the_published_schema(dashboard: Dashboard) -> None:
    assert breaches(dashboard_json(dashboard)) == []


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"titel": "x"}, "$.titel is not in the schema"),
        ({"graphTooltip": 7}, "7 is none of (0, 1, 2)"),
        ({"panels": [{"type": "stat", "options": {"graphMode": "curve"}}]}, "'curve' is none of"),
        (
            {"panels": [{"type": "timeseries", "gridPos": {"h": "8", "w": 1, "x": 0, "y": 0}}]},
            "'8' is no int",
        ),
        ({"panels": [{"type": "xychart", "options": {"mapping": "auto", "axes": 1}}]}, "axes is not in"),
    ],
)
def test_the_schema_refuses_what_it_does_not_have(change: dict[str, Any], said: str) -> None:
    assert any(said in breach for breach in breaches(dashboard_json(DASHBOARDS[0]) | change))


@every_dashboard
def test_every_panel_has_a_title_a_unit_and_a_description(dashboard: Dashboard) -> None:
    assert dashboard.description
    shown = panels(dashboard_json(dashboard))
    for panel in shown:
        assert panel["title"], panel
        assert panel["fieldConfig"]["defaults"]["unit"], panel["title"]
        # What it shows, and what is bad.
        assert re.fullmatch(r"[A-Z1].{20,}[.]", panel["description"]), panel["title"]
        assert panel["targets"], panel["title"]
    titles = [panel["title"] for panel in shown]
    assert len(titles) == len(set(titles))


@every_dashboard
def test_no_two_panels_share_an_id_or_a_place(dashboard: Dashboard) -> None:
    document = dashboard_json(dashboard)
    numbers = [panel["id"] for panel in document["panels"]]
    assert len(numbers) == len(set(numbers))
    taken: dict[tuple[int, int], str] = {}
    for panel in document["panels"]:
        at = panel["gridPos"]
        assert 0 <= at["x"] < at["x"] + at["w"] <= 24
        for cell in (
            (x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])
        ):
            assert cell not in taken, (panel["title"], taken[cell])
            taken[cell] = panel["title"]
    heights = sorted({panel["gridPos"]["y"] for panel in document["panels"]})
    assert all(below - above in {1, 8} for above, below in pairwise(heights))


@every_dashboard
def test_every_variable_that_is_used_is_defined_before_it_is_used(dashboard: Dashboard) -> None:
    document = dashboard_json(dashboard)
    defined: set[str] = set()
    for variable in document["templating"]["list"]:
        asked = variable["query"]
        if isinstance(asked, dict):
            assert used_in(asked["query"]) <= defined, variable["name"]
        defined.add(variable["name"])
    asked = [target["expr"] for panel in panels(document) for target in panel["targets"]]
    asked += [annotation["expr"] for annotation in document["annotations"]["list"]]
    assert set().union(*map(used_in, asked)) <= defined | BY_GRAFANA


def used_in(expr: str) -> set[str]:
    return set(re.findall(r"\$\{?(\w+)", expr))


@every_dashboard
def test_every_metric_of_ours_is_one_that_a_run_exposes(dashboard: Dashboard) -> None:
    document = dashboard_json(dashboard)
    asked = [asked.expr for asked in queries(dashboard)]
    asked += [filled(annotation["expr"], 60, 600) for annotation in document["annotations"]["list"]]
    named = set().union(*map(metrics, asked))
    asks = (one["query"]["query"] for one in document["templating"]["list"] if isinstance(one["query"], dict))
    named |= {ask.removeprefix("label_values(").partition("{")[0].partition(",")[0] for ask in asks}
    assert named
    # Those of a discoverer's own page are held against that: `tests/cluster/test_discovery_dashboard.py`.
    ours = {name for name in named if name.startswith("seatrial_")}
    assert {name for name in ours if not name.startswith("seatrial_discoverer_")} <= EXPOSED


def test_the_load_shows_every_metric_of_a_run_but_those_of_changes() -> None:
    shown = {name for one in DASHBOARDS for asked in queries(one) for name in metrics(asked.expr)}
    bases = {
        name
        for name in NAMES
        if any(f"seatrial_{name}{suffix}" in shown for suffix in SUFFIXES[NAMES[name][0]])
    }
    # Those are no charts: the choices above one, the annotations, and what the requests by outcome add up to.
    no_charts = {
        "run",
        "note_timestamp_seconds",
        "discovery_step_start_timestamp_seconds",
        "intended_requests",
    }
    assert NAMES.keys() - bases == no_charts


def test_prometheus_understands_every_query(tmp_path: Path) -> None:
    asked = {asked.expr for dashboard in DASHBOARDS for asked in queries(dashboard)}
    rules = [
        {"record": f"dashboards:query:{number}", "expr": expr} for number, expr in enumerate(sorted(asked))
    ]
    file = tmp_path / "rules.yml"
    file.write_text(yaml.safe_dump({"groups": [{"name": "dashboards", "rules": rules}]}))
    assert_rules(file)


def test_what_is_read_out_of_a_query() -> None:
    expr = 'sum by (a, le) (rate(x_total{b=~".*{",c="y_total"}[5s])) * on (a) group_left (d) (up + 1) and z'
    assert metrics(expr) == {"x_total", "up", "z"}


def test_what_is_written_is_what_grafana_is_provisioned_with(tmp_path: Path) -> None:
    home = tmp_path / "a $place"
    written = [path.relative_to(home) for path in write_dashboards(home, "http://prometheus:9090/$x", 0.5)]
    assert len(written) == len(set(written)) == 3 + len(DASHBOARDS)
    (source,) = yaml.safe_load((home / "provisioning/datasources/seatrial.yaml").read_text())["datasources"]
    assert source["url"] == "http://prometheus:9090/$$x"
    assert source["jsonData"]["timeInterval"] == "500ms"
    (provider,) = yaml.safe_load((home / "provisioning/dashboards/seatrial.yaml").read_text())["providers"]
    folder = Path(provider["options"]["path"].replace("$$", "$"))
    assert {path.stem for path in folder.iterdir()} == {one.name for one in DASHBOARDS}
    documents = [json.loads(path.read_text()) for path in folder.iterdir()]
    assert len({document["uid"] for document in documents}) == len(documents)
    (line,) = [one for one in (home / "README.md").read_text().splitlines() if "docker run" in one]
    words = shlex.split(line)
    assert f"GF_PATHS_PROVISIONING={home}/provisioning" in words
    assert f"{home}:{home}:ro" in words


def test_the_command_prints_what_it_wrote_and_refuses_what_is_no_place_or_url(
    tmp_path: Path, invoke: Callable[..., Outcome]
) -> None:
    outcome = invoke("dashboards", str(tmp_path / "made"), "--scrape-interval", "1 min")
    assert (outcome.code, outcome.stderr) == (0, "")
    assert {Path(line) for line in outcome.stdout.splitlines()} == {
        path for path in (tmp_path / "made").rglob("*") if path.is_file()
    }
    assert "timeInterval: 60s" in (tmp_path / "made/provisioning/datasources/seatrial.yaml").read_text()
    (tmp_path / "file").write_text("")
    for arguments, code, said in (
        ((str(tmp_path / "file"),), 2, "is a file"),
        ((str(tmp_path / "file/below"),), 4, "cannot be written"),
        ((str(tmp_path), "--prometheus", "localhost:9090"), 2, "such as http://localhost:9090"),
        ((str(tmp_path), "--prometheus", "http://[::1"), 2, "such as http://localhost:9090"),
        ((str(tmp_path), "--scrape-interval", "0 s"), 2, "--scrape-interval"),
    ):
        outcome = invoke("dashboards", *arguments)
        assert (outcome.code, outcome.stdout) == (code, "")
        assert said in outcome.stderr


def test_the_machine_as_grafana_gets_it(snapshot: SnapshotAssertion) -> None:
    (machine,) = [one for one in DASHBOARDS if one.name == "machine"]
    assert dashboard_json(machine) == snapshot
