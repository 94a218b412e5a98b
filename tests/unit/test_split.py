"""Splitting a load over workers: nothing is lost, nobody gets more than its descriptors allow."""

from __future__ import annotations

import itertools
import math
from fractions import Fraction

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from seatrial.errors import EnvironmentFault
from seatrial.generator.split import (
    RESERVED_DESCRIPTORS,
    WORKER_LIMIT,
    automatic_sources,
    split,
    worker_count,
)
from seatrial.preflight.ports import PORTS_PER_SOURCE
from seatrial.workload.profile import Stretch, constant
from seatrial.workload.spec import LoadSpec, Target

TARGET = Target("127.0.0.1", 80)
COUNTS = st.integers(0, 60_000)
LIMITS = st.integers(RESERVED_DESCRIPTORS + 10, 1_100_000)
WORKERS = st.none() | st.integers(1, 64)


def load(active: int, held: int, workers: int | None = None) -> LoadSpec:
    return LoadSpec(targets=(TARGET,), active=active, held=held, workers=workers, profile=constant(1000.0))


@given(active=COUNTS, held=COUNTS, limit=LIMITS, workers=WORKERS)
def test_shares_add_up_and_fit_the_descriptors(
    active: int, held: int, limit: int, workers: int | None
) -> None:
    assume((active + held) / (limit - RESERVED_DESCRIPTORS - 2) < WORKER_LIMIT)
    specs = split(load(active, held, workers), limit)
    assert sum(spec["active"] for spec in specs) == active
    assert sum(spec["held"] for spec in specs) == held
    assert all(spec["active"] + spec["held"] <= limit - RESERVED_DESCRIPTORS for spec in specs)
    assert [spec["worker"] for spec in specs] == list(range(len(specs)))
    assert len(specs) >= (workers or 1)


@given(active=COUNTS, held=COUNTS, limit=LIMITS, workers=WORKERS)
def test_shares_are_as_even_as_whole_numbers_allow(
    active: int, held: int, limit: int, workers: int | None
) -> None:
    assume((active + held) / (limit - RESERVED_DESCRIPTORS - 2) < WORKER_LIMIT)
    specs = split(load(active, held, workers), limit)
    held_shares = [spec["held"] for spec in specs]
    active_shares = [spec["active"] for spec in specs if spec["active"]]
    assert max(held_shares) - min(held_shares) <= 1
    assert not active_shares or max(active_shares) - min(active_shares) <= 1


@given(active=st.integers(1, 300), held=st.integers(0, 300), workers=st.integers(1, 64))
def test_every_slot_of_the_schedule_belongs_to_one_worker_that_can_send_it(
    active: int, held: int, workers: int
) -> None:
    """Worker i of n takes the slots k with k = i mod n. Those who only hold connections take none."""
    specs = split(load(active, held, workers), 20_000)
    carriers = [spec for spec in specs if spec["active"]]
    assert {spec["workers"] for spec in carriers} == {len(carriers)}
    assert [spec["worker"] for spec in carriers] == list(range(len(carriers)))
    # The engine refuses a worker whose number is not below the number that it shares with.
    assert all(spec["worker"] < spec["workers"] for spec in specs)
    assert all(spec["profile"][-1]["to_per_s"] == 1000.0 for spec in specs)


@given(active=st.integers(0, 3000), held=st.integers(0, 3000), limit=st.integers(100, 2000))
def test_the_connect_rate_is_that_of_all_workers_together(active: int, held: int, limit: int) -> None:
    specs = split(load(active, held), limit)
    total = sum(Fraction(spec["connect_rate_per_s"]) for spec in specs)
    assert float(total) == pytest.approx(2000.0)


@given(connections=st.integers(1, 100_000), limit=st.integers(1_000, 20_000))
def test_no_more_processes_than_needed(connections: int, limit: int) -> None:
    count = worker_count(load(0, connections), limit)
    room = limit - RESERVED_DESCRIPTORS - 2
    assert (count - 1) * room < connections <= count * room


@pytest.mark.parametrize(
    "limit", [0, 10, RESERVED_DESCRIPTORS, RESERVED_DESCRIPTORS + 1, RESERVED_DESCRIPTORS + 2]
)
def test_a_limit_that_leaves_no_room_is_said_to_be_too_low(limit: int) -> None:
    with pytest.raises(EnvironmentFault) as caught:
        split(load(1, 10), limit)
    assert f"{limit:,} descriptors" in (caught.value.cause or "")
    assert caught.value.next_step


