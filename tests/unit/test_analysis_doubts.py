"""How a doubt can move the numbers, which doubts are one doubt, and the PASS that holds whatever they are."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from tests.support.loads import changed
from tests.support.made_run import Twist, make_run
from tests.unit.test_analysis_judgement import measured, objective
from tests.unit.test_analysis_validity import BAD, GOOD, LOAD, late, load

from seatrial.analysis.reasons import Reason, Validity
from seatrial.analysis.run.objectives import judge_case
from seatrial.analysis.run.summary import summarise_run
from seatrial.analysis.validity.blame import CONSEQUENCES, EMPTY
from seatrial.analysis.validity.evidence import WorkerEvidence
from seatrial.analysis.validity.judge import judge_trial
from seatrial.cluster.pods.facts import facts_of
from seatrial.errors import ExitCode
from seatrial.observe.samples import NodeAway
from seatrial.plan.metrics import METRICS
from seatrial.record.events import CUT_OFF
from seatrial.record.reader import RunReader
from seatrial.report.markdown import render_markdown
from seatrial.report.table import result_rows
from seatrial.units import format_us

INFLATING = {
    "generator.late", "generator.stalled", "generator.unread", "generator.cpu", "environment.throttled",
    "environment.steal", "environment.busy", "environment.softirq", "environment.network", "generator.looking",
    "environment.run_beside", "generator.gate", "environment.watch", "environment.watch_late",
}  # fmt: skip
LOST = Reason("generator.lost", "worker 1 was killed", "run again")


@pytest.mark.parametrize("code", BAD)
def test_every_rule_says_how_its_doubt_can_move_the_numbers(code):
    (found,) = [reason for reason in judge_trial(BAD[code]).reasons if reason.code == code]
    assert found.direction == ("inflates" if code in INFLATING else "either")


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"loop": "closed"}, id="a closed loop that is held back asks less of the system"),
        pytest.param({"lateness_us": replace(LOAD.lateness_us, p50=1_001)}, id="most left in batches"),
        pytest.param(
            {"intervals": (replace(LOAD.intervals[-1], lateness_us={"p99": 60_001, "max": 60_001}),)},
            id="behind at the end: less was sent than was asked for",
        ),
        pytest.param(
            {"requests__completed": LOAD.requests.intended * 98 // 100},
            id="what was waited in vain is less than the answer",
        ),
    ],
)
def test_a_load_that_was_not_the_one_asked_for_may_look_better_than_it_is(changes):
    evidence = load(generator__stall_us_max=200_000, **changes)
    assert judge_trial(evidence).direction == "either"


def test_one_doubt_of_either_direction_makes_all_of_it_uncertain():
    inflating, either = Reason("a.b", "", "", "inflates"), Reason("c.d", "", "")
    assert Validity().direction is None
    assert Validity((inflating,)).direction == "inflates"
    assert Validity((inflating, either)).direction == "either"


def judged(doubt: Any, *asked: tuple[str, str, float], **changes: Any) -> str | None:
    latency_us = replace(LOAD.latency_us, p99=1_000, max=changes.pop("max_us", LOAD.latency_us.max))
    trial = replace(measured(), load=changed(LOAD, latency_us=latency_us, **changes), timeout_s=2.0)
    return judge_case([objective(*one) for one in asked], [trial, trial], doubt=doubt, repeats=2).state


def test_a_pass_holds_where_doubts_can_only_have_made_it_harder():
    asked = (("p99", "<", 2_001), ("mean", "<=", 1_000), ("errors", "==", 0))
    assert judged("inflates", *asked) == "PASS"
    assert judged("either", *asked) is None


def test_there_is_no_fail_in_inflated_numbers():
    assert judged(None, ("p99", "<", 900)) == "FAIL"
    assert judged("inflates", ("p99", "<", 900)) is None


@pytest.mark.parametrize(
    ("asked", "changes"),
    [
        pytest.param(("p99", ">", 500), {}, id="a lower bound"),
        pytest.param(("p99", "==", 1_000), {}, id="an exact value"),
        pytest.param(("p99", "<", 1_999), {}, id="less than a half to spare"),
        pytest.param(("proxy_cpu_cores", "<", 1), {}, id="a proxy that is held up works in larger batches"),
        pytest.param(("proxy_memory", "<", 10**9), {}, id="memory"),
        pytest.param(
            ("p50", "<", 10**6),
            {"requests__completed": LOAD.requests.completed - 1},
            id="one was not answered",
        ),
        pytest.param(
            ("errors", "<", 100), {"requests__timed_out": 1}, id="what times out relieves the others"
        ),
        pytest.param(
            ("errors", "==", 0),
            {"max_us": 2_000_000},
            id="one would have timed out if it had left in time",
        ),
    ],
)
def test_a_pass_that_a_doubt_may_have_made_is_none(asked, changes):
    assert judged(None, asked, **changes) in {"PASS", "FAIL"}
    assert judged("inflates", asked, **changes) is None


def test_errors_cannot_be_passed_without_knowing_when_a_request_times_out():
    asked = [objective("errors", "==", 0)]
    assert judge_case(asked, [measured()], doubt="inflates").state is None
    assert judge_case(asked, [replace(measured(), timeout_s=2.0)], doubt="inflates").state == "PASS"


def test_every_metric_says_whether_doubts_can_only_raise_it():
    raised = {name for name, metric in METRICS.items() if metric.raised}
    assert raised >= {"p50", "p75", "p90", "p99", "p999", "p9999", "mean", "max", "errors"}
    assert not raised & {"proxy_cpu_cores", "proxy_memory", "achieved"}


def test_a_killed_worker_is_one_cause_and_the_first():
    evidence = replace(
        load(
            connections__active__established=25,
            requests__intended=3_000,
            requests__sent=1,
            requests__completed=0,
            generator__stall_us_max=900_000,
        ),
        workers=(WorkerEvidence(0, 0.3), WorkerEvidence(1, 0.3, missing_frames=2)),
        known_reasons=(LOST,),
    )
    validity = judge_trial(evidence)
    assert validity.causes == (LOST,)
    assert validity.reasons[0] == LOST
    after = {reason.code for reason in validity.consequences(LOST)}
    assert {"generator.frames", "system.active_connections"} <= after
    assert "system.no_answers" not in after, "a worker that is gone reads no answer, which says nothing"
    assert {reason.remedy for reason in validity.reasons} == {LOST.remedy}


def test_counts_that_are_lost_with_a_node_do_not_blame_the_system():
    away = NodeAway("node-1", ("system",), 5_001.0, 5_003.0)
    facts = replace(GOOD.facts, uncounted=("system: envoy-1 cannot be asked how it is",))
    validity = judge_trial(replace(GOOD, facts=facts, nodes_away=(away,)))
    assert [reason.code for reason in validity.causes] == ["environment.node_away"]
    assert "what was counted there is not known" in validity.causes[0].text
    assert judge_trial(replace(GOOD, nodes_away=(away,))).is_valid


def test_a_system_without_memory_is_given_more():
    (trouble,) = facts_of(
        {
            "metadata": {"name": "envoy-1"},
            "status": {
                "containerStatuses": [
                    {"name": "envoy", "state": {"terminated": {"reason": "OOMKilled", "exitCode": 137}}}
                ]
            },
        }
    ).troubles
    for words, step in ((trouble.text, "more memory"), ("envoy-1 has gone", "read its log")):
        (reason,) = judge_trial(replace(GOOD, facts=replace(GOOD.facts, system_failure=words))).reasons
        assert step in reason.remedy


def test_workers_that_are_lost_with_their_node_are_not_to_blame():
    away = NodeAway("node-1", ("generator",), 5_001.0, 5_003.0)
    lost = ("worker 3 (pod worker-1-3-abcde on node node-1) was lost with its node",)
    evidence = replace(GOOD, known_reasons=(LOST,), lost_workers=lost, nodes_away=(away,))
    validity = judge_trial(evidence)
    assert [reason.code for reason in validity.causes] == ["environment.node_away"]
    assert "node-1 (with pods of the generator) for up to 2 s; workers were lost" in validity.causes[0].text
    assert "generator.lost" in {reason.code for reason in validity.consequences(validity.causes[0])}
    # That the proxies' node was away loses no worker, nor does one that has other workers.
    for other in (replace(away, roles=("system",)), replace(away, node="node-11")):
        elsewhere = replace(evidence, nodes_away=(other,))
        assert [reason.code for reason in judge_trial(elsewhere).causes] == ["generator.lost"]


def test_a_hypervisor_that_takes_the_cpu_does_not_ask_for_a_core_for_the_generator():
    validity = judge_trial(replace(late(3_000), steal_fraction=0.25))
    assert [reason.code for reason in validity.causes] == ["environment.steal"]
    (consequence,) = validity.consequences(validity.causes[0])
    assert (consequence.code, consequence.because) == ("generator.late", "environment.steal")
    assert not any("core of its own" in reason.remedy for reason in validity.reasons)
    assert validity.direction == "inflates"


def test_a_load_that_was_stopped_for_a_system_that_died_follows_from_that():
    evidence = replace(GOOD, facts=replace(GOOD.facts, system_failure="envoy-1 has gone"), state=CUT_OFF)
    validity = judge_trial(evidence)
    assert [reason.code for reason in validity.causes] == ["system.died"]
    assert "environment.cut_off" in {reason.code for reason in validity.consequences(validity.causes[0])}


def test_what_has_no_known_cause_stands_for_itself():
    validity = judge_trial(replace(late(3_000), facts=replace(GOOD.facts, drained_before_start=False)))
    assert {reason.code for reason in validity.causes} == {"generator.late", "system.not_drained"}


def test_causes_lead_to_reasons_that_exist():
    known = {*BAD, "generator.lost", "generator.late_start", "generator.failed", "system.failed", "system.unstable",
             "environment.held_connections", "environment.active_connections"}  # fmt: skip
    named = {*CONSEQUENCES, *(code for codes in CONSEQUENCES.values() for code in codes)}
    assert named <= known
    assert all(code in CONSEQUENCES[cause] for cause, code in EMPTY)


@pytest.fixture(scope="module")
def late_run(tmp_path_factory):
    # A twist of 300 us has a p99 of 1.4 ms: most leave in time, and one in a hundred does not.
    path = make_run(tmp_path_factory.mktemp("runs"), twists={1: Twist(lateness_us=300)}, systems=("direct",))
    with RunReader.open(path) as reader:
        return summarise_run(reader)


def test_a_late_trial_keeps_its_pass_whose_figures_are_at_most(late_run):
    case = late_run.cases[0]
    assert [reason.code for reason in case.validity.reasons] == ["generator.late"]
    assert (case.state, case.at_most, case.validity.state) == ("PASS", True, "INVALID")
    assert late_run.exit_code == ExitCode.PASS
    assert late_run.systems[0].state == "PASS"
    assert "at most" in late_run.systems[0].sentence
    row = next(row for row in result_rows(late_run) if row.cells["case"] == case.label)
    assert row.cells["p99"].startswith("at most ")
    assert "at most" in render_markdown(late_run)


def test_a_late_trial_that_breaks_an_objective_is_no_fail(tmp_path):
    twists = {1: Twist(lateness_us=300, slow=60)}
    with RunReader.open(make_run(tmp_path, twists=twists, systems=("direct",))) as reader:
        summary = summarise_run(reader)
    assert (summary.cases[0].state, summary.cases[0].verdict.state) == ("INVALID", None)
    assert summary.exit_code == ExitCode.INVALID_MEASUREMENT


def test_a_late_trial_that_holds_by_too_little_says_what_a_pass_would_need(tmp_path):
    twists = {1: Twist(lateness_us=300, slow=18)}
    with RunReader.open(make_run(tmp_path, twists=twists, systems=("direct",))) as reader:
        summary = summarise_run(reader)
    (case, *_) = summary.cases
    (outcome,) = [outcome for outcome in case.verdict.outcomes if outcome.needed is not None]
    assert (case.state, outcome.held, outcome.needed) == ("INVALID", True, outcome.objective.threshold / 2)
    assert outcome.needed is not None
    worst = format_us(max(value for value in outcome.values if value is not None))
    assert (
        f"`{outcome.objective.text}` holds with {case.label}, but a PASS in doubt needs at most"
        f" {format_us(outcome.needed)} in every trial, and one has {worst}"
    ) in summary.systems[0].sentence
