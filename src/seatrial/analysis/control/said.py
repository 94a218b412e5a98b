"""What is named before any figure of what a system met, refused or lost: of one trial, and of all of a case."""

from __future__ import annotations

from typing import TYPE_CHECKING

from seatrial.analysis.control.controllers import controllers_text
from seatrial.analysis.control.drift import drifted_text
from seatrial.analysis.limits import limits_text, rejected_text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from seatrial.record.facts import TrialFacts


def said_of(trials: Sequence[TrialFacts]) -> tuple[str, ...]:
    """Return it in words; of several trials it is the worst."""
    found = (text(trials) for text in (limits_text, rejected_text, controllers_text, drifted_text))
    return tuple(text for text in found if text is not None)
