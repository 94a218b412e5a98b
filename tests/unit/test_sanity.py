"""Sanity cells: what a plan gets, what comes of them, and that a run ends where one fails."""

from __future__ import annotations

import asyncio
import csv
import io
import sqlite3
from contextlib import closing
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import pytest
from rich.console import Console
from tests.support.made_run import ENVIRONMENT, PLAN_TEXT, Twist, make_run
from tests.support.made_trials import Twists, happened, make_trials_up

from seatrial.analysis.members import OwnGauge
from seatrial.analysis.reasons import Reason, Validity
from seatrial.analysis.run.cases import case_summary
from seatrial.analysis.run.model import CaseSummary, RunSummary
from seatrial.analysis.run.said.sanity import sanity_sentence
from seatrial.analysis.run.sanity import next_cell, outcome_of
from seatrial.analysis.run.summary import summarise_run
from seatrial.errors import ExitCode, PlanError
from seatrial.plan.cases import Case, compile_cases
from seatrial.plan.read import GivenPlan, given_again, parse_plan
from seatrial.plan.sanity import expected_sanity_s, sanity_cells
from seatrial.plan.scale import scaled
from seatrial.plan.shown.text import schedule_text
from seatrial.record.reader import RunReader
from seatrial.record.tables.rows import RecordedObjective
from seatrial.report.csv import results_csv
from seatrial.report.html import render_html
from seatrial.report.json import results_document
from seatrial.report.markdown import render_markdown
from seatrial.report.terminal import print_summary
from seatrial.run import plan as run_plan_module
from seatrial.run.agenda import Agenda, TrialPlan
from seatrial.run.ending import Ending
from seatrial.run.resume import resumption_of
from seatrial.run.trial import Desk

LARGE = """
name: large
systems: [direct, envoy]
origin: {body: 600 B, delay: 50 ms}
vary: {connections: [100k, 300k], rate: [10k/s, 30k/s], routes: [5, 50]}
load: {active: 600}
phases: {stable_for: 10 s, warmup: 30 s, measure: 5 min}
sanity: yes
"""
SMALL = PLAN_TEXT + "sanity: yes\n"


def cells(text: str) -> dict[str, Case]:
    return {cell.id: cell for cell in sanity_cells(parse_plan(text, "plan.yaml"))}


def test_the_procedures_cells_are_run_on_each_system():
    found = cells(LARGE)
    assert list(found) == [
        "sanity-rate-direct",
        "sanity-idle-direct",
        "sanity-rate-envoy",
        "sanity-idle-envoy",
    ]
    rate, idle = found["sanity-rate-envoy"], found["sanity-idle-envoy"]
    assert (rate.load.rate_per_s, rate.load.connections, rate.load.active) == (10_000, 0, 600)
    assert (rate.load.expect_status, rate.origin.delay.kind) == ((200,), "none")
    assert (idle.load.connections, idle.load.sends, idle.load.carrying) == (10_000, False, 0)
    assert rate.phases.measure_s == idle.phases.measure_s == 120
    assert (rate.topology.routes, rate.phases.warmup_s) == (5, 30)
    asked = {name: [objective.text for objective in cell.plan.objectives] for name, cell in found.items()}
    assert asked["sanity-rate-direct"] == asked["sanity-rate-envoy"] == ["p99 < 10 ms", "errors == 0"]
    assert asked["sanity-idle-direct"] == ["connections counted == 10000", "errors == 0"]
    assert asked["sanity-idle-envoy"] == [
        "connections counted == 10000",
        "connections to the origin == 0",
        "connections at the origin == 0",
        "errors == 0",
    ]


def test_no_cell_asks_for_more_than_the_plan_does():
    found = cells(SMALL)
    rate, idle = found["sanity-rate-nginx"], found["sanity-idle-nginx"]
    assert (rate.load.rate_per_s, idle.load.connections) == (2_000, 500)
    assert rate.phases.measure_s == idle.phases.measure_s == 6


