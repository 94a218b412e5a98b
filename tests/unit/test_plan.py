"""A plan file as people write it, and the models and cases that it becomes."""

from __future__ import annotations

from pathlib import Path

import pytest

from seatrial.errors import PlanError
from seatrial.plan.cases import compile_cases, expected_run_s, trial_order
from seatrial.plan.model.load import LoadPlan
from seatrial.plan.model.plan import PhasePlan, Plan, Variable
from seatrial.plan.model.target import SystemPlan
from seatrial.plan.read import parse_plan, read_plan
from seatrial.plan.shown.compiled import compiled_document
from seatrial.plan.yaml.problems import PlanFileError
from seatrial.systems.envoy.system import EnvoyOptions
from seatrial.systems.nginx.system import NginxOptions
from seatrial.systems.origins.options import OriginPlan

PLANS = sorted((Path(__file__).parents[2] / "plans").glob("*.yaml"))

SKETCH = """
name: connections-x-rate
question: Does the use of resources grow linearly with connections and rate?
systems: [envoy: {concurrency: 2}, nginx, nginx: {label: big, worker_processes: 4}, nginx]
origin: {body: 22 KiB, delay: 5 ms}
vary:
  connections: [100k, 200k]
  rate: [10k/s, 20.5/s]
load: {active: 600, connect_rate: 2k/s, timeout: 2 s, resolution: 250 us, headers: {X-Run: 7}}
phases: {stable_for: 10 s, warmup: 0, measure: 5 min}
objectives: [p99 < 30 ms, errors == 0, achieved >= 99 %]
"""

MINIMAL = "name: a\nsystems: [direct]\nload: {rate: 10/s}\nphases: {measure: 1 s}\n"


def test_friendly_words_become_plain_numbers():
    plan = parse_plan(SKETCH, "sketch.yaml")
    assert plan.origin == OriginPlan(body_bytes=22 << 10, delay=plan.origin.delay)
    assert (plan.origin.delay.kind, plan.origin.delay.mean_s) == ("fixed", 0.005)
    assert plan.vary == (
        Variable(name="connections", values=(100_000, 200_000)),
        Variable(name="rate", values=(10_000, 20.5)),
    )
    assert plan.load == LoadPlan(
        active=600, connect_rate_per_s=2000, timeout_s=2, resolution=0.00025, headers=(("X-Run", "7"),)
    )
    assert plan.phases == PhasePlan(stable_for_s=10, warmup_s=0, measure_s=300)
    assert (plan.repeat, plan.seed) == (3, 1)


def test_systems_have_distinct_labels():
    plan = parse_plan(SKETCH, "sketch.yaml")
    assert plan.systems == (
        SystemPlan(kind="envoy", label="envoy", options=EnvoyOptions(concurrency=2)),
        SystemPlan(kind="nginx", label="nginx", options=NginxOptions()),
        SystemPlan(kind="nginx", label="big", options=NginxOptions(worker_processes=4)),
        SystemPlan(kind="nginx", label="nginx-2", options=NginxOptions()),
    )


def test_objectives_are_in_the_units_of_the_metrics():
    objectives = parse_plan(SKETCH, "sketch.yaml").objectives
    assert [(o.metric, o.comparison, o.threshold) for o in objectives] == [
        ("p99", "<", 30_000),
        ("errors", "==", 0),
        ("achieved", ">=", 0.99),
    ]


def test_cases_are_the_product_and_have_the_variables_filled_in():
    plan = parse_plan(SKETCH, "sketch.yaml")
    cases = compile_cases(plan)
    assert len(cases) == len({case.id for case in cases}) == 4 * 2 * 2
    case = cases[3]
    assert case.id == "envoy-connections=200000-rate=20.5"
    assert case.variables == (("connections", 200_000), ("rate", 20.5))
    assert (case.load.connections, case.load.rate_per_s, case.load.active) == (200_000, 20.5, 600)
    assert case.ramp_s == pytest.approx(100.3)


def test_each_round_of_trials_has_every_case_once_in_an_order_of_its_own():
    plan = parse_plan(SKETCH, "sketch.yaml")
    cases = compile_cases(plan)
    order = trial_order(plan, cases)
    rounds = [[case.id for case, number in order if number == repeat] for repeat in (1, 2, 3)]
    assert [number for _, number in order] == [1] * 16 + [2] * 16 + [3] * 16
    assert all(sorted(ids) == sorted(case.id for case in cases) for ids in rounds)
    assert rounds[0] != rounds[1]
    assert order == trial_order(plan, cases)
    assert order != trial_order(plan.model_copy(update={"seed": 2}), cases)


