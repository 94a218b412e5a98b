"""Trials that are run again: which, how often, what is judged then, and what is said of it."""

from __future__ import annotations

import asyncio
import csv
import io
import json
from dataclasses import dataclass
from itertools import combinations, product

import pytest
import scipy.stats
from rich.console import Console
from tests.support.made_run import PLAN_TEXT, Twist, make_run, trial_events

from seatrial.analysis.reasons import Reason, Validity
from seatrial.analysis.run.attempts import _chance, divided, may_be_set_aside, missing, uneven
from seatrial.analysis.run.summary import summarise_run
from seatrial.errors import ExitCode
from seatrial.plan.cases import compile_cases
from seatrial.plan.read import parse_plan
from seatrial.plan.shown.compiled import compiled_document
from seatrial.record.reader import RunReader
from seatrial.record.writer import RunWriter
from seatrial.report.csv import results_csv
from seatrial.report.html import render_html
from seatrial.report.json import results_document
from seatrial.report.markdown import render_markdown
from seatrial.report.terminal import print_summary
from seatrial.run import plan as run_plan_module
from seatrial.run.agenda import TrialPlan
from seatrial.run.ending import Ending
from seatrial.run.others import OtherLoads
from seatrial.run.places.machine import OnThisMachine
from seatrial.run.sanity import SanityCourse
from seatrial.run.trial import Desk

GOOD = Validity()
LATE = Validity((Reason("generator.late", "requests left late", "", "inflates"),))
BROKEN = Validity((Reason("system.counts", "counts disagree", ""),))
LATE_RUN = Twist(lateness_us=2_000)


@dataclass(frozen=True)
class Attempt:
    validity: Validity


def attempts(*validities: Validity) -> list[Attempt]:
    return [Attempt(validity) for validity in validities]


@pytest.mark.parametrize(
    ("code", "may"),
    [
        ("generator.late", True),
        ("environment.steal", True),
        ("generator.lost", True),
        ("system.counts", False),
        ("system.failed", False),
        ("environment.cut_off", False),
        ("environment.exhausted", False),
    ],
)
def test_only_the_generators_and_the_environments_doubts_that_pass_are_set_aside(code, may):
    assert may_be_set_aside(Validity((Reason(code, "", ""),))) is may
    assert not may_be_set_aside(Validity((Reason(code, "", ""), Reason("system.errors", "", ""))))


def test_what_a_cause_brought_about_is_not_blamed_on_the_system():
    followed = Reason("system.active_connections", "", "", because="generator.lost")
    assert may_be_set_aside(Validity((Reason("generator.lost", "", ""), followed)))
    assert not may_be_set_aside(GOOD)


def test_a_case_is_judged_from_its_believed_trials_once_it_has_enough():
    made = attempts(LATE, GOOD, GOOD)
    assert divided(made, 2) == (tuple(made[1:]), (made[0],))
    assert divided(made[:2], 2) == (tuple(made[:2]), ())


def test_no_other_trial_is_ever_dropped():
    made = attempts(BROKEN, GOOD, GOOD)
    assert divided(made, 2) == (tuple(made), ())


@pytest.mark.parametrize(
    ("validities", "more"),
    [
        ((GOOD, GOOD), 0),
        ((GOOD, LATE), 1),
        ((LATE, LATE), 2),
        ((GOOD, LATE, LATE), 1),
        ((GOOD, LATE, LATE, LATE), 0),
        ((LATE, LATE, GOOD), 1),
        ((LATE, BROKEN), 0),
    ],
)
def test_a_case_is_tried_again_as_often_as_the_plan_allows(validities, more):
    assert missing(validities, repeats=2, retry=2) == more


def test_a_system_whose_attempts_are_doubted_more_often_is_named():
    quiet, loud = attempts(*[GOOD] * 16), attempts(*[LATE] * 5, *[GOOD] * 6)
    text = uneven({"nginx": quiet, "envoy": loud})
    assert text is not None
    assert "envoy" in text
    assert "5 of 11, 0 of 16 of the others" in text
    assert uneven({"nginx": attempts(LATE, *[GOOD] * 8), "envoy": attempts(LATE, LATE, *[GOOD] * 8)}) is None
    assert uneven({"nginx": quiet}) is None


