"""Why a measurement may not be believed: the reasons, how each can move the numbers, and what they come to."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Direction = Literal["inflates", "either"]
"""How a doubt can move the numbers: the system looks worse than it is, never better; or either."""


@dataclass(frozen=True, slots=True)
class Reason:
    """Why a measurement may not be believed, and what to do about it.

    ``because`` is the code of the reason that this one follows from; None where it is a cause itself.
    """

    code: str
    text: str
    remedy: str
    direction: Direction = "either"
    because: str | None = None


@dataclass(frozen=True, slots=True)
class Validity:
    """VALID, or INVALID with reasons, each cause before what follows from it. Decided before any number is shown."""

    reasons: tuple[Reason, ...] = ()

    @property
    def state(self) -> Literal["VALID", "INVALID"]:
        """Return the word that every output shows."""
        return "INVALID" if self.reasons else "VALID"

    @property
    def is_valid(self) -> bool:
        """Return whether the numbers may be believed."""
        return not self.reasons

    @property
    def direction(self) -> Direction | None:
        """Return how the doubts together can move the numbers; None without a doubt."""
        if not self.reasons:
            return None
        return "inflates" if all(reason.direction == "inflates" for reason in self.reasons) else "either"

    @property
    def causes(self) -> tuple[Reason, ...]:
        """Return the reasons that follow from no other."""
        return tuple(reason for reason in self.reasons if reason.because is None)

    def consequences(self, cause: Reason) -> tuple[Reason, ...]:
        """Return the reasons that follow from ``cause``."""
        return tuple(reason for reason in self.reasons if reason.because == cause.code)
