"""Trials of real plans that are made up: the agenda, the record and all that is derived are the real ones."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tests.support.made_run import ENVIRONMENT, Twist, trial_events

from seatrial.run import plan as run_plan_module
from seatrial.run.places.machine import OnThisMachine

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pytest

    from seatrial.record.events import Event
    from seatrial.run.agenda import TrialPlan
    from seatrial.run.ending import Ending
    from seatrial.run.trial import Desk

Twists = dict[int, Twist]


def happened(trial: TrialPlan, twist: Twist) -> list[Event]:
    """Return everything that happens in a trial."""
    load = trial.case.load
    sizes = {
        "connections": load.connections,
        "active": load.active,
        "rate_per_s": int(load.rate_per_s or 0),
    }
    case = {"id": trial.case.id, "system": trial.case.system.label, "load": sizes}
    return list(trial_events(trial.order, trial.repeat, case, trial.of, twist))


def make_trials_up(
    monkeypatch: pytest.MonkeyPatch, twists: Twists, environment: Mapping[str, Any] = ENVIRONMENT
) -> list[TrialPlan]:
    """Have runs make their trials up: number n goes as ``twists[n]`` has it. Return those that are run, as they are."""
    made: list[TrialPlan] = []

    async def made_trial(trial: TrialPlan, desk: Desk, _ending: Ending) -> None:
        made.append(trial)
        for event in happened(trial, twists.get(trial.order, Twist())):
            desk.record(event)

    monkeypatch.setattr(run_plan_module, "run_trial", made_trial)

    async def found(*_: object) -> tuple[tuple[str, ...], Mapping[str, Any]]:
        return (), environment

    monkeypatch.setattr(OnThisMachine, "found", found)
    return made
