"""``observe`` without a server: what a plan may say, how series become figures and verdicts, what reports show."""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console
from tests.support.made_run import Twist, make_run
from tests.unit.test_analysis_judgement import measured, objective
from tests.unit.test_report_json import DOCUMENT, conform

from seatrial.analysis.observed.figures import figures_of, observed_values, over_trials
from seatrial.analysis.run import cases
from seatrial.analysis.run.objectives import Outcome, Verdict, judge_case
from seatrial.analysis.run.summary import summarise_run
from seatrial.errors import PlanError
from seatrial.observe.prometheus.series import Observed, ObservedSeries, Value, series_of
from seatrial.plan.cases import compile_cases
from seatrial.plan.read import parse_plan
from seatrial.plan.shown.text import plan_text as shown_text
from seatrial.record.reader import RunReader
from seatrial.record.tables.rows import RecordedObjective
from seatrial.report.csv import results_csv
from seatrial.report.json import results_document
from seatrial.report.markdown import render_markdown
from seatrial.report.terminal import print_summary
from seatrial.report.tidy.run import open_run

PLAN = """
name: observed
systems: [nginx]
load: {rate: 100/s}
phases: {measure: 10 s}
observe: OBSERVE
objectives: [OBJECTIVES]
"""
WHERE = "http://127.0.0.1:9090"


def plan_text(observe: str, objectives: str = "") -> str:
    return PLAN.replace("OBSERVE", observe).replace("OBJECTIVES", objectives)


def test_a_url_and_named_queries_are_all_that_is_needed() -> None:
    text = plan_text(
        f"{{prometheus: {WHERE}/, queries: {{a: up, b: {{query: down, unit: boats/s, step: 2 s}}}}}}"
    )
    plan = parse_plan(text, "a.yaml")
    assert plan.observe.prometheus is not None
    assert (plan.observe.prometheus.url, plan.observe.prometheus.timeout_s) == (WHERE, 10)
    a, b = plan.observe.queries
    assert (a.name, a.query, a.unit, a.step_s) == ("a", "up", "", None)
    assert (b.name, b.query, b.unit, b.step_s) == ("b", "down", "boats/s", 2)
    shown = shown_text(plan, compile_cases(plan))
    assert f"observe (the measure phase, by {WHERE})\n  a  no unit  up\n  b  boats/s  down" in shown


@pytest.mark.parametrize(
    ("observe", "objectives", "said"),
    [
        (f"{{prometheus: {WHERE}}}", "", "missing key `queries`"),
        (f"{{prometheus: {WHERE}, queries: {{}}}}", "", "`queries` is empty"),
        (f"{{prometheus: {WHERE}, queries: up}}", "", "`queries` is a mapping of names to PromQL"),
        ("{prometheus: 127.0.0.1:9090, queries: {a: up}}", "", "is no URL"),
        ("{prometheus: 'http://me:secret@host', queries: {a: up}}", "", "no password may be in it"),
        (
            "{prometheus: {url: 'http://h', username: me}, queries: {a: up}}",
            "",
            "`password_file` or `password_env`",
        ),
        (
            "{prometheus: {url: 'http://h', bearer_token_env: A, bearer_token_file: b}, queries: {a: up}}",
            "",
            "from a file or from an environment variable",
        ),
        (f"{{prometheus: {WHERE}, queries: {{A: up}}}}", "", "is no name of a query"),
        (f"{{prometheus: {WHERE}, queries: {{a: {{query: up, name: b}}}}}}", "", "unknown key `name`"),
        (f"{{prometheus: {WHERE}, queries: {{a: 'up{{x=\"$sistem\"}}'}}}}", "", "`$sistem` is nothing"),
        (f"{{prometheus: {WHERE}, queries: {{memory: up}}}}", "observed.memroy < 5", "did you mean `memory`"),
        (f"{{prometheus: {WHERE}, queries: {{a: up}}}}", "observed.a.p99 < 5", "is not a metric"),
        (f"{{prometheus: {WHERE}, queries: {{a: {{query: up, unit: s}}}}}}", "observed.a < 5 ms", "is in s"),
        (f"{{prometheus: {WHERE}, queries: {{a: up}}}}", "observed.a < five", "is not a number"),
    ],
)
def test_what_cannot_be_meant_is_said_with_its_place(observe: str, objectives: str, said: str) -> None:
    with pytest.raises(PlanError) as raised:
        parse_plan(plan_text(observe, objectives), "a.yaml")
    assert said in str(raised.value)
    assert "a.yaml:" in str(raised.value)


