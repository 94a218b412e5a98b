"""How long a step waits for many services: as long as some come, and no longer."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Collection
from types import SimpleNamespace
from typing import Any, cast

import pytest

from seatrial.plan.model.discovery import DiscoveryPlan
from seatrial.run.discovery.apparatus import Apparatus
from seatrial.run.discovery.course import Course, OutOfTime, _Open

NAMES = frozenset({"a", "b", "c", "d"})
LIMIT_S = 0.4
LOOK_S = 0.01
Missing = Callable[[float], set[str]]


class _Coming:
    """A destination in which services come as ``missing`` has it, by the seconds that it has been looked at."""

    def __init__(self, missing: Missing) -> None:
        self._missing, self._began_s = missing, time.monotonic()

    async def until(self, names: Collection[str], limit_s: float) -> list[str]:
        for _ in range(max(1, round(limit_s / LOOK_S))):
            if not (left := self._missing(time.monotonic() - self._began_s)):
                break
            await asyncio.sleep(LOOK_S)
        return sorted(left & set(names))


class _Short(Course):
    """One in which a change may take 400 ms, so that the test does not."""

    _limit_s = LIMIT_S


def waited(missing: Missing, first_limit_s: float, left_s: float = 30.0) -> tuple[set[str], float, bool]:
    """Return who was missing in the end, how long that took, and whether the measure phase was over then."""
    plan = DiscoveryPlan()
    parts = SimpleNamespace(
        plan=plan, system=SimpleNamespace(period_s=0.1), destination=_Coming(missing), check=lambda: None
    )
    course = _Short(1, cast("Apparatus", parts), lambda _: None, 1)
    course._end_s = time.monotonic() + left_s
    step = _Open("all", "", 0.0)

    async def wait() -> bool:
        try:
            await course._while_they_come(step, NAMES, first_limit_s)
        except OutOfTime:
            return True
        return False

    began_s = time.monotonic()
    is_out: Any = asyncio.run(wait())
    return step.missing, time.monotonic() - began_s, is_out


def by_one(at_s: float) -> set[str]:
    """One comes every 300 ms: all of them take longer than one change may."""
    return set(sorted(NAMES)[int(at_s / 0.3) :])


def test_as_long_as_some_come_it_waits() -> None:
    missing, took_s, _ = waited(by_one, LIMIT_S)
    assert (missing, took_s > 1.0) == (set(), True)


def test_once_no_more_come_it_goes_on() -> None:
    missing, took_s, is_out = waited(lambda at_s: by_one(at_s) | {"d"}, LIMIT_S)
    assert (missing, is_out) == ({"d"}, False)
    assert 0.6 + LIMIT_S <= took_s < 15.0


def test_for_the_first_of_all_it_waits_as_long_as_it_is_told() -> None:
    missing, _, _ = waited(lambda at_s: set() if at_s > 3 * LIMIT_S else set(NAMES), 20.0)
    assert missing == set()


@pytest.mark.parametrize("first_limit_s", [LIMIT_S, 1.0])
def test_where_none_comes_it_ends(first_limit_s: float) -> None:
    missing, took_s, is_out = waited(lambda _: set(NAMES), first_limit_s, left_s=1.0)
    assert (missing, is_out) == (set(NAMES), first_limit_s == 1.0)
    assert took_s < 15.0


def test_what_comes_and_goes_does_not_keep_it_for_ever() -> None:
    missing, took_s, is_out = waited(lambda at_s: {"a"} if int(at_s * 50) % 2 else {"b"}, LIMIT_S)
    assert (len(missing), is_out) == (1, False)
    assert took_s < 15.0
