"""What came of a call to an API server: the answer and its times, and what all calls together met."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

PRIORITY_LEVEL = "X-Kubernetes-PF-PriorityLevel-UID"
"""Which priority level a request was dealt with in: API Priority and Fairness, KEP-1040."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What an API server answered: ``body`` is the JSON as it came, or text where that was asked for.

    ``sent_s`` is when the attempt that was answered began, ``answered_s`` when the head of its answer was here (both
    CLOCK_MONOTONIC): what was asked for was accepted between the two. ``attempts`` counts those that were not, too.
    """

    body: Any
    status: int
    sent_s: float
    answered_s: float
    attempts: int = 1

    @property
    def took_s(self) -> float:
        """How long the attempt that was answered took."""
        return self.answered_s - self.sent_s


@dataclass(slots=True)
class Counts:
    """What all calls of a client met.

    ``retries`` counts attempts that were made again by why (a status, or ``refused``, ``broken``, ``timeout``);
    ``rejections`` those that priority and fairness turned away, by the UID of the priority level; ``waited_s`` is how
    long calls waited in all before they were made again.
    """

    calls: int = 0
    retries: Counter[str] = field(default_factory=Counter)
    rejections: Counter[str] = field(default_factory=Counter)
    waited_s: float = 0.0

    def take_rejection(self, headers: Mapping[str, str]) -> None:
        """Count a 429, where it was priority and fairness that gave it: others come without its header."""
        if level := headers.get(PRIORITY_LEVEL):
            self.rejections[level] += 1

    @property
    def text(self) -> str:
        """What a person should know, as a sentence without a full stop; empty where every call went through at once."""
        if not self.retries:
            return ""
        why = ", ".join(f"{count} x {cause}" for cause, count in sorted(self.retries.items()))
        text = f"{self.retries.total()} of the calls to the API server were made again ({why})"
        if self.rejections:
            text += f"; {self.rejections.total()} were turned away by its priority and fairness"
        return f"{text}; they waited {self.waited_s:.1f} s in all"