def test_scaled_cells_are_of_a_part_of_the_procedures_figures():
    plan = scaled(parse_plan(LARGE, "plan.yaml"), Fraction(1, 10))
    rate, idle = sanity_cells(plan)[:2]
    assert (rate.load.rate_per_s, idle.load.connections, rate.phases.measure_s) == (1_000, 1_000, 120)
    plan = scaled(parse_plan(SMALL, "plan.yaml"), Fraction(1, 10))
    assert sanity_cells(plan)[0].load.rate_per_s == 200


@pytest.mark.parametrize("words", ["no", "false"])
def test_a_plan_may_want_none(words):
    assert cells(PLAN_TEXT) == cells(f"{PLAN_TEXT}sanity: {words}\n") == {}


def test_what_is_given_is_taken():
    text = f"{PLAN_TEXT}sanity: {{rate: 100/s, connections: 20, for: 5 s, p99: 3 ms}}\n"
    found = cells(text)
    rate, idle = found["sanity-rate-envoy"], found["sanity-idle-envoy"]
    assert (rate.load.rate_per_s, rate.phases.measure_s, idle.load.connections) == (100, 5, 20)
    assert rate.plan.objectives[0].text == "p99 < 3 ms"
    assert rate.plan.objectives[0].threshold == 3_000


@pytest.mark.parametrize(
    ("sanity", "said"),
    [
        ("{rate: 3k/s}", "`rate`: 3k/s is more than the plan asks of any case"),
        ("{connections: 501}", "`connections`: 501 are more than the plan holds in any case"),
        ("{rate: 10/s, for: 2 s}", "a sanity cell of 20 requests in 2 s has no p99"),
        ("maybe", "`sanity` is `yes`, `no` or a mapping, not `maybe`"),
        ("1", "`sanity` is `yes`, `no` or a mapping, not `1`"),
        ("", "`sanity` is `yes`, `no` or a mapping, not an empty value"),
        ("{rates: 5}", "unknown key `rates` in `sanity`"),
    ],
)
def test_what_cannot_be_is_a_mistake_of_the_plan(sanity, said):
    with pytest.raises(PlanError) as caught:
        parse_plan(f"{PLAN_TEXT}sanity: {sanity}\n", "plan.yaml")
    assert said in str(caught.value)


def test_a_plan_without_rate_and_connections_has_nothing_to_look_at():
    closed = LARGE.replace("connections: [100k, 300k], rate: [10k/s, 30k/s], ", "")
    with pytest.raises(PlanError, match="there is nothing that a sanity cell could look at"):
        parse_plan(closed.replace("{active: 600}", "{active: 600, loop: closed}"), "plan.yaml")


def test_a_dry_run_shows_the_cells_and_their_time():
    plan = parse_plan(LARGE, "plan.yaml")
    text = schedule_text(plan, compile_cases(plan))
    assert "sanity-rate-envoy   10k/s     p99 < 10 ms, errors == 0" in text
    assert "sanity-idle-direct  10k idle  connections counted == 10000, errors == 0" in text
    # Two systems x (10 s stable + 30 s warm up + 2 min + 5 s around it) x 2, and 600 and 10,000 connections at 2k/s.
    assert expected_sanity_s(plan) == pytest.approx(2 * (2 * 165 + 0.3 + 5))
    assert "sanity      11 min 11 s before the first trial" in text


@pytest.mark.parametrize(
    ("state", "ended", "code", "outcome"),
    [
        ("PASS", "completed", "generator.late", "passed"),
        ("FAIL", "completed", None, "failed"),
        ("INVALID", "completed", "generator.late", "doubted"),
        ("INVALID", "completed", "environment.steal", "doubted"),
        ("INVALID", "completed", "generator.decides", "doubted"),
        ("INVALID", "failed", "generator.failed", "doubted"),
        ("INVALID", "completed", "system.gauge", "failed"),
        ("INVALID", "failed", "system.failed", "failed"),
        ("INVALID", "completed", "environment.exhausted", "failed"),
        ("INVALID", "cut off", "environment.cut_off", "not run"),
        ("not run", None, None, "not run"),
    ],
)
def test_what_a_busy_machine_does_is_no_failure(state, ended, code, outcome):
    validity = Validity(() if code is None else (Reason(code, "", ""),))
    assert outcome_of(state, ended, validity) == outcome


