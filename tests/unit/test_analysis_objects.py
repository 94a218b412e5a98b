"""How soon changes were live: arithmetic from made milestones is the judge."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from tests.unit.test_analysis_validity import GOOD, LOAD

from seatrial.analysis.measured import Measured
from seatrial.analysis.objects import ChangeUse, Probes, changes_in, gap, probes_of, quantile
from seatrial.analysis.resources import TrialResources
from seatrial.analysis.run.objectives import judge_case
from seatrial.analysis.run.said.sentences import value_text
from seatrial.analysis.validity.judge import judge_trial
from seatrial.generator.prober import Answers
from seatrial.plan.metrics import parse_objective
from seatrial.record.events import Milestone, MilestoneReached
from seatrial.record.facts import TrialCounts
from seatrial.record.tables.rows import RecordedObjective


def reached(
    subject: str, milestone: Milestone, at_s: float, place: str = "", **more: Any
) -> MilestoneReached:
    after_s = more.pop("after_s", at_s)
    return MilestoneReached(1, subject, "create", 1, milestone, place, at_s, after_s, **more)


def seen(subject: str, place: str, live_s: float, stable_s: float, **answers: int) -> list[MilestoneReached]:
    """What a prober says of one route at one proxy."""
    return [
        reached(subject, "live", live_s, place, after_s=live_s - 0.01, over="kept"),
        reached(subject, "stable", stable_s, place, after_s=stable_s - 0.01, over="kept", answers=answers),
    ]


def test_of_each_route_it_is_the_first_proxy_and_the_last() -> None:
    (use,) = changes_in(
        [
            reached("a", "asked", 100.0),
            reached("a", "status", 100.4, "one"),
            reached("a", "status", 100.6, "two"),
            *seen("a", "one", 100.2, 100.2, served=5),
            *seen("a", "two", 100.9, 101.5, **{"404": 7, "served": 6}),
            reached("b", "asked", 200.0),
            reached("b", "status", 200.1, "one"),
            *seen("b", "one", 200.3, 200.3, served=5),
            reached(
                "b", "not seen", 230.0, "two", over="kept", after_s=229.9, relapses=2, answers={"404": 3}
            ),
        ]
    )
    assert (use.change, use.over, use.made, use.places) == ("create", "kept", 2, 2)
    assert use.first_s == pytest.approx((0.2, 0.3))
    # b was never live at the second.
    assert use.every_s == pytest.approx((0.9,))
    assert use.stable_s == pytest.approx((1.5,))
    assert use.status_s == pytest.approx((0.1, 0.6))
    assert use.gap_s == pytest.approx((0.3,))
    assert (use.not_live, use.relapses) == (1, 2)
    assert use.known_to_s == pytest.approx((0.01, 0.01))
    assert use.answers == {"404": 10, "served": 16}


def test_a_route_that_is_created_again_is_another_change_each_time() -> None:
    rounds = [
        replace(one, generation=generation)
        for generation, begun_s, live_s in ((1, 10.0, 10.3), (2, 20.0, 20.1))
        for one in (reached("a", "asked", begun_s), *seen("a", "one", live_s, live_s, served=5))
    ]
    third = replace(reached("a", "asked", 30.0), generation=3)
    (use,) = changes_in([*rounds, third])
    assert (use.made, use.not_live) == (3, 1)
    assert use.every_s == pytest.approx((0.1, 0.3))


def test_what_was_lost_on_the_way_is_counted_with_when_since_its_change_was_begun() -> None:
    first, second, third = (
        replace(one, subject=subject, change="update")
        for subject, one in (
            ("a", reached("a", "stable", 10.5, "one", over="kept", lost=Answers(3, 10.1, 10.3))),
            ("a", reached("a", "not seen", 30.0, "two", over="kept", stale=Answers(4, 11.0, 12.5))),
            ("b", reached("b", "stable", 20.3, "one", over="kept", lost=Answers(1, 20.05, 20.05),
                          stale=Answers(2, 20.2, 20.3))),
        )
    )  # fmt: skip
    asked = [
        replace(reached(name, "asked", at_s), change="update") for name, at_s in (("a", 10.0), ("b", 20.0))
    ]
    live = [
        replace(reached(name, "live", at_s, place, over="kept"), change="update")
        for name, at_s, place in (("a", 10.4, "one"), ("a", 10.9, "two"), ("b", 20.1, "one"))
    ]
    (use,) = changes_in([*asked, *live, first, second, third])
    assert (use.lost, use.stale) == (4, 6)
    assert (use.lost_from_s, use.lost_to_s) == pytest.approx((0.05, 0.3))
    # Of each change from the first answer of the new generation at that proxy to the last of the old one there.
    assert use.mixed_s == pytest.approx((0.2, 1.6))
    (quiet,) = changes_in([*asked, *live])
    assert (quiet.lost, quiet.lost_from_s, quiet.lost_to_s, quiet.stale, quiet.mixed_s) == (
        0,
        None,
        None,
        0,
        (),
    )


def test_what_is_gone_over_new_connections_may_be_there_over_old_ones() -> None:
    kept, fresh = changes_in(
        [
            reached("a", "asked", 10.0),
            reached("a", "live", 10.1, "one", over="fresh"),
            reached("a", "stable", 10.1, "one", over="fresh"),
            reached("a", "live", 10.7, "one", over="kept"),
            reached("a", "stable", 10.7, "one", over="kept"),
        ]
    )
    assert (kept.over, fresh.over) == ("kept", "fresh")
    assert kept.every_s == pytest.approx((0.7,))
    assert fresh.every_s == pytest.approx((0.1,))


def test_a_change_that_nobody_looked_for_yet_is_not_live() -> None:
    (use,) = changes_in([reached("a", "asked", 10.0)])
    assert (use.not_live, use.every_s, use.known_to_s) == (1, (), None)
    assert changes_in([]) == ()


@pytest.mark.parametrize(
    ("fraction", "expected"), [(0.5, 2.0), (0.51, 3.0), (0.99, 4.0), (1.0, 4.0), (0.0, 1.0)]
)
def test_a_quantile_is_one_of_the_values(fraction: float, expected: float) -> None:
    assert quantile((1.0, 2.0, 3.0, 4.0), fraction) == expected
    assert quantile((), fraction) is None


def test_probes_are_counted_by_system_and_origin_and_those_without_an_answer_may_be() -> None:
    uses = changes_in(
        [
            reached("a", "asked", 1.0),
            *seen(
                "a",
                "one",
                2.0,
                2.0,
                **{
                    "404": 4,
                    "503": 1,
                    "served": 3,
                    "before": 2,
                    "elsewhere": 2,
                    "503 of the origin": 5,
                    "timeout": 3,
                },
            ),
        ]
    )
    assert probes_of(uses) == Probes(answered=17, passed_on=12, unclear=3)
    evidence = replace(GOOD, probes=probes_of(uses), changes=uses)
    done = GOOD.counts.generator_completed or 0
    for system, origin, agree in (
        (17, 12, True),
        (20, 15, True),
        (16, 12, False),
        (21, 12, False),
        (17, 11, False),
    ):
        counts = TrialCounts(done, done + system, done + 7, done + origin)
        codes = {reason.code for reason in judge_trial(replace(evidence, counts=counts)).reasons}
        assert ("system.counts" not in codes) == agree, (system, origin)


def of_times(change: str, *every_s: float, routes: int, over: str = "kept") -> ChangeUse:
    late = routes - len(every_s)
    return ChangeUse(change, over, routes, 1, (), tuple(sorted(every_s)), (), (), (), (), late, None, 0, {})


@pytest.mark.parametrize(
    ("text", "uses", "state"),
    [
        ("live_p99 < 2 s", [of_times("create", 0.1, 1.9, routes=2)], "PASS"),
        ("live_max < 1 s", [of_times("create", 0.1, routes=1), of_times("update", 1.1, routes=1)], "FAIL"),
        # Of 200 changes two may be late, and a third not.
        ("live_p99 < 2 s", [of_times("create", *[0.1] * 198, routes=200)], "PASS"),
        ("live_p99 < 2 s", [of_times("create", *[0.1] * 197, routes=200)], "FAIL"),
        ("live_p50 < 2 min", [of_times("create", routes=4)], "FAIL"),
        ("not_live == 0", [of_times("create", 0.1, routes=2)], "FAIL"),
        ("not_live == 0", [of_times("create", 0.1, 0.2, routes=2)], "PASS"),
        ("lost == 0", [replace(of_times("update", 0.1, routes=1), lost=1)], "FAIL"),
        ("lost <= 2", [replace(of_times("create", 0.1, routes=1), lost=1)] * 2, "PASS"),
        (
            "gone_max < 1 s",
            [of_times("delete", 0.1, routes=1), of_times("delete", 1.1, routes=1, over="fresh")],
            "FAIL",
        ),
        ("gone_max < 1 s", [of_times("create", 3.0, routes=1), of_times("delete", 0.1, routes=1)], "PASS"),
        # What ought to be known and is not decides nothing.
        ("live_max < 1 s", [], None),
    ],
)
def test_objectives_are_about_all_changes(text: str, uses: list[ChangeUse], state: str | None) -> None:
    parsed = parse_objective(text)
    objective = RecordedObjective(text, parsed.metric, parsed.comparison, parsed.threshold)
    trial = Measured(LOAD, TrialResources(()), changed=True, changes=tuple(uses))
    verdict = judge_case([objective], [trial], repeats=1)
    assert verdict.state == state, verdict
    # A load without a proxy has no routes that change.
    assert judge_case([objective], [replace(trial, changed=False, changes=())], repeats=1).state is None


@pytest.mark.parametrize(
    ("gaps_s", "said", "fraction", "expected"),
    [
        ((-0.2, 0.1, 0.3), 3, 0.5, (0.1, 0)),
        # Served before it was said is no gap.
        ((-0.2, -0.1), 2, 1.0, (0.0, 0)),
        # The third was said to be served, and never was.
        ((0.1, 0.3), 3, 0.5, (0.3, 0)),
        ((0.1, 0.3), 3, 0.99, (None, 1)),
        ((), 0, 0.5, (None, 0)),
    ],
)
def test_how_much_later_than_it_was_said_a_change_is_live(
    gaps_s: tuple[float, ...], said: int, fraction: float, expected: tuple[float | None, int]
) -> None:
    use = ChangeUse("create", "kept", 3, 1, (), (), (), (), (0.0,) * said, gaps_s, 0, None, 0, {})
    deleted = replace(use, change="delete", gap_s=(9.0,))
    assert gap([use, deleted], {"create"}, fraction) == expected


def test_changes_that_never_came_are_said_as_such_and_times_with_their_unit() -> None:
    use = ChangeUse("create", "kept", 3, 1, (0.5,), (0.5,), (0.5,), (), (), (), 2, None, 0, {})
    parsed = parse_objective("live_p50 < 1 s")
    asked = RecordedObjective("live_p50 < 1 s", parsed.metric, parsed.comparison, parsed.threshold)
    trial = Measured(LOAD, TrialResources(()), changed=True, changes=(use,))
    (outcome,) = judge_case([asked], [trial]).outcomes
    assert (outcome.held, outcome.lost) == (False, (2,))
    assert value_text("live_p50", 523_000) == "523 ms"
    assert value_text("during_p99", 2_500) == "2.5 ms"
