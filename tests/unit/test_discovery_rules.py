"""A trial of a discoverer is doubted for what stands around it: the gate, the watch, calls that nobody counted."""

from __future__ import annotations

from dataclasses import replace

import pytest

from seatrial.analysis.discovery.use import DiscoveryUse, discovery_use
from seatrial.analysis.validity.evidence import TrialEvidence
from seatrial.analysis.validity.judge import judge_trial
from seatrial.discovery.facts import CallFigures, StepFacts

STEP = StepFacts("all", 1.0, 9.0, 3)


def use_of(*steps: StepFacts, gate_cores: float | None = None) -> DiscoveryUse:
    use = discovery_use(steps, (), (), gate_cores=gate_cores)
    assert use is not None
    return use


def codes_of(use: DiscoveryUse) -> dict[str, str]:
    found = judge_trial(TrialEvidence("completed", None, discovery=use)).reasons
    return {reason.code: reason.direction for reason in found}


NONE = codes_of(use_of(STEP))


@pytest.mark.parametrize(
    ("use", "code", "direction"),
    [
        (use_of(STEP, gate_cores=0.79), None, ""),
        (use_of(STEP, gate_cores=0.8), "generator.gate", "inflates"),
        (use_of(STEP, replace(STEP, step="new", missed=1)), "environment.watch", "inflates"),
        (use_of(replace(STEP, lag_s=(0.004, 0.99))), None, ""),
        (use_of(replace(STEP, lag_s=(0.004, 1.0))), "environment.watch_late", "inflates"),
        (use_of(replace(STEP, calls=CallFigures(lost=1))), "generator.calls_lost", "either"),
    ],
)
def test_what_makes_its_numbers_doubtful_is_named(
    use: DiscoveryUse, code: str | None, direction: str
) -> None:
    expected = {} if code is None else {code: direction}
    assert codes_of(use) == NONE | expected
