"""What a system counted between two readings, whatever became of its members meanwhile."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, cast

import pytest

from seatrial.machine.address import Endpoint
from seatrial.machine.place import ThisMachine
from seatrial.plan.model.during import DisturbancePlan
from seatrial.run.testbed import bed
from seatrial.systems.base import Launch
from seatrial.systems.counters import Counted, Counters, OriginCounts, Reading, counted_between
from seatrial.topology.options import TopologyPlan

if TYPE_CHECKING:
    from collections.abc import Collection

    from seatrial.systems.base import Origin, System


def reading(requests: int | None, upstream: int | None = None, incarnation: str = "1@1") -> Reading:
    return Reading(incarnation, None, None, requests, upstream, {})


def counters(**members: Reading) -> Counters:
    return Counters(0.0, members)


def test_what_members_counted_is_added_up():
    before = counters(a=reading(100, 90), b=reading(7, 7, "2@1"))
    after = counters(a=reading(150, 140), b=reading(10, 10, "2@1"))
    assert counted_between(before, after) == Counted(53, 53)
    assert (after.requests, after.upstream_requests, after.connections_active) == (160, 150, None)


def test_a_member_that_was_restarted_makes_nothing_negative_and_is_named():
    before = counters(a=reading(100), b=reading(70))
    after = counters(a=reading(150), b=reading(3, incarnation="1@9"))
    assert counted_between(before, after) == Counted(
        uncounted=("b was restarted, and what it had counted before that is not known",)
    )


def test_a_member_that_has_gone_is_named():
    assert counted_between(counters(a=reading(100), b=reading(70)), counters(a=reading(150))) == Counted(
        uncounted=("b has gone, and what it had counted with it",)
    )


def test_a_member_that_came_later_has_counted_from_zero():
    after = counters(a=reading(150), b=reading(3))
    assert counted_between(counters(a=reading(100)), after) == Counted(53)


@pytest.mark.parametrize(("earlier", "later"), [(None, None), (None, 5), (5, None)])
def test_what_one_member_does_not_know_is_not_known_of_all(earlier: int | None, later: int | None):
    before = counters(a=reading(0, earlier), b=reading(0, 0))
    after = counters(a=reading(9, later), b=reading(1, 1))
    assert counted_between(before, after) == Counted(10)


def test_where_nobody_counts_nothing_is_known():
    assert counted_between(counters(), counters()) == Counted()
    assert counters().requests is None


class Restarted:
    """A system whose one member is another incarnation whenever it is asked, and an origin that counts on."""

    def __init__(self) -> None:
        self.asked = 0

    async def start(self, _launch: object) -> tuple[()]:
        return ()

    async def settings(self) -> tuple[()]:
        return ()

    async def drained(self, _limit_s: float) -> bool:
        return True

    async def configuration(self) -> dict[str, dict[str, str]]:
        return {"proxy": {"config": str(self.asked // 10)}}

    async def counters(self, *, exact: bool) -> Counters:
        self.asked += 1
        return counters(proxy=reading(1_000 // self.asked, incarnation=f"{self.asked}@1"))

    async def counts(self) -> OriginCounts:
        self.asked += 10
        return OriginCounts(self.asked, {})


class Paused(Restarted):
    """An origin of six addresses that keeps which of them were to stand still."""

    def __init__(self) -> None:
        super().__init__()
        self.paused: list[tuple[int, ...]] = []

    def proxies(self) -> tuple[()]:
        return ()

    async def start(self, launch: Launch) -> tuple[Endpoint, ...]:  # type: ignore[override]
        return tuple(Endpoint(f"127.0.0.{last}", 80) for last in range(1, launch.listens + 1))

    async def pause(self, endpoints: Collection[int]) -> None:
        self.paused.append(tuple(endpoints))


def test_the_endpoint_that_is_paused_is_the_service_s_own_however_many_it_has_by_then(tmp_path):
    async def trial() -> None:
        origin = Paused()
        made = bed.Testbed(
            cast("System", Paused()), cast("Origin", origin), "proxy", delay_s=60,
            topology_plan=TopologyPlan(routes=2, endpoints=2),
            during=(DisturbancePlan(at_s=1, do="add endpoints"),),
        )  # fmt: skip
        await made.set_up(
            lambda label, topology: Launch(tmp_path, tmp_path, topology, 10, ThisMachine(), label), 1.0
        )
        await made.pause_endpoint(2, None, 0.0)
        await made.change_topology(made.during[0].changed)
        await made.pause_endpoint(3, "service-1", 0.0)
        # Two services of three addresses each, of which the third is in hand at first.
        assert origin.paused == [(1, 4), (), (5,), ()]

    asyncio.run(trial())


def test_a_trial_says_that_its_system_was_restarted_and_keeps_what_its_origin_counted(tmp_path):
    async def trial() -> None:
        made = bed.Testbed(cast("System", Restarted()), cast("Origin", Restarted()), "proxy")
        await made.set_up(
            lambda label, topology: Launch(tmp_path, tmp_path, topology, 10, ThisMachine(), label), 1.0
        )
        counts, facts = await made.counts(10)
        assert (counts.system_requests, counts.origin_requests) == (None, 10)
        assert facts.uncounted == (
            "system: proxy was restarted, and what it had counted before that is not known",
        )

    asyncio.run(trial())