def test_more_processes_than_a_machine_should_have_are_refused() -> None:
    with pytest.raises(EnvironmentFault):
        split(load(0, 10_000_000), 1024)


def test_a_million_connections_fit_under_a_hard_limit_of_20_000() -> None:
    specs = split(load(600, 1_000_000), 20_000)
    assert len(specs) == math.ceil(1_000_600 / (20_000 - RESERVED_DESCRIPTORS - 2))
    assert len({address for spec in specs for address in spec["sources"]}) == math.ceil(
        1_000_600 / PORTS_PER_SOURCE
    )


@given(connections=st.integers(0, 2_000_000), targets=st.integers(1, 4))
def test_sources_are_enough_for_their_ports(connections: int, targets: int) -> None:
    spec = LoadSpec(targets=(TARGET,) * targets, active=0, held=connections)
    sources = automatic_sources(spec)
    assert len(set(sources)) == len(sources)
    assert connections <= PORTS_PER_SOURCE * targets * max(1, len(sources))


@pytest.mark.parametrize(("ports", "sources"), [(28_232, 1), (1_000, 8), (50, 148), (1, 5_150)])
def test_a_small_range_of_ports_takes_more_sources(ports: int, sources: int) -> None:
    spec = LoadSpec(targets=(TARGET,), active=150, held=5_000)
    found = split(spec, 20_000, ports)[0]["sources"]
    assert len(found) == (sources if sources > 1 else 0)
    assert max(1, sources) * ports >= 5_150


def test_connections_that_are_opened_anew_take_the_ports_of_closed_ones_only_after_a_second() -> None:
    profile = (Stretch(10.0, 30_000.0, 30_000.0),)
    spec = LoadSpec(targets=(TARGET,), active=600, profile=profile, requests_per_connection=1)
    assert len(automatic_sources(spec)) == math.ceil(30_600 / PORTS_PER_SOURCE)


def test_sources_are_left_to_the_kernel_where_the_target_is_elsewhere() -> None:
    elsewhere = LoadSpec(targets=(Target("192.0.2.1", 80),), active=0, held=100_000)
    assert automatic_sources(elsewhere) == ()
    given_ones = LoadSpec(targets=(TARGET,), active=0, held=100_000, sources=("127.0.0.9",))
    assert split(given_ones, 1_000_000)[0]["sources"] == ["127.0.0.9"]


@pytest.mark.parametrize(("asked_s", "nap_ns"), [(None, 60_000), (0.0, 0), (1e-4, 100_000)])
def test_in_closed_loop_the_resolution_is_the_longest_nap(asked_s, nap_ns) -> None:
    closed = LoadSpec(targets=(TARGET,), loop="closed", resolution_s=asked_s)
    assert split(closed, 1024)[0]["resolution_ns"] == nap_ns


@pytest.mark.parametrize(
    ("rate_per_s", "workers", "resolution_ns"),
    [
        (1, 1, 500_000),
        (20_000, 1, 500_000),
        (30_000, 1, 333_333),
        (60_000, 2, 333_333),
        (1_000_000, 1, 250_000),
    ],
)
def test_a_step_of_the_automatic_grid_serves_ten_requests_within_bounds(
    rate_per_s: float, workers: int, resolution_ns: int
) -> None:
    spec = LoadSpec(targets=(TARGET,), active=10, profile=constant(rate_per_s), workers=workers)
    assert {part["resolution_ns"] for part in split(spec, 1024)} == {resolution_ns}
    fine = LoadSpec(targets=(TARGET,), profile=constant(rate_per_s), resolution_s=0.0)
    assert split(fine, 1024)[0]["resolution_ns"] == 0


@given(active=COUNTS, held=COUNTS, limit=LIMITS, workers=WORKERS)
def test_each_worker_goes_on_dealing_where_the_one_before_ended(
    active: int, held: int, limit: int, workers: int | None
) -> None:
    assume((active + held) / (limit - RESERVED_DESCRIPTORS - 2) < WORKER_LIMIT)
    specs = split(load(active, held, workers), limit)
    for before, after in itertools.pairwise(specs):
        assert after["first_active"] == before["first_active"] + before["active"]
        assert after["first_held"] == before["first_held"] + before["held"]
    assert (specs[0]["first_active"], specs[0]["first_held"]) == (0, 0)