def test_the_chance_is_that_of_every_deal_counted_out():
    for of in range(1, 9):
        for own, doubted in product(range(of + 1), repeat=2):
            # Each way to deal `own` of the attempts to one system; the first ones are doubted.
            deals = [sum(card < doubted for card in deal) for deal in combinations(range(of), own)]
            for least in range(own + 1):
                wanted = sum(count >= least for count in deals) / len(deals)
                assert _chance(least, own, doubted, of) == pytest.approx(wanted, abs=1e-9)
    # So many are not counted out any more.
    assert _chance(1_700, 3_333, 5_000, 10_000) == pytest.approx(
        scipy.stats.hypergeom.sf(1_699, 10_000, 5_000, 3_333)
    )


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    """One case is run again: its first trial was late, and so slow that it would have failed."""
    twists = {1: Twist(lateness_us=2_000, slow=60)}
    return make_run(tmp_path_factory.mktemp("runs"), twists=twists, systems=("direct",), again=(0,))


def test_what_was_set_aside_is_counted_in_every_output(path):
    with RunReader.open(path) as reader:
        summary = summarise_run(reader)
    case = summary.cases[0]
    assert (case.state, len(case.trials), len(case.set_aside)) == ("PASS", 2, 1)
    assert case.latency_us is not None
    assert case.latency_us.count == 12_000
    assert summary.exit_code == ExitCode.PASS
    assert not summary.invalid
    printed = io.StringIO()
    print_summary(summary, Console(width=100, file=printed))
    outputs = {
        "terminal": printed.getvalue(),
        "markdown": render_markdown(summary),
        "html": render_html(summary),
    }
    for name, text in outputs.items():
        assert "1 of 9 attempts" in " ".join(text.split()), name
        assert "requests left late" in text, name
    assert "8 trials and 1 again" in outputs["markdown"]
    document = results_document(summary)
    assert document["cases"][0]["attempts"]["made"] == 3
    assert document["cases"][0]["attempts"]["text"].startswith(
        "1 of 3 attempts set aside: requests left late"
    )
    assert [trial["set_aside"] for trial in document["cases"][0]["trials"]] == [True, False, False]
    rows = list(csv.DictReader(io.StringIO(results_csv(summary))))
    assert [row["set_aside"] for row in rows].count("True") == 1


SLOW_AND_LATE, SLOW = Twist(lateness_us=300, slow=60), Twist(slow=60)


@pytest.mark.parametrize(
    ("again", "state", "set_aside"),
    [(SLOW_AND_LATE, "PASS", 1), (SLOW, "FAIL", 1), (Twist(), "PASS", 1)],
    ids=["in vain", "believed and slow", "believed"],
)
def test_a_case_that_passes_even_so_is_not_lost_by_an_attempt_in_vain(tmp_path, again, state, set_aside):
    # The first case has the trials 1 and 5; the first is late, and holds even so. It is made again as the ninth.
    twists = {1: Twist(lateness_us=300), 9: again}
    with RunReader.open(make_run(tmp_path, twists=twists, systems=("direct",), again=(0,))) as reader:
        case = summarise_run(reader).cases[0]
    assert (case.state, len(case.set_aside)) == (state, set_aside)


def test_planned_trials_that_do_not_hold_are_not_saved_by_setting_others_aside(tmp_path):
    twists = {1: SLOW_AND_LATE, 9: Twist(lateness_us=300)}
    with RunReader.open(make_run(tmp_path, twists=twists, systems=("direct",), again=(0,))) as reader:
        case = summarise_run(reader).cases[0]
    assert (case.state, len(case.trials), case.set_aside) == ("INVALID", 3, ())


