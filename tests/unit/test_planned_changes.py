"""A change that a plan asks for, and for which no time was left, is not in force: no objective passes without it."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from seatrial.analysis.control.planned import slow_text, unmade_text, with_unmade
from seatrial.analysis.measured import changed_in, metric_value
from seatrial.analysis.objects import ChangeUse


def use(change: str, made: int, every_s: tuple[float, ...], over: str = "kept") -> ChangeUse:
    late = made - len(every_s)
    return ChangeUse(change, over, made, 2, every_s, every_s, every_s, (), (), (), late, (0.01, 0.01), 0, {})


ALL = (use("create", 2, (0.1, 0.2)), use("delete", 2, (0.3, 0.4)), use("delete", 2, (0.2, 0.3), "fresh"))


@pytest.mark.parametrize(
    ("changes", "planned", "late", "live", "gone"),
    [
        (ALL, {"create": 2, "delete": 2}, 0, 0.2, 0.4),
        # Half of the deletions: over both kinds of connections they did not come.
        (ALL, {"create": 2, "delete": 4}, 4, 0.2, None),
        (ALL[:1], {"create": 2, "update": 2, "delete": 3}, 5, None, None),
        ((), {"create": 7}, 7, None, None),
        ((), {}, 0, None, None),
    ],
)
def test_what_was_never_made_was_never_live(
    changes: tuple[ChangeUse, ...], planned: dict[str, int], late: int, live: float | None, gone: float | None
) -> None:
    found = with_unmade(changes, planned)
    assert sum(one.not_live for one in found) == late
    assert changed_in("live_max", found)[0] == live
    assert changed_in("gone_max", found)[0] == gone
    # There is something to judge wherever something was planned.
    for metric, kinds in (("live_max", {"create", "update"}), ("gone_max", {"delete"})):
        value, missing = changed_in(metric, found)
        assert (value is not None or missing > 0) == bool(kinds & planned.keys())


def test_it_is_named_before_any_figure() -> None:
    planned = {"create": 2, "delete": 1_000}
    assert unmade_text([ALL[:1], ALL], planned) == (
        "not every change was made before the measure phase ended: delete 0 of 1,000"
    )
    nothing: Any = unmade_text([ALL], {"create": 2, "delete": 2})
    assert nothing is None


def test_what_was_never_changed_has_not_been_seen_to_lose_nothing_or_to_keep_to_its_status() -> None:
    said = [replace(one, status_s=one.every_s, gap_s=(0.0,) * len(one.every_s)) for one in ALL]
    planned = {"create": 2, "update": 5, "delete": 2}
    found = with_unmade(said, planned)
    trial: Any = SimpleNamespace(changes=found)
    # A deletion is one change, over however many kinds of connections it is seen.
    late = with_unmade(
        [*said[:1], *(replace(one, not_live=2) for one in said[1:])], {"create": 2, "delete": 2}
    )
    assert metric_value("not_live", SimpleNamespace(changes=late)) == 2  # type: ignore[arg-type]
    assert (metric_value("lost", trial), metric_value("not_live", trial)) == (5, 5)
    assert changed_in("gap_p99", found) == (None, 5)
    assert changed_in("gap_p99", with_unmade(said, {"create": 2})) == (0.0, 0)
    # What has no status is never late for it.
    assert changed_in("gap_p99", with_unmade(ALL, planned)) == (None, 0)


def test_changes_that_came_more_slowly_than_asked_for_are_named() -> None:
    changes = (replace(ALL[0], asked_per_s=11.6), replace(ALL[1], asked_per_s=99.0))
    assert (slow_text([changes], 100.0) or "").startswith(
        "routes were changed at 11.6/s, and 100/s were asked for"
    )
    assert slow_text([changes], 12.0) is None
    assert slow_text([changes], None) is None
    assert slow_text([ALL], 5.0) is None
