"""``seatrial rules``: a plan's objectives as alerts. The judge is promtool, which runs them on series of the test."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml
from tests.support.promtool import Series, assert_firing, assert_rules

from seatrial.plan.metrics import METRICS, OF_DISCOVERY
from seatrial.plan.read import read_plan
from seatrial.report.rules.rules import rules_text

PLAN = """
name: a.plan
systems: [direct, envoy]
origin: {{body: 600 B}}
load: {{active: 10, {load}}}
phases: {{measure: 60 s}}
{more}
objectives: [{objectives}]
"""
OBJECTS = "\nobjects: {routes: 2, changes: [create, delete]}\ntopology: {routes: 2}"
OBSERVE = "observe: {prometheus: 'http://127.0.0.1:9090', queries: {rss: {query: up, unit: bytes}}}"
DURING = "during: [{at: 10 s, do: restart}]"
RUN = "20261127T131649Z-a.plan"
PLANS = sorted((Path(__file__).parents[2] / "plans").rglob("*.yaml"))
TRIAL = {"run": RUN, "system": "envoy", "case": "envoy-rate=1", "trial": "3"}
ASKED_OF_ALL = "SeatrialErrorsNotMet"


@pytest.fixture
def rules(tmp_path):
    def write(*objectives: str, load: str = "rate: 1k/s", more: str = "") -> Path:
        plan = tmp_path / "plan.yaml"
        # Who says nothing of errors is asked for answers as expected.
        plan.write_text(PLAN.format(objectives=", ".join(objectives), load=load, more=more))
        file: Path = tmp_path / "rules.yml"
        file.write_text(rules_text(read_plan(str(plan))))
        return file

    return write


def series(metric: str, values: str, **labels: str) -> Series:
    """Return one series of the trial."""
    of = {**TRIAL, **labels}
    return {
        f"{metric}{{{', '.join(f'{name}={value!r}' for name, value in of.items())}}}".replace(
            "'", '"'
        ): values
    }


def measured(metric: str, values: str, **labels: str) -> Series:
    return series(metric, values, phase="measure", **labels)


def latencies(*counts: int, sum_s: float = 0.0, **labels: str) -> Series:
    """Return cumulative buckets up to 1 ms, 5 ms, 10 ms and infinity, from the first look on."""
    found: Series = {}
    for bound, count in zip(("0.001", "0.005", "0.01", "+Inf"), counts, strict=True):
        found |= measured("seatrial_request_latency_seconds_bucket", f"{count}x8", le=bound, **labels)
    found |= measured("seatrial_request_latency_seconds_count", f"{counts[-1]}x8", **labels)
    return found | measured("seatrial_request_latency_seconds_sum", f"{sum_s}x8", **labels)


SLOW, QUICK = latencies(0, 900, 1_000, 1_000, sum_s=4.0), latencies(0, 1_000, 1_000, 1_000, sum_s=2.0)
# In promtool's notation "5x8" is 5, nine times; "0+1x8" counts up.
MEMORY_MB = 1_000_000


def outcomes(**counts: int) -> Series:
    found: Series = {}
    for outcome in ("completed", "failed", "timed_out", "unsent", "in_flight"):
        found |= measured("seatrial_requests_total", f"{counts.get(outcome, 0)}x8", outcome=outcome)
    return found | measured("seatrial_intended_requests_total", f"{sum(counts.values())}x8")


def memory(role: str, *sizes_mb: int, phase: str = "ramp") -> Series:
    found: Series = {}
    for member, size_mb in enumerate(sizes_mb):
        size = f"{size_mb * MEMORY_MB}x8"
        found |= series("seatrial_role_memory_bytes", size, role=role, member=f"one-{member}", phase=phase)
    return found


# Of each kind: the objective, series with which its alert fires, and series with which it does not.
KINDS = {
    "percentile": ("p99 < 5 ms", SLOW, QUICK),
    "percentile of few": ("p99 < 5 ms", SLOW, latencies(0, 0, 99, 99)),
    "percentile at least": ("p50 > 6 ms", QUICK, latencies(0, 0, 1_000, 1_000)),
    "mean": ("mean < 3 ms", SLOW, QUICK),
    "dropped": ("dropped <= 2", outcomes(failed=1, timed_out=2), outcomes(completed=9, unsent=9, failed=2)),
    "unanswered": ("unanswered == 0", outcomes(completed=9, unsent=1), outcomes(completed=9)),
    "unexpected": (
        "unexpected == 0",
        measured("seatrial_responses_total", "0x3 1x8", status="503"),
        measured("seatrial_responses_total", "7x8", status="204"),
    ),
    "errors by answers": (
        "errors == 0",
        measured("seatrial_responses_total", "1x8", status="404"),
        measured("seatrial_responses_total", "1x8", status="200"),
    ),
    "errors by requests": ("errors == 0", outcomes(timed_out=1), outcomes(completed=5)),
    "errors by connections": (
        "errors == 0",
        measured("seatrial_errors_total", "1x8", kind="connect_refused"),
        # Of a request it is among the outcomes; of the ramp it is no error of the window.
        measured("seatrial_errors_total", "1x8", kind="read_reset")
        | series("seatrial_errors_total", "1x8", kind="connect_refused", phase="ramp"),
    ),
    "achieved": ("achieved >= 99 %", outcomes(completed=900, failed=11), outcomes(completed=990, failed=10)),
    "proxy memory": ("proxy_memory < 50 MB", memory("system", 30, 20), memory("system", 30, 19) | memory("origin", 90)),
    "controller memory": ("controller_memory <= 50 MB", memory("controller", 51), memory("controller", 50)),
    "after the trial": (
        "max < 9 ms",
        series("seatrial_objective_met", "0x8", objective="max < 9 ms"),
        series("seatrial_objective_met", "1x8", objective="max < 9 ms")
        | series("seatrial_objective_met", "0x8", objective="p99 < 9 ms"),
    ),
}  # fmt: skip
ALERTS = {name: re.split(r"\W", objective)[0] for name, (objective, *_) in KINDS.items()}


def alert_of(kind: str) -> str:
    return f"Seatrial{''.join(part.capitalize() for part in ALERTS[kind].split('_'))}NotMet"


@pytest.mark.parametrize("kind", KINDS)
def test_an_alert_fires_where_the_objective_does_not_hold(rules, kind):
    objective, violating, _ = KINDS[kind]
    file = rules(objective)
    assert_rules(file)
    assert_firing(file, violating, {alert_of(kind): 1})


@pytest.mark.parametrize("kind", KINDS)
def test_no_alert_fires_where_it_holds(rules, kind):
    objective, _, holding = KINDS[kind]
    assert_firing(rules(objective), holding, {})


@pytest.mark.parametrize("kind", ["percentile", "errors by requests", "proxy memory", "after the trial"])
def test_an_alert_is_of_one_trial_of_its_own_plan_and_system(rules, kind):
    objective, violating, _ = KINDS[kind]
    file = rules(objective)

    def changed(**labels: str) -> Series:
        found = violating
        for name, value in labels.items():
            found = {
                re.sub(rf'\b{name}="[^"]*"', f'{name}="{value}"', key): one for key, one in found.items()
            }
        return found

    # Two trials are two alerts; those of another plan, another system and of sanity cells are none of this.
    assert_firing(file, violating | changed(trial="4"), {alert_of(kind): 2})
    assert_firing(file, changed(run="20261127T131649Z-another-a.plan"), {})
    assert_firing(file, changed(run="20261127T131649Z-axplan"), {})
    assert_firing(file, changed(system="nginx"), {})
    assert_firing(file, changed(case="sanity-idle-envoy"), {})
    assert_firing(file, changed(run=f"{RUN}-2"), {alert_of(kind): 1})


@pytest.mark.parametrize("kind", ["percentile", "after the trial"])
def test_no_alert_stands_on_figures_that_may_not_be_believed(rules, kind):
    objective, violating, _ = KINDS[kind]
    doubted = series("seatrial_trial_valid", "0x8")
    assert_firing(rules(objective), violating | doubted, {"SeatrialTrialInvalid": 1})
    believed = series("seatrial_trial_valid", "1x8")
    assert_firing(rules(objective), violating | believed, {alert_of(kind): 1})


def test_what_is_expected_of_answers_is_what_the_plan_says(rules):
    file = rules("unexpected == 0", load="rate: 1k/s, expect_status: [204, 404]")
    assert_firing(
        file, measured("seatrial_responses_total", "1x8", status="200"), {"SeatrialUnexpectedNotMet": 1}
    )
    assert_firing(file, measured("seatrial_responses_total", "1x8", status="404"), {})


def test_every_plan_is_asked_for_answers_as_expected(rules):
    file = rules("p99 < 5 ms")
    assert "answers are as expected" in file.read_text()
    assert_firing(
        file, measured("seatrial_responses_total", "1x8", status="503"), {"SeatrialUnexpectedNotMet": 1}
    )


@pytest.mark.parametrize(
    ("objective", "load", "why"),
    [
        ("proxy_cpu_cores < 2", "rate: 1k/s", "mean over the whole measure phase"),
        ("p99 > 5 ms", "rate: 1k/s", None),
        ("p99 < 2 min", "rate: 1k/s, timeout: 3 min", "buckets of the latencies end at 60 s"),
        ("errors == 0", "rate: 1k/s, expect_body: hello", "header or body"),
        ("errors == 0", "rate: 1k/s, connections: 5, hold_traffic: 'request:10s'", "idle connections"),
        ("errors > 5", "rate: 1k/s", "only at the end"),
        ("proxy_memory > 5 MB", "rate: 1k/s", "known at the end"),
        ("restarts == 0", "rate: 1k/s", "no metric of a run has it"),
        ("during_p99 < 5 ms", "rate: 1k/s", "windows of disturbances"),
        ("observed.rss.max < 5 bytes", "rate: 1k/s", "asked once the measure phase is over"),
    ],
)
def test_a_rule_that_is_not_exact_says_why_and_is_on_the_verdict(rules, objective, load, why):
    more = {"during_p99": DURING, "observed.rss.max": OBSERVE}.get(objective.split()[0], "")
    text = rules(objective, load=load, more=more).read_text()
    groups = yaml.safe_load(text)["groups"]
    (rule,) = [
        rule for group in groups if group["name"].endswith("-envoy") for rule in group["rules"]
        if rule["labels"]["objective"] == objective
    ]  # fmt: skip
    said = " ".join(line.strip("# ") for line in text.splitlines() if line.lstrip().startswith("#"))
    assert ("seatrial_objective_met" in rule["expr"]) == (why is not None)
    assert why is None or f"{objective}: only after each trial, for" in said
    assert why is None or why in said


DISCOVERER = "seatrial-discoverer"
DISCOVERY = """
name: a.plan
systems: [seatrial-discoverer]
discovery: {{source: openstack, services: 10}}
phases: {{measure: 60 s}}
objectives: [{objective}]
"""


def missing(*counts: int) -> Series:
    found: Series = {}
    for number, (step, count) in enumerate(zip(("all", "new", "end"), counts, strict=True), start=1):
        labels = {"system": DISCOVERER, "number": str(number), "step": step, "state": "missing"}
        found |= series("seatrial_discovery_step_services", f"{count}x8", **labels)
    return found


def depth(values: str) -> Series:
    return series("seatrial_discovery_queue_depth", values, system=DISCOVERER)


@pytest.mark.parametrize(
    ("objective", "violating", "holding", "alert"),
    [
        ("queue_peak < 100", depth("5 100x7"), depth("99x8"), "SeatrialQueuePeakNotMet"),
        ("not_discovered == 0", missing(0, 1, 1), missing(0, 0, 0), "SeatrialNotDiscoveredNotMet"),
        ("not_discovered <= 2", missing(1, 2, 0), missing(1, 1, 2), "SeatrialNotDiscoveredNotMet"),
        ("queue_left == 0", series("seatrial_objective_met", "0x8", system=DISCOVERER, objective="queue_left == 0"),
         depth("50x8"), "SeatrialQueueLeftNotMet"),
    ],
)  # fmt: skip
def test_a_discoverer_is_judged_as_soon_as_it_can_be(tmp_path, objective, violating, holding, alert):
    plan, file = tmp_path / "plan.yaml", tmp_path / "rules.yml"
    plan.write_text(DISCOVERY.format(objective=objective))
    file.write_text(rules_text(read_plan(str(plan))))
    assert_rules(file)
    assert_firing(file, violating, {alert: 1})
    assert_firing(file, holding, {})


def test_what_is_not_asked_of_a_system_has_no_rule(rules):
    text = rules("proxy_memory < 5 MB", "achieved > 1 %", load="loop: closed").read_text()
    groups = {group["name"]: group["rules"] for group in yaml.safe_load(text)["groups"]}
    asked = {
        name: [rule["labels"]["objective"] for rule in own if "objective" in rule["labels"]]
        for name, own in groups.items()
    }
    assert asked["seatrial-a.plan-envoy"] == ["proxy_memory < 5 MB", "answers are as expected"]
    assert asked["seatrial-a.plan-direct"] == ["answers are as expected"]
    assert "# not asked of direct: proxy_memory < 5 MB, for there is no proxy" in text
    assert "# not asked of envoy: achieved > 1 %, for the load has no rate" in text


def test_an_alert_has_the_threshold_the_unit_and_the_words_of_the_plan(rules):
    groups = yaml.safe_load(rules("p99 < 5 ms").read_text())["groups"]
    (rule,) = [rule for rule in groups[2]["rules"] if rule["alert"] == "SeatrialP99NotMet"]
    assert rule["labels"] == {"plan": "a.plan", "system": "envoy", "objective": "p99 < 5 ms"}
    said = rule["annotations"]
    assert (said["threshold"], said["unit"]) == ("0.005", "seconds")
    assert said["summary"] == "envoy: p99 < 5 ms does not hold"
    assert METRICS["p99"].meaning in said["description"]
    assert "the error is less than that bucket is wide" in said["description"]


def test_prometheus_takes_the_rules_of_every_plan_that_comes_along(tmp_path, invoke):
    files = []
    for number, plan in enumerate(PLANS):
        outcome = invoke("rules", str(plan))
        assert (outcome.code, outcome.stderr) == (0, "")
        files.append(tmp_path / f"{number}.yml")
        files[-1].write_text(outcome.stdout)
    assert len(files) > 10
    assert_rules(*files)


@pytest.mark.parametrize("half", [0, 1])
def test_every_metric_of_a_plan_has_a_rule(rules, half):
    """An objective on each, as many as a plan may have at once: nothing is left out in silence."""
    values = {"us": "5 ms", "cores": "2", "bytes": "5 MB"}
    below = {
        name: f"{name} < {values.get(metric.unit, '1')}"
        for name, metric in METRICS.items()
        if name not in OF_DISCOVERY
    }
    objectives = [*(below | {"achieved": "achieved > 50 %"}).values()][half::2]
    file = rules(*objectives, more=DURING + OBJECTS)
    assert_rules(file)
    found = {
        rule["labels"]["objective"]
        for group in yaml.safe_load(file.read_text())["groups"]
        for rule in group["rules"]
        if rule["labels"].get("system") == "envoy"
    }
    assert found - {"answers are as expected"} == set(objectives)


def test_a_plan_that_cannot_be_read_is_said(tmp_path, invoke):
    (tmp_path / "plan.yaml").write_text("name: x\n")
    outcome = invoke("rules", str(tmp_path / "plan.yaml"))
    assert (outcome.code, outcome.stdout) == (2, "")