def test_placeholders_are_filled_in_and_dollars_of_promql_stay() -> None:
    promql = r"""'label_replace(up{run="$run",x=~"a$"}, "b", "$1", "c", "(.*)$$case") + $trial + ${trial}0'"""
    plan = parse_plan(plan_text(f"{{prometheus: {WHERE}, queries: {{a: {promql}}}}}"), "a.yaml")
    found = plan.observe.queries[0].filled({"run": "r-1", "trial": "7", "case": "never"})
    assert found == 'label_replace(up{run="r-1",x=~"a$"}, "b", "$1", "c", "(.*)$case") + 7 + 70'


def series(*values: Value, **labels: str) -> ObservedSeries:
    return ObservedSeries(
        tuple(labels.items()), tuple((1_000.0 + at, value) for at, value in enumerate(values))
    )


def observed(
    *found: ObservedSeries, name: str = "a", moments: int = 3, problem: str | None = None
) -> Observed:
    return Observed(
        name, "up", "boats", 999.0, 999.0 + moments, 1.0, moments, "1 s, of 1 target (job x)", 0.002, 0.001, found,
        problem=problem,
    )  # fmt: skip


def test_answers_become_series_in_the_order_of_their_labels_and_numbers_stay_apart_from_texts() -> None:
    data = {
        "result": [
            {"metric": {"b": "2"}, "values": [[1, "NaN"], [2, "-Inf"], [3.5, "1e3"]]},
            {"metric": {"a": "1"}, "values": []},
        ]
    }
    found, left_out = series_of(data)
    assert [one.label_text for one in found] == ['a="1"', 'b="2"']
    assert (found[1].points, left_out) == (((1.0, "NaN"), (2.0, "-Inf"), (3.5, 1000.0)), 0)
    many = {"result": [{"metric": {"n": f"{n:03}"}, "values": []} for n in range(130)]}
    assert (len(series_of(many)[0]), series_of(many)[1]) == (100, 30)


def test_figures_are_of_numbers_and_say_how_many_are_none() -> None:
    found = figures_of(series(4.0, "NaN", 1.0, "+Inf", 7.0))
    assert (found.mean, found.min, found.max, found.first, found.last) == (4.0, 1.0, 7.0, 4.0, 7.0)
    assert (found.count, found.not_numbers) == (3, 2)
    nothing = figures_of(series("NaN"))
    assert (nothing.mean, nothing.count, nothing.not_numbers) == (None, 0, 1)


def test_over_trials_the_same_series_come_together() -> None:
    trials = [
        [observed(series(1.0, 3.0, x="a"), series(9.0, x="b"))],
        [observed(series(4.0, x="a"))],
        [observed()],
    ]
    first, second = over_trials(trials)
    assert (first.labels, first.mean_median, first.min, first.max, first.trials) == (
        'x="a"',
        3.0,
        1.0,
        4.0,
        2,
    )
    assert (second.labels, second.trials) == ('x="b"', 1)


@pytest.mark.parametrize(
    "found",
    [
        (),
        (observed(),),
        (observed(name="other"),),
        (observed(problem="refused"),),
        # Two of three points are less than nine tenths.
        (observed(series(1.0, 2.0)),),
        (observed(series(1.0, "NaN", 2.0)),),
        (observed(series(1.0, 2.0, 3.0, x="a"), series(1.0, x="b")),),
        (replace(observed(series(1.0, 2.0, 3.0)), left_out=2),),
    ],
)
def test_what_was_not_seen_for_the_whole_phase_is_not_known_and_not_judged(
    found: tuple[Observed, ...],
) -> None:
    assert observed_values("observed.a", found) is None
    verdict = judge_case([objective("observed.a", "<", 5)], [replace(measured(), observed=found)])
    assert (verdict.state, verdict.outcomes[0].held, verdict.outcomes[0].unknown) == (None, None, True)


