"""A trial's summary as the record keeps it when the trial ends, so that thousands are not made anew each time.

The frames stay the truth. What was kept stands for them only where the code that made it is this code, to the byte,
where everything that is recorded of the trial is what it was then, by its digest, and where it is itself what was
written. Elsewhere the trial is made from its frames. To read all of a trial for its digest takes a tenth of making it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache
from typing import TYPE_CHECKING

from seatrial.analysis.load.ours import Parts
from seatrial.analysis.run.made_by import made_by
from seatrial.analysis.run.model import SeriesPoint, TrialSeries, TrialSummary
from seatrial.analysis.run.trials import MadeTrial, made_trial
from seatrial.record.tables.summary_rows import KeptSummary

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from pydantic import TypeAdapter

    from seatrial.analysis.discovery.use import Curve
    from seatrial.analysis.resources import RoleCurve
    from seatrial.record.reader import RunReader
    from seatrial.record.tables.rows import RecordedCase, RecordedTrial


@dataclass(frozen=True, slots=True)
class Document:
    """What is kept, as JSON has it. The summary is without its series, which is JSON; the histograms are base64 V2."""

    summary: TrialSummary
    series: str
    histograms: tuple[str, str, str, str]
    stall_us: int


class KeptSeries(TrialSeries):
    """The curves of a trial, read when somebody asks for them: they are half of what is kept, and few are looked at."""

    __slots__ = ("_text",)
    _text: str

    def __init__(self, text: str) -> None:
        object.__setattr__(self, "_text", text)

    @property
    def points(self) -> tuple[SeriesPoint, ...]:
        """The load's points."""
        return self.read().points

    @property
    def roles(self) -> tuple[RoleCurve, ...]:
        """Each role's curve."""
        return self.read().roles

    @property
    def discovery(self) -> Curve | None:
        """What a discoverer carried by when."""
        return self.read().discovery

    def read(self) -> TrialSeries:
        """Return all of them."""
        return _series_adapter().validate_json(self._text)

    def __repr__(self) -> str:
        """Return what the curves would."""
        return repr(self.read())


def kept_trials(reader: RunReader, trials: Iterable[RecordedTrial]) -> dict[int, MadeTrial]:
    """Return what was kept of trials, by number: those of which nothing else would be made now."""
    found = [document for trial in trials if (document := _kept(reader, trial)) is not None]
    return {made.summary.trial: made for made in _as_made(found)}


def _kept(reader: RunReader, trial: RecordedTrial) -> Document | None:
    # One that is running may be cut off a moment later, and its rows do not say which.
    if trial.ended_s is None:
        return None
    kept = reader.kept_summary(trial.trial)
    if kept is None or kept.made_by != made_by() or kept.made_from != reader.digest_of(trial.trial):
        return None
    return _adapter().validate_json(kept.document)


def made_to_keep(
    reader: RunReader, case: RecordedCase, trial: RecordedTrial
) -> tuple[MadeTrial, KeptSummary | None]:
    """Make a trial that has ended from its frames; return it, and what is to be kept of it.

    Nothing is where part of it cannot be read, which has to be said each time, or where JSON would not give it back as
    it is.
    """
    # First: what is written meanwhile is not in the summary, and then it is not what is on the disk.
    made_from = reader.digest_of(trial.trial)
    made = made_trial(reader, case, trial)
    if made_from is None or trial.ended_s is None or reader.damage_of(trial.trial):
        return made, None
    document = _written(made)
    if repr(_as_made([_adapter().validate_json(document)])) != repr([made]):
        return made, None
    return made, KeptSummary(trial.trial, made_by(), made_from, document)


def _written(made: MadeTrial) -> str:
    summary = replace(made.summary, series=TrialSeries((), ()))
    series = _series_adapter().dump_json(made.summary.series).decode()
    parts = made.parts
    histograms = (
        parts.latency.encode(),
        parts.service_time.encode(),
        parts.lateness.encode(),
        parts.receive_wait.encode(),
    )
    return _adapter().dump_json(Document(summary, series, histograms, parts.stall_us)).decode()


def _as_made(documents: Sequence[Document]) -> list[MadeTrial]:
    from seatrial.analysis.load.decoded import decoded

    # Together, for numpy takes as long over one as over a few hundred.
    histograms = iter(decoded([one for document in documents for one in document.histograms]))
    return [
        MadeTrial(
            replace(document.summary, series=KeptSeries(document.series)),
            Parts(next(histograms), next(histograms), next(histograms), next(histograms), document.stall_us),
        )
        for document in documents
    ]


@cache
def _adapter() -> TypeAdapter[Document]:
    from pydantic import TypeAdapter

    return TypeAdapter(Document)


@cache
def _series_adapter() -> TypeAdapter[TrialSeries]:
    from pydantic import TypeAdapter

    return TypeAdapter(TrialSeries)
