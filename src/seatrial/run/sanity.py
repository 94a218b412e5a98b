"""The sanity cells of a run, before its first case: each is a trial as any other, and a failed one ends the run."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from seatrial.analysis.run.attempts import may_be_set_aside
from seatrial.analysis.run.model import CaseSummary
from seatrial.analysis.run.said.sanity import sanity_sentence
from seatrial.analysis.run.sanity import Outcome, next_cell
from seatrial.analysis.run.summary import summarise_sanity
from seatrial.plan.cases import Case
from seatrial.record.reader import RunReader
from seatrial.record.writer import RunWriter
from seatrial.run.agenda import TrialPlan
from seatrial.seeds import derive


@dataclass(slots=True)
class SanityCourse:
    """Which cells there are, and what came of the attempts at each; as often again as the plan's ``retry`` says."""

    cells: tuple[Case, ...]
    retry: int
    seed: int
    seen: dict[str, list[Outcome]] = field(default_factory=lambda: defaultdict(list))

    @property
    def left(self) -> tuple[Case, ...]:
        """The cells that are still to be run, as far as it is known now."""
        first = next_cell(self.cells, self.seen, self.retry)
        if first is None:
            return ()
        return tuple(
            cell for cell in self.cells[first:] if cell is self.cells[first] or not self.seen.get(cell.id)
        )

    def next(self, number: int, after: int) -> TrialPlan | None:
        """Return the next attempt with its number in the record, before so many trials; None where all are over."""
        left = self.left
        if not left:
            return None
        cell, attempt = left[0], len(self.seen.get(left[0].id, ())) + 1
        seed = derive(derive(self.seed, cell.id), "attempt", attempt)
        return TrialPlan(cell, 1, number, number - 1 + len(left) + after, seed)

    def take(self, writer: RunWriter, cell: Case) -> tuple[Outcome, str]:
        """Judge the last attempt at a cell; return what came of it, and the sentence that says so."""
        with RunReader.open(writer.path) as reader:
            found = next(one for one in summarise_sanity(reader) if one.case.id == cell.id)
        self.seen[cell.id].append(found.sanity_outcome)
        return found.sanity_outcome, sanity_sentence(found)


def seen_in(cells: Iterable[CaseSummary]) -> Mapping[str, Sequence[Outcome]]:
    """Return what came of the attempts that are kept when a run is resumed.

    A cell that failed or was cut off is run anew: whoever resumes a run that it stopped has mended something.
    """
    found: dict[str, list[Outcome]] = {}
    for cell in cells:
        if cell.sanity_outcome in {"passed", "doubted"}:
            doubted = [attempt for attempt in cell.set_aside if may_be_set_aside(attempt.validity)]
            earlier: list[Outcome] = ["doubted"] * len(doubted)
            found[cell.case.id] = [*earlier, cell.sanity_outcome]
    return found
