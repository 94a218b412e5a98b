"""Objectives, spread and resources on values that a person can check."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from tests.support.loads import changed
from tests.unit.test_analysis_validity import LOAD

from seatrial.analysis.discovery.use import discovery_use
from seatrial.analysis.load.answered import error_count
from seatrial.analysis.load.distribution import Percentiles
from seatrial.analysis.load.window import Window
from seatrial.analysis.measured import Measured, metric_value
from seatrial.analysis.objects import ChangeUse
from seatrial.analysis.resources import RoleResources, TrialResources, roles_of, trial_resources
from seatrial.analysis.run.objectives import judge_case, samples_needed
from seatrial.analysis.run.spread import spread_of
from seatrial.discovery.facts import QueueSample, Step, StepFacts
from seatrial.observe.samples import ProcessSample
from seatrial.record.events import MilestoneReached
from seatrial.record.tables.rows import RecordedObjective

PROXY = RoleResources("system", 1, 0.5, 0.7, 50_000_000, 40_000_000, 300, 0.0)
CONTROLLER = RoleResources(
    "controller", 1, 0.2, 0.3, None, None, None, None, working_set_bytes_max=90_000_000
)

CHANGES = tuple(
    ChangeUse(change, "kept", 1, 1, (0.1,), (0.2,), (0.2,), (), (0.15,), (0.05,), 0, (0.01, 0.01), 0, {})
    for change in ("create", "delete")
)


STEPS: tuple[Step, ...] = ("all", "new", "update", "delete", "idle", "storm", "end")
FACTS = tuple(StepFacts(step, 10.0 * number, 10.0 * number + 9, 1) for number, step in enumerate(STEPS))
CHANGES_SEEN = [
    MilestoneReached(1, name, what, 1, milestone, "", at_s, at_s)
    for at_s, name, what in (
        (1.0, "a", "all"), (11.0, "b", "new"), (21.0, "c", "update"), (31.0, "d", "delete"),
        (51.0, "e", "storm new"), (52.0, "f", "storm delete"),
    )
    for milestone in ("asked", "replicated")
]  # fmt: skip
DISCOVERY = discovery_use(
    FACTS, CHANGES_SEEN, [QueueSample(1.0, 2.0, 4.0, 2.0), QueueSample(60.0, 0.0, 4.0, 4.0)]
)


def measured(p99_us: int = 1_000, **changes: Any) -> Measured:
    latency_us = replace(LOAD.latency_us, p99=p99_us)
    load = changed(LOAD, **{"latency_us": latency_us, "latency_ours_us": None, **changes})
    return Measured(
        load,
        TrialResources((PROXY, CONTROLLER)),
        changed=True,
        changes=CHANGES,
        rejected=0,
        restarts=0,
        panics=0,
        drifted=0,
        discovery=DISCOVERY,
    )


def objective(metric: str, comparison: str, threshold: float) -> RecordedObjective:
    return RecordedObjective(f"{metric} {comparison} {threshold}", metric, comparison, threshold)


def test_an_objective_must_hold_in_every_repeat():
    asked = [objective("p99", "<", 1_500)]
    assert judge_case(asked, [measured(1_000), measured(1_499)]).state == "PASS"
    failed = judge_case(asked, [measured(1_000), measured(1_500)])
    assert failed.state == "FAIL"
    assert failed.outcomes[0].values == (1_000, 1_500)


@pytest.mark.parametrize(
    ("comparison", "held"), [("<", False), ("<=", True), ("==", True), (">", False), (">=", True)]
)
def test_every_comparison(comparison, held):
    verdict = judge_case([objective("p99", comparison, 1_000)], [measured(1_000)])
    assert verdict.outcomes[0].held is held


def test_an_invalid_case_has_no_verdict_but_shows_its_values():
    verdict = judge_case([objective("p99", "<", 1)], [measured(1_000)], doubt="either")
    assert verdict.state is None
    assert verdict.outcomes[0].values == (1_000,)


def test_a_plan_that_asks_nothing_gets_no_verdict():
    assert judge_case([], [measured()]).state is None


def test_what_does_not_apply_is_not_held_against_a_case():
    direct = Measured(LOAD, TrialResources(()), proxied=False)
    verdict = judge_case([objective("proxy_cpu_cores", "<", 1), objective("errors", "==", 0)], [direct])
    assert [outcome.held for outcome in verdict.outcomes] == [None, True]
    assert verdict.state == "PASS"


def test_no_rate_is_achieved_where_none_was_asked_for():
    closed = changed(LOAD, rate_per_s__requested=None)
    (outcome,) = judge_case(
        [objective("achieved", ">=", 0.99)], [Measured(closed, TrialResources(()))]
    ).outcomes
    assert (outcome.held, outcome.unknown) == (None, False)


def test_an_objective_whose_values_are_unknown_blocks_the_verdict():
    asked = [objective("proxy_cpu_cores", "<", 1), objective("errors", "==", 0)]
    unseen = Measured(LOAD, TrialResources(()))
    for trials in ([unseen], [measured(), unseen]):
        verdict = judge_case(asked, trials)
        assert verdict.state is None
        assert [outcome.unknown for outcome in verdict.outcomes] == [True, False]


def test_a_case_that_lacks_repeats_may_fail_but_not_pass():
    asked = [objective("p99", "<", 1_500)]
    assert judge_case(asked, [measured(1_000)], repeats=2).state is None
    assert judge_case(asked, [measured(2_000)], repeats=2).state == "FAIL"
    assert judge_case(asked, [measured(1_000)] * 2, repeats=2).state == "PASS"


@pytest.mark.parametrize(
    ("metric", "value"),
    [("proxy_cpu_cores", 0.5), ("proxy_memory", 40_000_000), ("achieved", 1.0), ("errors", 0), ("p50", 278)],
)
def test_metrics(metric, value):
    found = metric_value(metric, measured())
    assert found == pytest.approx(value, rel=0.05)


def test_every_metric_of_a_plan_is_known():
    from seatrial.plan.metrics import DURING, METRICS

    plain = [metric.removeprefix(DURING) for metric in METRICS]
    assert all(metric_value(metric, measured()) is not None for metric in plain)


def test_what_a_system_does_not_count_is_neither_held_against_it_nor_a_doubt():
    asked = [objective("p99", "<", 1_500), objective("rejected", "==", 0)]
    states = {
        count: judge_case(asked, [replace(measured(1_000), rejected=count)]).state for count in (None, 0, 2)
    }
    assert states == {None: "PASS", 0: "PASS", 2: "FAIL"}


@pytest.mark.parametrize("metric", ["restarts", "panics", "drifted"])
def test_a_controller_is_held_against_its_system_and_where_there_is_none_nothing_is_asked(metric):
    asked = [objective("p99", "<", 1_500), objective(metric, "==", 0)]

    def state(count: int | None, *, controlled: bool = True) -> str | None:
        more: dict[str, Any] = {metric: count}
        trial = replace(measured(1_000), resources=TrialResources((PROXY,)), controlled=controlled, **more)
        return judge_case(asked, [trial]).state

    assert [state(count) for count in (0, 2)] == ["PASS", "FAIL"]
    assert state(None, controlled=False) == "PASS"
    # There is one, and nobody said what became of it.
    assert state(None) is None
    assert metric_value("controller_memory", measured()) == 90_000_000


def test_an_error_is_counted_once():
    load = changed(
        LOAD,
        requests__failed=2,
        requests__timed_out=1,
        errors={"read_reset": 2, "timeout": 1},
        status={"200": 5, "503": 4},
    )
    assert error_count(changed(load, errors_in_window=load.errors)) == 7
    assert error_count(changed(LOAD, errors_in_window={"connect_refused": 3})) == 3
    assert error_count(changed(LOAD, errors={"connect_refused": 3})) == 0


def test_spread():
    spread = spread_of([3.0, 1.0, None, 2.0])
    assert spread is not None
    assert (spread.median, spread.min, spread.max, spread.repeats) == (2.0, 1.0, 3.0, 3)
    assert spread.variation == pytest.approx(0.5)
    assert spread_of([None]) is None
    single = spread_of([4.0])
    assert single is not None
    assert single.variation is None


def sample(at_s: float, pid: int, cpu_s: float, memory: int, pss: int | None = None) -> ProcessSample:
    return ProcessSample(at_s, "system", "p", f"{pid}@1", "p", cpu_s, 0.0, memory, pss, 10, 1, 0.0)


def test_cpu_of_a_role_is_the_sum_of_its_processes_in_the_window():
    samples = [
        sample(second, pid, second * cores, 1_000)
        for second in range(11)
        for pid, cores in ((1, 0.25), (2, 0.5))
    ]
    found = trial_resources(roles_of(samples), (), (), Window(2 * 10**9, 8 * 10**9), 1_500)
    system = found.role("system")
    assert system is not None
    assert system.cpu_cores_mean == pytest.approx(0.75)
    assert system.cpu_cores_max == pytest.approx(0.75)
    assert system.rss_bytes_max == 2_000
    assert system.processes == 2
    assert found.system_cpu_cores_per_1000_per_s == pytest.approx(0.5)


def test_processes_of_two_machines_that_share_an_id_are_two():
    samples = [
        replace(sample(second, 7, second * 0.5, 1_000), member=member)
        for second in range(11)
        for member in ("a", "b")
    ]
    system = trial_resources(roles_of(samples), (), (), Window(2 * 10**9, 8 * 10**9), None).role("system")
    assert system is not None
    assert (system.processes, system.rss_bytes_max) == (2, 2_000)
    assert system.cpu_cores_mean == pytest.approx(1.0)


def test_a_member_that_was_restarted_does_not_take_back_what_it_used():
    samples = [sample(second, 7, second * 0.5, 1_000) for second in range(5)]
    samples += [
        replace(sample(second, 7, (second - 5) * 0.5, 1_000), incarnation="7@2") for second in range(5, 11)
    ]
    (role,) = roles_of(samples)
    assert role.at_s == list(range(11))
    assert role.cpu_s == sorted(role.cpu_s)
    assert role.cpu_s[-1] == pytest.approx(4.5)


def test_a_process_that_ended_keeps_its_cpu_and_gives_back_its_memory():
    samples = [sample(second, 1, second * 1.0, 100) for second in range(4)]
    samples += [sample(second, 2, 0.0, 7) for second in range(11)]
    curve = roles_of(samples)[0].curve
    assert curve.memory_bytes[2] == 107
    assert curve.memory_bytes[9] == 7
    assert curve.cpu[9].cores == pytest.approx(0.0)


def test_pss_is_preferred_to_rss():
    found = trial_resources(
        roles_of([sample(0, 1, 0, 900, 300), sample(1, 1, 0, 950, 310)]), (), (), None, None
    )
    system = found.role("system")
    assert system is not None
    assert (system.memory_bytes_max, system.rss_bytes_max, system.cpu_cores_mean) == (310, 950, None)


def with_samples(count: int, p9999_us: int = 900) -> Measured:
    load = changed(LOAD, latency_us=replace(LOAD.latency_us, count=count, p9999=p9999_us))
    return Measured(load, TrialResources(()))


@pytest.mark.parametrize(
    ("metric", "needed"),
    [("p50", 2), ("p75", 4), ("p90", 10), ("p99", 100), ("p999", 1_000), ("p9999", 10_000)],
)
def test_how_many_samples_a_percentile_needs(metric, needed):
    assert samples_needed(metric) == needed


def test_a_percentile_that_the_samples_cannot_carry_decides_no_pass():
    asked = [objective("p9999", "<", 1_000)]
    verdict = judge_case(asked, [with_samples(10_000), with_samples(40)])
    assert verdict.state is None
    (outcome,) = verdict.outcomes
    assert (outcome.held, outcome.samples_needed, outcome.samples_fewest) == (None, 10_000, 40)
    assert judge_case(asked, [with_samples(10_000)] * 2).state == "PASS"
    # One of 40 above the bound is more than one of 10,000.
    assert judge_case(asked, [with_samples(40, p9999_us=1_500)]).state == "FAIL"
    # That p9999 is above something cannot be known from 40 samples either.
    assert judge_case([objective("p9999", ">", 100)], [with_samples(40)]).state is None


def test_an_objective_that_fails_decides_beside_one_that_cannot_be_judged():
    asked = [objective("p9999", "<", 1_000), objective("p50", "<", 1)]
    assert judge_case(asked, [with_samples(40)]).state == "FAIL"


def test_answers_are_to_be_as_expected_unless_the_plan_speaks_of_errors():
    wrong = measured(status={"500": LOAD.requests.completed})
    verdict = judge_case([objective("p99", "<", 1_500)], [measured(), wrong])
    assert verdict.state == "FAIL"
    assert [(one.objective.text, one.implicit, one.repeats_failed) for one in verdict.outcomes][1:] == [
        ("answers are as expected", True, 1)
    ]
    assert judge_case([], [wrong]).state == "FAIL"
    fine = measured(status={"404": LOAD.requests.completed}, status_expected=(404,))
    assert judge_case([objective("p99", "<", 1_500)], [fine]).state == "PASS"
    for asked in (objective("errors", "<", 10**6), objective("unexpected", "<", 10**6)):
        assert judge_case([asked], [wrong]).state == "PASS"
    assert judge_case([objective("p99", "<", 1_500)], [wrong], doubt="inflates").state is None


def test_achieved_is_of_what_was_intended():
    drawn = measured(
        rate_per_s__requested=100.0,
        requests__intended=374,
        requests__completed=374,
        rate_per_s__achieved=93.0,
        window_s=4.0,
    )
    assert metric_value("achieved", drawn) == 1.0
    short = measured(requests__intended=400, requests__completed=119, requests__unsent=281)
    assert metric_value("achieved", short) == pytest.approx(0.2975)
    assert metric_value("unanswered", short) == 281


def with_ours(p99_us: int, ours_us: int) -> Measured:
    ours = Percentiles(mean=0.0, p50=0, p75=0, p90=0, p99=ours_us, p999=ours_us, p9999=ours_us, max=ours_us)
    return measured(p99_us, latency_ours_us=ours)


def test_a_latency_that_fails_only_by_what_may_be_ours_is_no_fail():
    asked = [objective("p99", "<", 1_000)]
    verdict = judge_case(asked, [with_ours(1_500, 600), with_ours(900, 0)])
    assert (verdict.state, verdict.outcomes[0].held, verdict.outcomes[0].ours) == (None, False, True)
    # One repeat is enough, and so is another objective.
    assert judge_case(asked, [with_ours(1_500, 600), with_ours(1_500, 400)]).state == "FAIL"
    assert judge_case([*asked, objective("errors", ">", 0)], [with_ours(1_500, 600)]).state == "FAIL"
    # What would have to be greater is helped by it.
    assert judge_case([objective("p99", ">", 2_000)], [with_ours(1_500, 600)]).state == "FAIL"


@pytest.mark.parametrize(
    ("metric", "lost", "held"),
    [
        ("p99", 80, True), ("p99", 81, False), ("p90", 800, True), ("p90", 801, False), ("p50", 4_000, True),
        ("max", 0, True), ("max", 1, False), ("mean", 1, False),
    ],
)  # fmt: skip
@pytest.mark.parametrize("how", ["timed_out", "unsent", "failed", "in_flight"])
def test_a_bound_does_not_hold_where_it_may_be_that_of_a_request_without_an_answer(metric, lost, held, how):
    trial = measured(requests__intended=8_000, requests__completed=8_000 - lost, **{f"requests__{how}": lost})
    verdict = judge_case([objective(metric, "<", 1e9)], [trial])
    assert verdict.state == ("PASS" if held else "FAIL")
    assert verdict.outcomes[0].repeats_failed == (0 if held else 1)
    assert verdict.outcomes[0].lost == (() if held else (lost,))
    # A lower bound holds all the more, and what was asked of answers is not about the rest.
    assert judge_case([objective(metric, ">", 1)], [trial]).state == "PASS"
