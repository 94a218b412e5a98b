"""Every cause of doubt of a run once, with all trials and cases that it holds for, so that none is printed again."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from seatrial.analysis.validity.judge import fault_of
from seatrial.analysis.wording import plural

if TYPE_CHECKING:
    from collections.abc import Iterator

    from seatrial.analysis.reasons import Reason, Validity
    from seatrial.analysis.run.model import RunSummary


@dataclass(frozen=True, slots=True)
class Doubt:
    """One cause; ``text`` and what follows from it are those of the first of ``places``, each a ``kind`` of place."""

    text: str
    consequences: tuple[str, ...]
    fault: str
    remedy: str
    kind: str
    places: tuple[str, ...]

    @property
    def where(self) -> str:
        """Where it was seen: the first place, and how many others there are."""
        if len(self.places) == 1:
            return self.places[0]
        return f"{self.places[0]} and {plural(len(self.places) - 1, f'other {self.kind}')}"


@dataclass(frozen=True, slots=True)
class _Seen:
    """A cause where it was seen."""

    kind: str
    place: str
    cause: Reason
    validity: Validity


def doubts(summary: RunSummary) -> tuple[Doubt, ...]:
    """Return the causes, the one of most places first."""
    found: dict[str, list[_Seen]] = {}
    for seen in _all(summary):
        found.setdefault(seen.cause.code, []).append(seen)
    return tuple(_doubt(held) for held in sorted(found.values(), key=len, reverse=True))


def doubted_text(summary: RunSummary) -> str:
    """Return how many trials cannot be believed, and how many cases not be judged; "" where there is no doubt."""
    parts = []
    if summary.invalid:
        parts.append(f"{len(summary.invalid)} of {plural(summary.trials, 'trial')} cannot be believed")
    if summary.unjudged:
        parts.append(f"{len(summary.unjudged)} of {plural(len(summary.cases), 'case')} cannot be judged")
    return ", ".join(parts)


def _all(summary: RunSummary) -> Iterator[_Seen]:
    for case, trial in sorted(summary.invalid, key=lambda pair: pair[1].order):
        for cause in trial.validity.causes:
            yield _Seen("trial", f"{case.case.id}, repeat {trial.repeat}", cause, trial.validity)
    for case in summary.unjudged:
        for cause in case.own_causes:
            yield _Seen("case", case.case.id, cause, case.validity)


def _doubt(held: list[_Seen]) -> Doubt:
    first, kinds = held[0], {seen.kind for seen in held}
    return Doubt(
        text=first.cause.text,
        consequences=tuple(reason.text for reason in first.validity.consequences(first.cause)),
        fault=fault_of(first.cause),
        remedy=first.cause.remedy,
        kind=first.kind if len(kinds) == 1 else "place",
        places=tuple(seen.place for seen in held),
    )
