"""What a trial of a discoverer is judged by where its course did not come to its end."""

from __future__ import annotations

from dataclasses import replace

import pytest
from tests.unit.test_analysis_judgement import CHANGES_SEEN, FACTS, measured, objective

from seatrial.analysis.discovery.use import discovery_use
from seatrial.analysis.measured import Measured
from seatrial.analysis.run.objectives import judge_case
from seatrial.discovery.facts import QueueSample, StepFacts

SAMPLES = (QueueSample(1.0, 2.0, 4.0, 2.0), QueueSample(60.0, 0.0, 4.0, 4.0))
ENDED = [facts.step for facts in FACTS]


def trial(
    *steps: str,
    missing: int = 0,
    relapses: int = 0,
    samples: tuple[QueueSample, ...] = SAMPLES,
) -> Measured:
    """Return one that came to these steps; ``missing`` and ``relapses`` are of the first."""
    facts = [facts for facts in FACTS if facts.step in steps]
    first: StepFacts = replace(facts[0], missing=missing, relapses=relapses)
    use = discovery_use((first, *facts[1:]), CHANGES_SEEN, samples)
    return replace(measured(), discovers=True, discovery=use)


def test_what_fails_is_a_fail_though_a_step_was_not_come_to() -> None:
    asked = [objective("not_discovered", "==", 0), objective("discovered_in_storm", "<", 1e9)]
    verdict = judge_case(asked, [trial("all", "new", missing=3)])
    assert (verdict.state, [one.held for one in verdict.outcomes]) == ("FAIL", [False, None])


def test_what_holds_is_no_pass_where_a_step_was_not_come_to() -> None:
    asked = [objective("discovered_new", "<", 1e9), objective("discovered_in_storm", "<", 1e9)]
    assert judge_case(asked, [trial(*ENDED)]).state == "PASS"
    verdict = judge_case(asked, [trial("all", "new")])
    assert (verdict.state, [one.held for one in verdict.outcomes]) == (None, [True, None])
    assert [one.unknown for one in verdict.outcomes] == [False, True]


@pytest.mark.parametrize("metric", ["not_discovered", "queue_left"])
def test_that_nothing_is_left_is_known_at_the_end_only(metric: str) -> None:
    asked = [objective(metric, "==", 0)]
    assert judge_case(asked, [trial(*ENDED)]).state == "PASS"
    (outcome,) = judge_case(asked, [trial("all", "new", "update")]).outcomes
    assert (outcome.held, outcome.unknown) == (None, True)


def test_of_a_queue_that_nobody_counts_nothing_is_asked() -> None:
    asked = [objective("queue_left", "==", 0), objective("discovered_all", "<", 1e9)]
    verdict = judge_case(asked, [trial(*ENDED, samples=())])
    assert (verdict.state, [one.held for one in verdict.outcomes]) == ("PASS", [None, True])


def test_what_comes_and_goes_is_an_objective() -> None:
    asked = [objective("relapses", "==", 0)]
    assert judge_case(asked, [trial(*ENDED)]).state == "PASS"
    verdict = judge_case(asked, [trial(*ENDED, relapses=2)])
    assert (verdict.state, verdict.outcomes[0].values) == ("FAIL", (2,))


@pytest.mark.parametrize(
    ("metric", "step"),
    [
        ("discovered_all", "all"), ("discovered_new", "new"), ("discovered_update", "update"),
        ("discovered_delete", "delete"), ("discovered_in_storm", "storm"), ("idle_writes", "idle"),
        ("not_discovered", "end"), ("relapses", "end"), ("queue_left", "end"), ("queue_peak", "end"),
        ("unaccounted", "end"),
    ],
)  # fmt: skip
def test_what_the_measure_phase_cut_off_neither_holds_nor_fails(metric: str, step: str) -> None:
    asked = [objective(metric, "<", 1e12)]
    assert judge_case(asked, [trial(*ENDED)]).state == "PASS"
    facts = [replace(one, cut_off=one.step == step, missing=one.step == step) for one in FACTS]
    seen = [one for one in CHANGES_SEEN if one.change != "storm new" or step != "storm"]
    use = discovery_use(facts, seen, SAMPLES)
    (outcome,) = judge_case(asked, [replace(measured(), discovers=True, discovery=use)]).outcomes
    assert (outcome.held, outcome.unknown, outcome.lost) == (None, True, ())


def test_what_was_not_there_within_its_bound_fails_though_it_was_cut_off() -> None:
    use = discovery_use([replace(FACTS[0], cut_off=True, missing=1)], CHANGES_SEEN, SAMPLES)
    cut_off = [replace(measured(), discovers=True, discovery=use)]
    # It was waited for 9 s.
    assert judge_case([objective("discovered_all", "<", 8e6)], cut_off).state == "FAIL"
    assert judge_case([objective("discovered_all", "<", 10e6)], cut_off).state is None
