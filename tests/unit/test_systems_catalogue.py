"""Names of counters: found whatever else a page holds, and where one is not there its count is not known."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING, cast

import pytest

from seatrial.machine.place import ThisMachine
from seatrial.observe.system import values_of
from seatrial.run.testbed import bed
from seatrial.systems import catalogue
from seatrial.systems.base import Launch
from seatrial.systems.catalogue import Metric, absent
from seatrial.systems.counters import Counters, OriginCounts, Reading, counted_between
from seatrial.systems.registry import LOCAL

if TYPE_CHECKING:
    from pathlib import Path

    from seatrial.systems.base import Origin, System

NAMES = (
    Metric("requests", "new_total", 'side="front"', since="3.0"),
    Metric("requests", "old_total", until="2.9"),
)


@pytest.mark.parametrize(
    ("page", "is_there"),
    [
        ({'new_total{code="200",side="front"}': 5.0}, True),
        # The other side's series is another count.
        ({'new_total{code="200",side="back"}': 5.0}, False),
        ({'new_total_seconds{side="front"}': 5.0}, False),
        ({"old_total": 0.0}, True),
        ({}, False),
    ],
)
def test_a_name_of_any_version_is_found_with_its_labels(page: dict[str, float], is_there: bool) -> None:
    assert (not absent(NAMES, page)) is is_there


def test_what_is_absent_is_told_with_every_name_that_was_looked_for() -> None:
    assert absent(NAMES, {}) == {"requests": "new_total or old_total"}


def test_every_proxy_has_its_names_here() -> None:
    proxied = {kind for kind, options in LOCAL.items() if options.proxied}
    assert {kind for kind in proxied if getattr(catalogue, kind.upper())} == proxied


def reading(requests: int, **changes: object) -> Reading:
    return replace(Reading("1@1", 0, None, requests, requests, {}), **changes)  # type: ignore[arg-type]


RENAMED = {"requests": "new_total"}


def test_a_count_whose_name_is_absent_is_not_known_and_no_zero() -> None:
    before, after = (Counters(at_s, {"proxy": reading(0, absent=RENAMED)}) for at_s in (1.0, 2.0))
    counted = counted_between(before, after)
    assert (counted.requests, counted.upstream_requests) == (None, 0)


def test_a_name_that_comes_with_its_first_event_counts_from_0() -> None:
    before, after = Counters(1.0, {"proxy": reading(0, absent=RENAMED)}), Counters(2.0, {"proxy": reading(7)})
    assert counted_between(before, after).requests == 7


def test_a_sample_does_not_hold_what_is_absent() -> None:
    sample = values_of(reading(0, absent={**RENAMED, "connections_active": "open"}, connections_active=3))
    # Those are the kernel's then.
    assert sample == {"connections_active": 3.0, "upstream_requests": 0.0}


class Renamed:
    """A system that calls its requests otherwise than the catalogue knows, and an origin that counts."""

    asked = 0

    async def start(self, _launch: object) -> tuple[()]:
        return ()

    async def drained(self, _limit_s: float) -> bool:
        return True

    async def configuration(self) -> dict[str, dict[str, str]]:
        return {}

    async def settings(self) -> tuple[()]:
        return ()

    async def counters(self, *, exact: bool) -> Counters:
        return Counters(float(exact), {"proxy": reading(0, absent=RENAMED)})

    async def counts(self) -> OriginCounts:
        self.asked += 10
        return OriginCounts(self.asked, {})


@pytest.mark.parametrize("completed", [0, 10])
def test_a_trial_remarks_on_a_name_that_is_not_there(tmp_path: Path, completed: int) -> None:
    async def trial() -> None:
        made = bed.Testbed(cast("System", Renamed()), cast("Origin", Renamed()), "proxy")
        await made.set_up(
            lambda label, topology: Launch(tmp_path, tmp_path, topology, 10, ThisMachine(), label), 1.0
        )
        counts, facts = await made.counts(completed)
        assert (counts.system_requests, counts.origin_requests) == (None, 10)
        # Where nothing was asked for, there was nothing to count.
        said = ("requests: new_total is not among what the system counts",) if completed else ()
        assert facts.missing == said

    asyncio.run(trial())