def test_a_doubted_cell_is_attempted_again_as_often_as_a_trial_is():
    found = sanity_cells(parse_plan(SMALL, "plan.yaml"))
    first, second = found[0].id, found[1].id
    assert next_cell(found, {}, 2) == 0
    assert next_cell(found, {first: ["doubted", "doubted"]}, 2) == 0
    assert next_cell(found, {first: ["doubted"] * 3}, 2) == 1
    assert next_cell(found, {first: ["doubted", "passed"], second: ["passed"]}, 2) == 2
    assert next_cell(found, {cell.id: ["passed"] for cell in found}, 2) is None


RATE_ONLY = """
name: rate-only
systems: [envoy]
vary: {rate: [500/s, 1k/s]}
load: {active: 50}
phases: {stable_for: 1 s, warmup: 2 s, measure: 6 s}
repeat: 1
retry: 1
sanity: {p99: 5 ms}
"""
LATE, SLOW = Twist(lateness_us=2_000), Twist(slow=100)


def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, twists: Twists) -> tuple[Path, list[TrialPlan]]:
    made = make_trials_up(monkeypatch, twists)
    given: GivenPlan = given_again(RATE_ONLY, "plan.yaml", Fraction(1))
    return asyncio.run(
        run_plan_module.run_plan(given, tmp_path, run_plan_module.Audience(), Ending())
    ).path, made


def summary_of(path: Path) -> RunSummary:
    with RunReader.open(path) as reader:
        return summarise_run(reader)


def texts_of(summary: RunSummary) -> list[str]:
    terminal = io.StringIO()
    print_summary(summary, Console(file=terminal, width=10_000))
    return [terminal.getvalue(), render_markdown(summary), render_html(summary)]


def test_a_cell_that_holds_is_followed_by_the_cases(tmp_path, monkeypatch):
    path, made = run(tmp_path, monkeypatch, {})
    assert made[0].case.id == "sanity-rate-envoy"
    assert [trial.order for trial in made] == [1, 2, 3]
    assert {trial.of for trial in made} == {3}
    summary = summary_of(path)
    assert (summary.exit_code, summary.trials, len(summary.cases)) == (ExitCode.PASS, 2, 2)
    (sentence,) = summary.in_order
    assert sentence.startswith("sanity, envoy at 1,000 requests/s for 6 s: PASS, p99 ")
    assert "500 us" not in sentence
    assert all("envoy at 1,000 requests/s for 6 s: PASS, p99 " in text for text in texts_of(summary))
    document = results_document(summary)
    assert [(cell["outcome"], cell["id"]) for cell in document["sanity"]] == [("passed", "sanity-rate-envoy")]
    rows = list(csv.DictReader(io.StringIO(results_csv(summary))))
    assert [row["is_sanity"] for row in rows] == ["True", "False", "False"]


def test_the_trials_of_the_cases_are_those_of_a_plan_without(tmp_path, monkeypatch):
    _, made = run(tmp_path, monkeypatch, {})
    alone = parse_plan(RATE_ONLY.replace("sanity: {p99: 5 ms}", ""), "plan.yaml")
    agenda = Agenda(alone, compile_cases(alone))
    first = agenda.next([])
    assert first is not None
    assert (made[1].case.id, made[1].seed) == (first.case.id, first.seed)