def test_an_objective_has_to_hold_of_each_series_and_the_worst_is_shown() -> None:
    found = (observed(series(1.0, 2.0, 3.0, x="a"), series(-4.0, -5.0, -6.0, x="b")),)
    trial = replace(measured(), observed=found)
    for metric, comparison, threshold, value, state in (
        ("observed.a", "<", 3, 2.0, "PASS"),
        ("observed.a.max", "<", 3, 3.0, "FAIL"),
        ("observed.a.min", ">", -6, -6.0, "FAIL"),
        ("observed.a.last", ">=", -6, -6.0, "PASS"),
        ("observed.a.first", "<=", 1, 1.0, "PASS"),
    ):
        verdict = judge_case([objective(metric, comparison, threshold)], [trial], repeats=1)
        assert (verdict.state, verdict.outcomes[0].values) == (state, (value,)), metric
    # No doubt about the load can be known to move what somebody else has measured.
    doubted = judge_case([objective("observed.a", "<", 3)], [trial], repeats=1, doubt="inflates")
    assert doubted.state is None


def test_reports_show_what_was_seen_and_what_was_not(tmp_path: Path) -> None:
    seen = (
        observed(series(1.0, 2.0, 6.0, job="x|y")),
        observed(name="gone"),
        observed(name="wrong", problem="too many"),
    )
    run = make_run(tmp_path, systems=("envoy",), twists={1: Twist(observed=seen)})
    with RunReader.open(run) as reader:
        assert reader.observed(1) == seen
        summary = summarise_run(reader)
    markdown = render_markdown(summary)
    assert '| a | job="x\\|y" | boats | 3 | 1 | 6 | 1 | 6 | 3 of 3 |' in markdown
    assert "| gone | no such series | boats | - | - | - | - | - | 0 of 3 |" in markdown
    assert "| wrong | not observed: too many | boats |" in markdown
    # 999 s after the epoch the phase began, and the cool down 6 s later.
    assert "measure 1970-01-01 00:16:39.000 to 1970-01-01 00:16:42.000" in markdown
    assert "cool down 1970-01-01 00:16:45.000" in markdown
    text = io.StringIO()
    print_summary(summary, Console(file=text, width=240, color_system=None))
    assert 'a {job="x|y"}: mean 3 boats, 1 to 6 (1 trial)' in text.getvalue()
    assert "trial 1: gone: no such series" in text.getvalue()
    assert "observed_a_mean_boats" in results_csv(summary)
    document = results_document(summary)
    conform(document, DOCUMENT)
    case = next(one for one in document["cases"] if one["observed_over_repeats"])
    assert case["observed_over_repeats"][0]["mean_median"] == 3.0
    (trial,) = [one for one in case["trials"] if one["observed"]]
    assert trial["observed"][0]["series"][0]["points"] == [[1000.0, 1.0], [1001.0, 2.0], [1002.0, 6.0]]
    table = open_run(run).observed
    shown = [
        tuple(row[name] for name in ("query", "labels", "mean", "last", "points", "problem"))
        for row in table.records()
    ]
    assert shown == [
        ("a", 'job="x|y"', 3.0, 6.0, 3, None),
        ("gone", None, None, None, 0, None),
        ("wrong", None, None, None, 0, "too many"),
    ]
    assert set(table["unit"]) == {"boats"}
    assert set(table["trial"].tolist()) == {1}


def test_an_objective_that_a_prometheus_did_not_see_is_no_fault_of_the_generator() -> None:
    seen = Outcome(
        RecordedObjective("observed.a < 1", "observed.a.mean", "<", 1), (None,), held=None, unknown=True
    )
    own = Outcome(RecordedObjective("p99 < 1 ms", "p99", "<", 1_000), (None,), held=None, unknown=True)
    codes = {reason.code: reason.text for reason in cases._unknown(Verdict(None, (seen, own)))}
    assert set(codes) == {"environment.not_observed", "generator.unknown_metric"}
    assert codes["environment.not_observed"].endswith("observed.a < 1")
    assert codes["generator.unknown_metric"].endswith("p99 < 1 ms")
