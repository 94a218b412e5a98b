"""Figures of a discovery, held against arithmetic by hand and other readers."""

from __future__ import annotations

import random
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, Counter, Gauge, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from seatrial.analysis.discovery.limiter import limiter_of
from seatrial.analysis.discovery.metrics import came_s, counts_itself, discovered_count, discovered_in
from seatrial.analysis.discovery.queue import queue_use
from seatrial.analysis.discovery.use import discovery_use
from seatrial.discovery.calls import call_figures
from seatrial.discovery.facts import CallFigures, QueueSample, StepFacts
from seatrial.discovery.page import value_of
from seatrial.record.events import MilestoneReached

MS = 1_000_000


def call(begun_ms: int, ended_ms: int, **more: Any) -> dict[str, Any]:
    own = {"verb": "create", "resource": "services", "status": 201, "upstream_ns": 0, "fault": None}
    return {"began_ns": begun_ms * MS, "ended_ns": ended_ms * MS, **own, **more}


@given(st.lists(st.tuples(st.integers(0, 300), st.integers(0, 60)), min_size=1, max_size=40))
def test_calls_under_way_are_counted_millisecond_by_millisecond(spans: list[tuple[int, int]]) -> None:
    figures = call_figures([call(begin, begin + length) for begin, length in spans])
    at_once = [sum(begin <= ms < begin + length for begin, length in spans) for ms in range(361)]
    busy_ms = sum(count > 0 for count in at_once)
    assert figures.busy_s == pytest.approx(busy_ms / 1e3)
    assert figures.total == len(spans)
    if busy_ms:
        assert figures.in_flight_mean == pytest.approx(sum(at_once) / busy_ms)


def test_what_is_read_before_the_first_write_is_counted_and_is_no_part_of_how_it_writes() -> None:
    figures = call_figures(
        [
            call(0, 500, verb="list"),
            call(0, 9_000, verb="watch"),
            call(1_000, 1_010, upstream_ns=8 * MS),
            call(1_020, 1_030, upstream_ns=9 * MS),
            call(1_100, 1_200, status=409, fault="status"),
            call(1_300, 1_310, verb="update", resource="leases"),
        ]
    )
    assert figures.by_verb == {"list services": 1, "create services": 3, "update leases": 1}
    assert (figures.writes, figures.refused) == (3, {"409": 1})
    assert figures.first_write_s == 1.0
    assert figures.busy_s == pytest.approx(0.130)
    assert figures.own_s_p50 == pytest.approx(0.0015)


def test_nothing_called_is_nothing() -> None:
    assert call_figures([call(0, 10, verb="watch")], lost=3) == CallFigures(lost=3)


def test_a_page_is_read_as_the_library_of_prometheus_reads_it() -> None:
    registry = CollectorRegistry()
    depth = Gauge("workqueue_depth", "Items.", ("name", "shard"), registry=registry)
    Gauge("workqueue_depth_max", "Another.", registry=registry).set(99)
    Counter("done", "Items.", registry=registry).inc(7)
    chance = random.Random(3)
    for name in ("mirroring", "other", 'odd"} 5'):
        for shard in ("0", "1"):
            depth.labels(name, shard).set(chance.choice([0, 3, 1e9, 2.5]))
    text = generate_latest(registry).decode()
    series = [
        sample for family in text_string_to_metric_families(text) for sample in family.samples
        if sample.name == "workqueue_depth"
    ]  # fmt: skip
    own = [one.value for one in series if one.labels["name"] == "mirroring"]
    assert value_of(text, 'workqueue_depth{name="mirroring"}') == sum(own)
    assert value_of(text, 'workqueue_depth{name="mirroring",shard="1"}') == own[1]
    assert value_of(text, "workqueue_depth") == sum(one.value for one in series)
    assert value_of(text, "done_total") == 7
    assert value_of(text, 'workqueue_depth{name="none"}') is None
    assert value_of(text, "") is None


def first(calls: CallFigures, source_calls: int | None = None) -> StepFacts:
    return StepFacts("all", 100.0, 200.0, 10, calls=calls, source_calls=source_calls)


@pytest.mark.parametrize(
    ("busy_s", "in_flight", "first_write_s", "cpu", "what"),
    [
        (0.5, 1.0, 101.0, 0.1, "its own rate"),
        (0.5, 1.0, 101.0, 0.95, "its own CPU"),
        (9.5, 1.02, 101.0, 0.2, "one call at a time"),
        (9.5, 7.0, 101.0, 0.2, "the API server"),
        (9.5, 7.0, 101.0, 1.5, "the API server"),
        (6.0, 7.0, 101.0, 0.2, None),
        (0.5, 1.0, 130.0, 0.1, "reading the source"),
    ],
)
def test_what_holds_it_up_is_named_by_its_calls(
    busy_s: float, in_flight: float, first_write_s: float, cpu: float, what: str | None
) -> None:
    calls = CallFigures({"create services": 50}, {}, busy_s, in_flight, 0.004, 0.0001, first_write_s)
    limiter = limiter_of(first(calls, 12), first_write_s + 10.0, cpu)
    assert limiter is not None
    assert limiter.what == what
    assert limiter.calls_per_s == 5.0
    assert "5.0 calls/s" in limiter.sentence


def test_of_hardly_any_calls_nothing_is_said() -> None:
    assert (
        limiter_of(first(CallFigures({"create services": 5}, {}, 0.5, 1.0, 0.1, 0.1, 101.0)), 110.0, 0.1)
        is None
    )


