"""The agenda: what comes next follows from the plan and from what has been, wherever one begins to ask."""

from __future__ import annotations

import random

import pytest
from tests.support.made_run import PLAN_TEXT

from seatrial.analysis.reasons import Reason, Validity
from seatrial.plan.cases import compile_cases
from seatrial.plan.read import parse_plan
from seatrial.run.agenda import Agenda, Past, TrialPlan

PLAN = parse_plan(PLAN_TEXT, "made.yaml")
CASES = compile_cases(PLAN)
BELIEVED = Validity()
LATE = Validity((Reason("generator.late", "", "", "inflates"),))
SYSTEM = Validity((Reason("system.counts", "", ""),))


def whole_run(agenda: Agenda, validity_of: dict[int, Validity]) -> list[TrialPlan]:
    made: list[TrialPlan] = []
    history: list[Past] = []
    while (trial := agenda.next(history)) is not None:
        made.append(trial)
        history.append(Past(trial.case.id, validity_of.get(trial.order, BELIEVED)))
    return made


def test_every_case_has_its_repeats_and_no_more() -> None:
    made = whole_run(Agenda(PLAN, CASES), {})
    assert len(made) == len(CASES) * PLAN.repeat == Agenda(PLAN, CASES).planned
    assert [trial.order for trial in made] == list(range(1, len(made) + 1))
    assert sorted((trial.case.id, trial.repeat) for trial in made) == sorted(
        (case.id, repeat) for case in CASES for repeat in (1, 2)
    )


def test_a_turn_has_each_case_that_lacks_trials_once() -> None:
    made = whole_run(Agenda(PLAN, CASES), {1: LATE, 2: LATE, 25: LATE})
    again = made[24:]
    assert {trial.case.id for trial in again[:2]} == {made[0].case.id, made[1].case.id}
    assert [trial.of for trial in again] == [26, 26, 27]
    assert [trial.repeat for trial in again] == [3, 3, 4]


def test_what_is_the_systems_own_is_not_made_again() -> None:
    assert len(whole_run(Agenda(PLAN, CASES), {1: SYSTEM})) == 24
    without = PLAN.model_copy(update={"retry": 0})
    assert len(whole_run(Agenda(without, CASES), {1: LATE})) == 24


@pytest.mark.parametrize("seed", range(20))
def test_a_run_that_is_gone_on_with_makes_the_trials_that_it_would_have_made(seed: int) -> None:
    chance = random.Random(seed)
    validities = {order: chance.choice((BELIEVED, BELIEVED, LATE, SYSTEM)) for order in range(1, 200)}
    made = whole_run(Agenda(PLAN, CASES), validities)
    for cut in range(len(made) + 1):
        history = [Past(trial.case.id, validities[trial.order]) for trial in made[:cut]]
        following = Agenda(PLAN, CASES).next(history)
        assert following == (made[cut] if cut < len(made) else None)
