"""A change that a plan asks for, and for which no time was left, is not in force: no objective passes without it."""

from __future__ import annotations

from typing import Any

import pytest

from seatrial.analysis.control.planned import unmade_text, with_unmade
from seatrial.analysis.measured import changed_in
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
