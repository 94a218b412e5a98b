"""The times of a record as Unix times."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from seatrial.record.events import TrialStarted
    from seatrial.record.reader import RunReader


def offset_s(reader: RunReader, begun: TrialStarted) -> float | None:
    """Return what makes Unix times of a trial's monotonic ones, when added; None where the record does not say.

    Each trial has its own: a run may be gone on with after a boot.
    """
    recorded = reader.trial(begun.trial)
    if recorded is None or not recorded.started_utc:
        return None
    return unix_s(recorded.started_utc) - begun.at_s


def unix_s(utc: str) -> float:
    """Return a time of the record, in UTC, as Unix time."""
    return datetime.fromisoformat(utc).timestamp()
