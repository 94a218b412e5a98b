"""What came of a sanity cell, and which is run next: it holds, or its system or machine fails, or nobody knows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, Protocol

from seatrial.analysis.run.attempts import may_be_set_aside
from seatrial.record.events import CUT_OFF

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from seatrial.analysis.reasons import Validity

Outcome = Literal["passed", "doubted", "failed", "not run"]
"""``doubted``: the generator or its machine kept it from being known, and another attempt may be better."""


class Cell(Protocol):
    """What a cell goes by."""

    @property
    def id(self) -> str:
        """Return its name in the record."""


def outcome_of(state: str, ended: str | None, validity: Validity) -> Outcome:
    """Return what came of a cell: its state as that of any case, how its last attempt ended, and whether to believe it.

    What a machine too busy or a late generator did is never called a failure. What another attempt meets again, such as
    too few descriptors, is one: the cases would meet it, too.
    """
    if ended is None or ended == CUT_OFF:
        return "not run"
    if state == "PASS":
        return "passed"
    return "doubted" if may_be_set_aside(validity) else "failed"


def next_cell(cells: Sequence[Cell], seen: Mapping[str, Sequence[Outcome]], retry: int) -> int | None:
    """Return which cell is run next, from what came of the attempts at each; None where all are over.

    A cell that is doubted is attempted again, at most ``retry`` times; then the others follow.
    """
    for number, cell in enumerate(cells):
        outcomes = seen.get(cell.id, ())
        if not outcomes or (outcomes[-1] == "doubted" and outcomes.count("doubted") <= retry):
            return number
    return None