def test_a_queue_is_what_its_looks_say() -> None:
    steps = [StepFacts("all", 10.0, 20.0, 5), StepFacts("end", 30.0, 40.0, 5)]
    looks = [
        QueueSample(11.0, 80.0, 100.0, 20.0, 0.0), QueueSample(12.0, 100.0, 130.0, 30.0, 0.0),
        QueueSample(17.0, 0.0, 130.0, 129.0, 1.0), QueueSample(35.0, 2.0, 140.0, 136.0, 1.0),
        QueueSample(45.0, 0.0, 140.0, 138.0, 1.0),
    ]  # fmt: skip
    use = queue_use(looks, steps)
    assert use is not None
    assert (use.peak, use.left, use.emptied_s, use.drained_per_s) == (100, 2, 7.0, 20.0)
    # Of 140 items 138 were done, and one dropped.
    assert use.unaccounted == 1
    assert queue_use([], steps) is None


def test_a_page_that_was_silent_at_the_end_says_nothing_of_what_was_left() -> None:
    steps = [StepFacts("all", 10.0, 20.0, 5), StepFacts("end", 30.0, 40.0, 5)]
    looks = [QueueSample(11.0, 8.0, 10.0, 2.0), QueueSample(29.0, 0.0, 10.0, 10.0)]
    use = queue_use(looks, steps)
    assert use is not None
    assert (use.left, use.unaccounted, use.peak) == (None, None, 8)
    of_end = queue_use([*looks, QueueSample(39.0, 0.0, 10.0, 10.0)], steps)
    assert of_end is not None
    assert (of_end.left, of_end.unaccounted) == (0, 0)
    cut_off = queue_use(
        [*looks, QueueSample(39.0, 0.0, 10.0, 10.0)], [steps[0], replace(steps[1], cut_off=True)]
    )
    assert cut_off is not None
    assert (cut_off.left, cut_off.unaccounted) == (None, None)


def test_of_counters_that_began_anew_nothing_is_accounted_for() -> None:
    steps = [StepFacts("all", 10.0, 20.0, 5), StepFacts("end", 30.0, 40.0, 5)]
    use = queue_use([QueueSample(29.0, 3.0, 10.0, 7.0), QueueSample(39.0, 0.0, 2.0, 2.0)], steps)
    assert use is not None
    assert (use.left, use.unaccounted) == (0, None)


@pytest.mark.parametrize("value", ["NaN", "-5", "+Inf", "1e309", "-Inf", "nothing"])
def test_a_number_that_no_count_can_be_is_none(value: str) -> None:
    assert value_of(f"q {value}\n", "q") is None
    assert value_of(f'q{{a="1"}} {value}\nq{{a="2"}} 3\n', "q") == 3


def milestones(subject: str, change: str, asked_s: float, *seen_s: float) -> list[MilestoneReached]:
    of = (1, subject, change, 1)
    found = [MilestoneReached(*of, "asked", "source", asked_s, asked_s)]
    return found + [MilestoneReached(*of, "replicated", "destination", at_s, at_s) for at_s in seen_s]


def test_times_are_from_the_change_to_the_first_time_that_it_was_there() -> None:
    seen = [
        *milestones("a", "all", 10.0, 12.0, 19.0),
        *milestones("b", "all", 10.0, 13.5),
        *milestones("c", "all", 10.0),
    ]
    use = discovery_use([StepFacts("all", 10.0, 30.0, 3, missing=1)], seen, ())
    assert use is not None
    (step,) = use.steps
    assert step.times_s == (2.0, 3.5)
    # One never came: the time until all were there is at least what was waited.
    assert discovered_in("discovered_all", use) == (20.0, 1)
    assert discovered_in("discovered_first", use) == (2.0, 0)
    assert discovered_in("discovered_new", use) == (None, 0)
    assert discovered_count("not_discovered", use) == 1
    assert discovered_count("idle_writes", use) is None


def test_what_the_measure_phase_cut_off_is_no_time() -> None:
    cut_off = StepFacts("all", 10.0, 30.0, 3, missing=1, cut_off=True)
    use = discovery_use([cut_off], [*milestones("a", "all", 10.0, 12.0), *milestones("b", "all", 10.0)], ())
    # It is the least that it can have been: no figure to fit, and none for a table.
    assert discovered_in("discovered_all", use) == (20.0, 0)
    assert came_s("discovered_all", use) is None
    assert came_s("discovered_first", use) == 2.0
    assert came_s("discovered_new", use) is None


def test_what_is_missing_at_the_end_is_not_counted_twice() -> None:
    steps = [StepFacts("delete", 1.0, 2.0, 5, missing=2), StepFacts("end", 3.0, 4.0, 9, missing=2)]
    use = discovery_use(steps, (), ())
    assert use is not None
    assert use.missing == 2


@pytest.mark.parametrize(
    ("promised", "metric", "is_counted"),
    [
        ((), "queue_left", False),
        (("depth",), "queue_left", True),
        (("depth",), "unaccounted", False),
        (("depth", "enqueued", "done"), "unaccounted", True),
    ],
)
def test_what_a_page_should_have_is_asked_for_though_it_never_showed_it(
    promised: tuple[str, ...], metric: str, is_counted: bool
) -> None:
    use = discovery_use([StepFacts("all", 1.0, 2.0, 5, promised=promised)], (), ())
    assert counts_itself(metric, use) is is_counted