def test_a_system_that_fails_ends_the_run(tmp_path, monkeypatch):
    path, made = run(tmp_path, monkeypatch, {1: SLOW})
    assert len(made) == 1
    summary = summary_of(path)
    assert (summary.run.state, summary.exit_code) == ("stopped", ExitCode.OBJECTIVE_FAILED)
    assert [case.state for case in summary.cases] == ["not run"] * 2
    (finding,) = summary.findings
    assert "FAIL, so that no case was run: `p99 < 5 ms` does not hold: " in finding
    assert "(fault: system under test); likely cause: it has too few workers" in finding
    assert "next: read the system's log" in finding
    assert all(
        "FAIL, so that no case was run: `p99 " in text.replace("&lt;", "<") for text in texts_of(summary)
    )
    assert results_document(summary)["sanity"][0]["outcome"] == "failed"


def test_a_system_that_goes_away_ends_the_run_with_that(tmp_path, monkeypatch):
    path, made = run(tmp_path, monkeypatch, {1: Twist(died=True)})
    assert len(made) == 1
    (finding,) = summary_of(path).findings
    assert "the system went away during the trial" in finding
    assert "(fault: system under test)" in finding


def test_a_machine_too_busy_is_tried_again_and_blamed_on_nobody_else(tmp_path, monkeypatch):
    path, made = run(tmp_path, monkeypatch, {1: LATE})
    assert [trial.case.id for trial in made][:2] == ["sanity-rate-envoy"] * 2
    assert made[0].seed != made[1].seed
    summary = summary_of(path)
    assert (summary.exit_code, summary.sanity[0].sanity_outcome) == (ExitCode.PASS, "passed")
    assert "PASS in 2 attempts" in summary.in_order[0]


def test_where_nobody_knows_the_cases_are_run_and_the_run_does_not_pass(tmp_path, monkeypatch):
    path, made = run(tmp_path, monkeypatch, {1: LATE, 2: LATE})
    assert len(made) == 4
    summary = summary_of(path)
    assert (summary.run.state, summary.exit_code) == ("finished", ExitCode.INVALID_MEASUREMENT)
    (finding,) = summary.findings
    assert "INVALID in 2 attempts, which says nothing against the system: " in finding
    assert "(generator)" in finding


def test_a_run_that_was_stopped_is_gone_on_with_where_it_stopped(tmp_path, monkeypatch):
    path, _ = run(tmp_path, monkeypatch, {1: SLOW})
    found = resumption_of(path)
    assert [cell.id for cell in found.sanity().left] == ["sanity-rate-envoy"]
    assert [trial.order for trial in found.rest()] == [3, 4]
    made = make_trials_up(monkeypatch, {})
    asyncio.run(run_plan_module.resume_plan(found, run_plan_module.Audience(), Ending()))
    assert [trial.order for trial in made] == [2, 3, 4]
    summary = summary_of(path)
    assert (summary.run.state, summary.exit_code) == ("finished", ExitCode.PASS)
    assert resumption_of(path).is_complete


