"""Runs of whole plans: a limit that was left at its default is named, and one that is not as asked ends the trial."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from tests.support.runs import Bench, codes, results, trials
from tests.support.systems import require

from seatrial.machine.processes import programs
from seatrial.systems.nginx.dialect import PROGRAM, has_stub_status

ROOT = Path(__file__).parents[2]
LIMIT_S = 150
PENDING = "cluster.upstream_rq_pending_overflow"
PLAN = """
name: options
systems:
  - haproxy: {tls_upstream: true, keepalive_upstream: 0, access_log: stdout}
  - haproxy: {label: lowered, config: {defaults: maxconn 70}}
  - nginx: {label: uncounted, config: {server: access_log off;}}
topology: {routes: 2}
load: {active: 4, rate: 100/s, resolution: 10 ms, timeout: 5 s}
phases: {stable_for: 0 s, warmup: 0 s, measure: 1 s, cooldown: 5 s}
repeat: 1
retry: 0
"""


def made(directory: Path, plan: Path) -> tuple[dict[str, Any], Path]:
    bench = Bench(directory)
    bench.start(plan).wait(LIMIT_S)
    run = bench.run_directory()
    return results(run), run


def test_the_plan_of_limits_names_a_circuit_breaker_at_its_default(tmp_path: Path) -> None:
    document, run = made(tmp_path, ROOT / "plans" / "limits.yaml")
    seen = trials(document)
    raised, default = seen["envoy"], seen["envoy-default"]
    assert raised["limits_met"] == []
    assert raised["counts"]["origin_requests"] == raised["counts"]["system_requests"]
    met = {one["counter"]: one["count"] for one in default["limits_met"]}
    # What Envoy refused is what the generator had answers to and the origin was never asked for.
    counts = default["counts"]
    assert met[PENDING] == counts["generator_completed"] - counts["origin_requests"] > 0
    in_force = {setting["name"]: setting["in_force"] for setting in default["settings"]}
    assert in_force["circuit_breakers.max_pending_requests"] == 1_024
    assert "system.counts" not in codes(default)
    (finding,) = [text for text in document["findings"] if text.startswith("envoy-default")]
    assert re.search(rf"max_pending_requests, which is 1,024 by default \({PENDING} up to [\d,]+\)", finding)
    for report in ("report.md", "report.html"):
        text = (run / report).read_text()
        assert PENDING in text
        assert "circuit_breakers.max_requests" in text


def test_options_of_a_plan_reach_its_systems_and_what_is_not_as_asked_ends_the_trial(tmp_path: Path) -> None:
    require("haproxy")
    plan = tmp_path / "plan.yaml"
    plan.write_text(PLAN)
    document, run = made(tmp_path, plan)
    seen = trials(document)
    trial = seen["haproxy"]
    assert trial["load"]["status"] == {"200": 100}
    assert {count for count in trial["counts"].values() if count is not None} == {100}
    (log,) = run.glob("logs/*/haproxy-access.log")
    # The two routes were proven before.
    assert len(log.read_text().splitlines()) == 102
    (config,) = run.glob("configs/*/haproxy.cfg")
    assert "verify required" in config.read_text()
    lowered = seen["lowered"]
    assert lowered["load"] is None
    assert "frontend slim: 1,000 asked, 70 in force (show stat)" in lowered["state"]
    assert "system.failed" in codes(lowered)
    wrong = [setting for setting in lowered["settings"] if not setting["is_as_asked"]]
    assert [(one["name"], one["asked"], one["in_force"]) for one in wrong] == [("frontend slim", 1_000, 70)]
    # Debian's nginx is counted by its status page, which that takes nothing from.
    is_counted = has_stub_status(programs.find(PROGRAM))
    assert is_counted or "does not count what it answers" in seen["uncounted"]["state"]