def run_made(tmp_path, monkeypatch, twists: dict[int, Twist], plan_text: str = PLAN_TEXT):
    """Run a plan whose trials are made up: number n goes as ``twists[n]`` has it. Return what the record says."""
    plan = parse_plan(plan_text.replace("[direct, envoy, nginx]", "[direct]"), "made.yaml")
    compiled = compiled_document(plan, compile_cases(plan))
    documents = {case["id"]: case for case in compiled["cases"]}
    seen: list[TrialPlan] = []

    async def made(trial: TrialPlan, desk: Desk, _ending: Ending) -> None:
        seen.append(trial)
        case = documents[trial.case.id]
        case["load"]["rate_per_s"] = int(case["load"]["rate_per_s"])
        twist = twists.get(trial.order, Twist())
        for event in trial_events(trial.order, trial.repeat, case, trial.of, twist):
            desk.record(event)

    monkeypatch.setattr(run_plan_module, "run_trial", made)
    with RunWriter.create(tmp_path, plan.name, plan_text, json.dumps(compiled)) as writer:
        course = run_plan_module._Course(
            plan, OnThisMachine(plan), compile_cases(plan), SanityCourse((), 0, 1), {}, ()
        )
        with OtherLoads("made", share=False, directory=tmp_path / "loads") as others:
            asyncio.run(run_plan_module._run_trials(course, writer, Ending(), others, tuple))
    with RunReader.open(writer.path) as reader:
        return summarise_run(reader), seen


def test_what_cannot_be_believed_is_run_again_at_the_end(tmp_path, monkeypatch):
    summary, seen = run_made(tmp_path, monkeypatch, {2: LATE_RUN, 3: LATE_RUN, 9: LATE_RUN})
    assert [trial.order for trial in seen] == list(range(1, 12))
    doubted = {seen[1].case.id, seen[2].case.id}
    assert {trial.case.id for trial in seen[8:10]} == doubted, "a turn has each case once"
    assert seen[10].case.id == seen[8].case.id, "and what was late again has another turn"
    assert [trial.repeat for trial in seen[8:]] == [3, 3, 4]
    assert [trial.of for trial in seen[8:]] == [10, 10, 11]
    assert len({trial.seed for trial in seen}) == len(seen)
    assert [case.state for case in summary.cases] == ["PASS"] * 4
    assert (summary.trials, summary.set_aside) == (11, 3)
    assert (summary.run.state, summary.exit_code) == ("finished", ExitCode.PASS)
    assert any("run again" in entry.text for entry in summary.journal)


def test_retry_0_runs_nothing_again(tmp_path, monkeypatch):
    summary, seen = run_made(tmp_path, monkeypatch, {2: LATE_RUN}, PLAN_TEXT + "retry: 0\n")
    assert len(seen) == 8
    assert summary.exit_code == ExitCode.INVALID_MEASUREMENT


def test_a_case_that_is_never_believed_ends(tmp_path, monkeypatch):
    summary, seen = run_made(tmp_path, monkeypatch, dict.fromkeys(range(1, 100), LATE_RUN))
    assert len(seen) == 4 * (2 + 2)
    assert summary.set_aside == 0
    assert [case.state for case in summary.cases] == ["INVALID"] * 4


def test_the_systems_doubts_are_not_run_again(tmp_path, monkeypatch):
    summary, seen = run_made(tmp_path, monkeypatch, {2: Twist(counts_off=1), 3: Twist(died=True)})
    assert len(seen) == 8
    assert summary.exit_code == ExitCode.INVALID_MEASUREMENT


@pytest.mark.parametrize("trials", [0, 1, 7, 8])
def test_a_run_that_was_cut_off_anywhere_does_not_pass(tmp_path, trials):
    with RunReader.open(make_run(tmp_path, trials=trials, end=False, systems=("direct",))) as reader:
        summary = summarise_run(reader)
    assert summary.run.state == "cut off"
    assert summary.exit_code == ExitCode.INVALID_MEASUREMENT
    assert not summary.is_whole
