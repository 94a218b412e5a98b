"""Which trial comes next, by the plan and by what has been: the planned ones in their order, and then those made again.

The answer depends on nothing but the plan and the history, so a run that was cut off goes on from its record
(:mod:`seatrial.run.resume`).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from seatrial.analysis.reasons import Validity
from seatrial.analysis.run.attempts import missing
from seatrial.plan.cases import Case, again_order, trial_order
from seatrial.plan.model.plan import Plan
from seatrial.seeds import derive


@dataclass(frozen=True, slots=True)
class TrialPlan:
    """Which trial this is: the ``repeat``-th of ``case``, ``order``-th of ``of``; all count from 1.

    Trials that were cut off and are run anew count in ``order`` and ``of``: each has a number of its own.

    ``seed`` is the trial's own; each who draws at random derives a stream of its own from it.
    """

    case: Case
    repeat: int
    order: int
    of: int
    seed: int


@dataclass(frozen=True, slots=True)
class Past:
    """A trial that was made, and whether it may be believed."""

    case_id: str
    validity: Validity


class Agenda:
    """The trials of one run."""

    def __init__(self, plan: Plan, cases: tuple[Case, ...], lost: int = 0) -> None:
        """Plan them; ``lost`` numbers are taken by trials that were cut off, which are in no history."""
        self._plan = plan
        self._cases = cases
        self._lost = lost
        self._planned = tuple(case for case, _ in trial_order(plan, cases))

    @property
    def plan(self) -> Plan:
        """The plan."""
        return self._plan

    @property
    def cases(self) -> tuple[Case, ...]:
        """Its cases."""
        return self._cases

    @property
    def planned(self) -> int:
        """How many trials there are to be, whatever comes of them."""
        return len(self._planned)

    @property
    def in_all(self) -> int:
        """The number that the last planned trial has."""
        return len(self._planned) + self._lost

    def is_of(self, history: Sequence[Past]) -> bool:
        """Return whether these can be trials of this agenda, as far as it is known beforehand."""
        return all(past.case_id == case.id for past, case in zip(history, self._planned, strict=False))

    def next(self, history: Sequence[Past]) -> TrialPlan | None:
        """Return the trial that follows ``history``, None where all is done.

        Once the planned ones are over, turns of those cases follow that lack trials which can be believed; a turn has
        each of them once, and is decided by what was there when it began.
        """
        turn, begun, number = self._planned, 0, 0
        while turn:
            if len(history) < begun + len(turn):
                return self._trial(turn[len(history) - begun], history, begun + len(turn))
            begun, number = begun + len(turn), number + 1
            turn = self._again(history[:begun], number)
        return None

    def _again(self, history: Sequence[Past], turn: int) -> tuple[Case, ...]:
        plan, validities = self._plan, defaultdict(list)
        for past in history:
            validities[past.case_id].append(past.validity)
        lacking = {case.id: missing(validities[case.id], plan.repeat, plan.retry) for case in self._cases}
        return again_order(plan, self._cases, lacking, turn) if plan.retry else ()

    def _trial(self, case: Case, history: Sequence[Past], of: int) -> TrialPlan:
        place = len(history) + 1
        repeat = 1 + sum(past.case_id == case.id for past in history)
        # One that is run anew has another number, and all that its chance decides is as it was.
        seed = derive(self._plan.seed, "trial", place)
        return TrialPlan(case, repeat, place + self._lost, of + self._lost, seed)
