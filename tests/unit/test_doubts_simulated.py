"""The proof behind ``docs/concepts/doubts.md``: no PASS under doubt that the system without lateness would have failed.

Each seed is a system, a schedule and a generator that is late, run with the lateness and without, and judged by the
rules of the product. Each objective is set so that the system without lateness just fails it.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from functools import cache
from typing import TYPE_CHECKING

import pytest
from tests.support.late_queue import Discipline, Outcome, Scene, outcome, scene
from tests.support.loads import changed
from tests.unit.test_analysis_judgement import objective
from tests.unit.test_analysis_validity import LOAD

from seatrial._engine import Histogram
from seatrial.analysis.load.distribution import Distribution
from seatrial.analysis.load.histograms import distribution
from seatrial.analysis.measured import Measured, metric_value
from seatrial.analysis.resources import TrialResources
from seatrial.analysis.run.objectives import judge_case
from seatrial.analysis.validity.direction import direction_of_delay

if TYPE_CHECKING:
    from collections.abc import Mapping

SEEDS: Mapping[Discipline, int] = {"fifo": 1_000, "batch": 250, "shed": 250, "own": 250}
"""The figures of the docs are of 1,000 each."""
LATENCIES = ("p50", "p90", "p99", "p999", "mean", "max")
JUST_BELOW = 0.997
"""Histograms keep three digits: an objective this much below a value is one that the value does not meet."""


def recorded(of: Scene, seen: Outcome) -> Measured:
    requests = len(seen.latencies)
    last = distribution_of(seen.latenesses[-requests // 5 :])
    interval = replace(LOAD.intervals[-1], lateness_us={"p99": last.p99, "max": last.max})
    load = changed(
        LOAD,
        resolution_us=0,
        window_s=of.window / 1e6,
        requests__intended=requests,
        requests__sent=requests,
        requests__completed=requests - seen.timed_out,
        requests__timed_out=seen.timed_out,
        requests__failed=0,
        errors={},
        errors_in_window={},
        status={"200": requests - seen.errors, "503": seen.refused},
        latency_us=distribution_of(seen.latencies),
        lateness_us=distribution_of(seen.latenesses),
        intervals=(interval,),
    )
    return Measured(load, TrialResources(()), timeout_s=of.timeout / 1e6)


def distribution_of(values: tuple[float, ...]) -> Distribution:
    histogram = Histogram()
    for value in values:
        histogram.record(round(value))
    return distribution(histogram)


@cache
def compared(discipline: Discipline) -> tuple[tuple[Measured, Measured], ...]:
    """Return of each seed what was recorded with lateness, and what would have been without."""
    scenes = [scene(seed, discipline) for seed in range(SEEDS[discipline])]
    return tuple(
        (recorded(one, outcome(one, late=True)), recorded(one, outcome(one, late=False))) for one in scenes
    )


def wrong_passes(discipline: Discipline, *, by_rule: bool = True) -> Counter[str]:
    """Count the objectives that pass by what was recorded and fail by the truth; without the rules where asked so."""
    found: Counter[str] = Counter()
    for late, truth in compared(discipline):
        for metric in (*LATENCIES, "errors"):
            value = metric_value(metric, truth)
            assert value is not None
            if metric == "errors":
                if not value:
                    continue
                asked = objective(metric, "==", 0)
            else:
                asked = objective(metric, "<", value * JUST_BELOW)
            doubt = direction_of_delay(late.load) if by_rule else None
            found[metric] += judge_case([asked], [late], doubt=doubt, repeats=1).state == "PASS"
    return +found


@pytest.mark.parametrize("discipline", SEEDS)
def test_no_pass_under_doubt_is_one_that_lateness_made(discipline):
    assert wrong_passes(discipline) == {}


def test_in_the_order_of_arrival_lateness_makes_no_request_faster():
    """What the rule rests on, without the room to spare that it asks for: each latency is at least the true one."""
    for seed in range(100):
        one = scene(seed)
        late, truth = outcome(one, late=True), outcome(one, late=False)
        if not late.errors and not truth.errors:
            pairs = zip(late.latencies, truth.latencies, strict=True)
            assert all(late_us >= true_us * (1 - 1e-9) for late_us, true_us in pairs), seed


def test_without_the_conditions_there_would_be_some():
    """The rules have something to do: where they are not asked, lateness has made some a PASS."""
    assert wrong_passes("fifo", by_rule=False)["errors"] > 0
    assert sum(wrong_passes("own", by_rule=False).values()) > 0


def test_most_systems_that_are_well_within_their_objectives_keep_their_pass():
    kept = 0
    for late, _ in compared("fifo"):
        asked = [objective("p99", "<", late.load.latency_us.p99 * 2.1), objective("errors", "==", 0)]
        doubt = direction_of_delay(late.load)
        kept += judge_case(asked, [late], doubt=doubt, repeats=1).state == "PASS"
    assert kept > SEEDS["fifo"] / 4


def test_no_late_load_ever_fails():
    for late, _ in compared("fifo"):
        if direction_of_delay(late.load) == "inflates":
            assert judge_case([objective("p99", "<", 1)], [late], doubt="inflates").state is None