def test_a_body_that_varies_reaches_the_origin():
    plan = parse_plan(MINIMAL + "vary: {body: [600 B, 22 KB]}\n", "a.yaml")
    assert [case.origin.body_bytes for case in compile_cases(plan)] == [600, 22_000]


def test_the_models_survive_json():
    plan = parse_plan(SKETCH, "sketch.yaml")
    assert Plan.model_validate_json(plan.model_dump_json()) == plan


def test_the_compiled_plan_holds_every_default_and_limit():
    document = compiled_document(plan := parse_plan(MINIMAL, "a.yaml"), compile_cases(plan))
    assert document["schema"] == "seatrial.plan/1"
    assert document["plan"]["load"]["active"] == 50
    assert document["limits"]["max_cases"] == 1000
    assert [trial["case_id"] for trial in document["trials"]] == ["direct"] * 3
    assert document["cases"][0]["load"]["rate_per_s"] == 10


@pytest.mark.parametrize("path", PLANS, ids=lambda path: path.stem)
def test_the_plans_that_come_along_are_right(path):
    plan = read_plan(path)
    assert plan.name == path.stem
    assert plan.objectives
    assert compile_cases(plan)


def test_the_quick_plan_loads_for_less_than_three_minutes():
    plan = read_plan(next(path for path in PLANS if path.stem == "quick"))
    cases = compile_cases(plan)
    assert plan.repeat * sum(case.measuring_s for case in cases) < 180
    assert {system.kind for system in plan.systems} == {"direct", "envoy", "nginx"}
    assert expected_run_s(plan, cases) < 300


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("on", "on"), ("yes", "yes"), ("22:30", "22:30"), ("012", "12"), ("0o14", "12"), ("0xc", "12"),
        ("1_000", "1_000"),
    ],
)  # fmt: skip
def test_plain_scalars_mean_what_yaml_1_2_says(text, value):
    with pytest.raises(PlanFileError) as caught:
        parse_plan(MINIMAL + f"repeat: {text}\nseed: x\n", "a.yaml")
    about_repeat = [problem for problem in caught.value.problems if problem.span.line == 5]
    if value == "12":
        assert not about_repeat
    else:
        assert f"`{value}` is not a count" in about_repeat[0].text


def test_an_alias_may_stand_for_a_whole_value():
    text = "name: a\nsystems: [direct]\nload: {rate: &r 5, active: *r}\nphases: {measure: 1 s}"
    plan = parse_plan(text, "a.yaml")
    assert (plan.load.rate_per_s, plan.load.active) == (5, 5)


def test_aliases_cannot_grow_without_end():
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 9)]
    with pytest.raises(PlanError, match="more than 10000 values"):
        parse_plan("\n".join(lines), "a.yaml")


@pytest.mark.parametrize("text", ["a: b\n" * 200_000, "- a\n" * 200_000, "[a, " * 3 + "x, " * 300_000])
def test_size_is_bounded_before_the_whole_file_is_read(text):
    with pytest.raises(PlanError, match="more than 10000 values"):
        parse_plan(text, "a.yaml")


@pytest.mark.parametrize("text", ["[" * 100_000, "{a: " * 5000, "&a [*a]", "- " * 3000])
def test_nesting_is_bounded(text):
    with pytest.raises(PlanError, match="nested more than 32 levels"):
        parse_plan(text, "a.yaml")


def test_a_missing_file_a_large_one_and_bytes_that_are_no_text(tmp_path):
    with pytest.raises(PlanError, match="cannot be read: No such file"):
        read_plan(tmp_path / "none.yaml")
    with pytest.raises(PlanError, match="cannot be read: Is a directory"):
        read_plan(tmp_path)
    (tmp_path / "large.yaml").write_bytes(b"#" * ((1 << 20) + 1))
    with pytest.raises(PlanError, match="larger than 1048576 bytes"):
        read_plan(tmp_path / "large.yaml")
    (tmp_path / "latin1.yaml").write_bytes(b"name: a\nquestion: f\xfcr\n")
    with pytest.raises(PlanFileError, match=r"latin1\.yaml:2:12: the byte 0xfc is not UTF-8"):
        read_plan(tmp_path / "latin1.yaml")