def test_a_cell_that_was_cut_off_is_run_anew(tmp_path, monkeypatch):
    async def half_a_trial(trial: TrialPlan, desk: Desk, ending: Ending) -> None:
        told = happened(trial, Twist())
        for event in told[: len(told) // 2]:
            desk.record(event)
        ending.stop.set()

    make_trials_up(monkeypatch, {})
    monkeypatch.setattr(run_plan_module, "run_trial", half_a_trial)
    given = given_again(RATE_ONLY, "plan.yaml", Fraction(1))
    path = asyncio.run(run_plan_module.run_plan(given, tmp_path, run_plan_module.Audience(), Ending())).path
    assert summary_of(path).sanity_sentences == ("sanity, envoy at 1,000 requests/s for 6 s: not run",)
    found = resumption_of(path)
    assert "trial 1 (sanity-rate-envoy) was cut off and is run anew" in found.text
    made = make_trials_up(monkeypatch, {})
    asyncio.run(run_plan_module.resume_plan(found, run_plan_module.Audience(), Ending()))
    assert [trial.order for trial in made] == [2, 3, 4]
    summary = summary_of(path)
    assert summary.exit_code == ExitCode.PASS
    assert [attempt.state for attempt in summary.sanity[0].attempts] == ["cut off", "completed"]


def test_cells_that_held_are_not_run_again(tmp_path, monkeypatch):
    path, _ = run(tmp_path, monkeypatch, {})
    assert not resumption_of(path).sanity().left


def test_cells_are_run_again_in_another_environment(tmp_path, monkeypatch):
    path, _ = run(tmp_path, monkeypatch, {})
    with closing(sqlite3.connect(path / "record.db")) as connection:
        connection.execute("DELETE FROM trials WHERE id > 2")
        for table in (
            "loads",
            "phases",
            "counts",
            "frames",
            "process_samples",
            "host_samples",
            "system_samples",
        ):
            connection.execute(f"DELETE FROM {table} WHERE trial > 2")
        connection.commit()
    made = make_trials_up(monkeypatch, {}, {**ENVIRONMENT, "kernel": "Linux 6.2.0"})
    found = resumption_of(path)
    asyncio.run(run_plan_module.resume_plan(found, run_plan_module.Audience(), Ending(), allow_changes=True))
    assert [trial.case.id for trial in made] == ["sanity-rate-envoy", made[1].case.id]
    assert len(summary_of(path).sanity[0].attempts) == 2


def idle_cell(
    tmp_path: Path, *, counted: int = 200, upstream: int | None = 0, at_origin: int | None = 0
) -> CaseSummary:
    """Return an idle cell of 200 connections at which the system counted these."""
    with RunReader.open(make_run(tmp_path, systems=("envoy",))) as reader:
        case = summarise_run(reader).cases[0]
    (trial, *_) = case.trials
    trial = replace(
        trial,
        own_gauge=OwnGauge(min(counted, 200), max(counted, 200)),
        upstream_gauge=None if upstream is None else OwnGauge(0, upstream),
        facts=replace(trial.facts, origin_connections=at_origin),
    )
    objectives = [
        RecordedObjective("connections counted == 200", "counted_connections", "==", 200),
        RecordedObjective("connections to the origin == 0", "upstream_connections", "==", 0),
        RecordedObjective("connections at the origin == 0", "origin_connections", "==", 0),
        RecordedObjective("errors == 0", "errors", "==", 0),
    ]
    return case_summary(replace(case.case, profile=()), [trial], (), objectives, 1)


@pytest.mark.parametrize(
    ("counts", "broken"),
    [
        ({}, None),
        ({"counted": 199}, "`connections counted == 200` does not hold: 199"),
        ({"counted": 203}, "`connections counted == 200` does not hold: 203"),
        ({"upstream": 3}, "`connections to the origin == 0` does not hold: 3"),
        ({"at_origin": 1}, "`connections at the origin == 0` does not hold: 1"),
    ],
)
def test_idle_connections_are_held_to_every_count(tmp_path, counts, broken):
    cell = idle_cell(tmp_path, **counts)
    sentence = sanity_sentence(cell)
    assert cell.sanity_outcome == ("passed" if broken is None else "failed")
    if broken is not None:
        assert broken in sentence
    else:
        assert (
            "PASS, 200 connections counted by itself, 0 to its origin by its own count, 0 connections"
            in sentence
        )


def test_what_a_system_does_not_count_is_said(tmp_path):
    cell = idle_cell(tmp_path, upstream=None)
    assert cell.sanity_outcome == "passed"
    assert "connections to its origin cannot be counted by envoy" in sanity_sentence(cell)
    blind = idle_cell(tmp_path / "blind", upstream=None, at_origin=None)
    assert "connections at the origin cannot be counted by the origin" in sanity_sentence(blind)


def test_a_system_that_was_never_looked_at_passes_nothing(tmp_path):
    cell = idle_cell(tmp_path)
    unseen = replace(cell.trials[0], own_gauge=None)
    objective = RecordedObjective("connections counted == 200", "counted_connections", "==", 200)
    found = case_summary(cell.case, [unseen], (), [objective], 1)
    assert found.sanity_outcome == "doubted"
