"""Every cause of doubt of a run once, with all trials that it holds for: what is the same is not printed again."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from seatrial.analysis.validity import fault_of
from seatrial.analysis.wording import plural

if TYPE_CHECKING:
    from seatrial.analysis.model import CaseSummary, RunSummary, TrialSummary
    from seatrial.analysis.result import Reason


@dataclass(frozen=True, slots=True)
class Doubt:
    """One cause; ``text`` and what follows from it are those of the first trial of ``places``."""

    text: str
    consequences: tuple[str, ...]
    fault: str
    remedy: str
    places: tuple[str, ...]

    @property
    def where(self) -> str:
        """Where it was seen: the first place, and how many others there are."""
        if len(self.places) == 1:
            return self.places[0]
        return f"{self.places[0]} and {plural(len(self.places) - 1, 'other trial')}"


def doubts(summary: RunSummary) -> tuple[Doubt, ...]:
    """Return the causes, the one of most trials first."""
    found: dict[str, list[tuple[CaseSummary, TrialSummary, Reason]]] = {}
    for case, trial in sorted(summary.invalid, key=lambda pair: pair[1].order):
        for cause in trial.validity.causes:
            found.setdefault(cause.code, []).append((case, trial, cause))
    return tuple(_doubt(held) for held in sorted(found.values(), key=len, reverse=True))


def _doubt(held: list[tuple[CaseSummary, TrialSummary, Reason]]) -> Doubt:
    _, trial, cause = held[0]
    return Doubt(
        text=cause.text,
        consequences=tuple(reason.text for reason in trial.validity.consequences(cause)),
        fault=fault_of(cause),
        remedy=cause.remedy,
        places=tuple(f"{case.case.id}, repeat {trial.repeat}" for case, trial, _ in held),
    )
