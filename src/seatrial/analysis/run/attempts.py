"""Which attempts of a case are judged, which are set aside, and which are to be made again.

A trial is set aside only where nothing but the generator or the environment is to blame, and only once the case has all
the trials that it needs without it. No latency is among the reasons for a doubt: they are of lateness, CPU and counts.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Protocol, TypeVar

from seatrial.analysis.validity.judge import fault_of
from seatrial.record.events import CUT_OFF

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from seatrial.analysis.reasons import Validity

# Causes that another attempt meets again, or that no attempt is to follow.
LASTING = {
    "environment.cut_off",
    "environment.exhausted",
    "environment.record",
    "environment.network",
    "environment.held_connections",
    "environment.active_connections",
    "environment.listen_queue",
    "environment.syn_cookies",
    "environment.conntrack",
    "environment.cpus",
}
# Set aside more often than the others' by a chance of less than this, a system is named: it may be the cause.
CHANCE_LIMIT = 0.05


class Judged(Protocol):
    """A trial whose validity is known."""

    @property
    def validity(self) -> Validity:
        """Return whether its numbers may be believed."""


class Made(Judged, Protocol):
    """A trial as it was made."""

    @property
    def state(self) -> str:
        """Return how it ended."""

    @property
    def repeat(self) -> int:
        """Return which repeat of its case it is."""


Trial = TypeVar("Trial", bound=Judged)
Attempt = TypeVar("Attempt", bound=Made)


def may_be_set_aside(validity: Validity) -> bool:
    """Return whether the generator and the environment alone are to blame, and another attempt may be better."""
    return bool(validity.causes) and all(
        fault_of(cause) in {"generator", "environment"} and cause.code not in LASTING
        for cause in validity.causes
    )


def run_anew(attempts: Sequence[Attempt]) -> tuple[tuple[Attempt, ...], tuple[Attempt, ...]]:
    """Return the attempts of a case without those that were cut off and run anew when the run was resumed, and these.

    A trial that is run anew is the same repeat as the one before it.
    """
    anew = tuple(
        attempt
        for number, attempt in enumerate(attempts)
        if attempt.state == CUT_OFF
        and any(later.repeat == attempt.repeat for later in attempts[number + 1 :])
    )
    return tuple(attempt for attempt in attempts if attempt not in anew), anew


def divided(attempts: Sequence[Trial], repeats: int) -> tuple[tuple[Trial, ...], tuple[Trial, ...]]:
    """Return the attempts that a case is judged from, and those that are set aside."""
    believed = sum(attempt.validity.is_valid for attempt in attempts)
    if not repeats or believed < repeats:
        return tuple(attempts), ()
    return _parted(attempts)


def without_retries(attempts: Sequence[Trial], repeats: int) -> tuple[tuple[Trial, ...], tuple[Trial, ...]]:
    """Return the attempts without those that were made again in vain, and these.

    Where the others pass, they stand: what was made only for better figures and gave none is no evidence against them.
    One that can be believed always is.
    """
    kept, in_vain = _parted(attempts[repeats:])
    return (*attempts[:repeats], *kept), in_vain


def _parted(attempts: Sequence[Trial]) -> tuple[tuple[Trial, ...], tuple[Trial, ...]]:
    kept = tuple(attempt for attempt in attempts if not may_be_set_aside(attempt.validity))
    return kept, tuple(attempt for attempt in attempts if may_be_set_aside(attempt.validity))


def missing(attempts: Sequence[Validity], repeats: int, retry: int) -> int:
    """Return how many more attempts of a case are to be made; ``retry`` is how many it may have beyond the planned.

    No more where a doubt is the system's: that trial stays, so nothing that came after it could give a verdict.
    """
    doubted = [attempt for attempt in attempts if not attempt.is_valid]
    if not all(may_be_set_aside(attempt) for attempt in doubted):
        return 0
    believed = len(attempts) - len(doubted)
    return max(0, min(repeats - believed, repeats + retry - len(attempts)))


def uneven(attempts: Mapping[str, Sequence[Judged]]) -> str | None:
    """Return what is to be said where one system's attempts could not be believed more often than the others'.

    The chance is that of Fisher's exact test, one-sided ("Statistical Methods for Research Workers", 1934, section
    21.02): of as many doubted ones among all, dealt at random, at least so many fall to this system.
    """
    doubted = {
        label: sum(may_be_set_aside(attempt.validity) for attempt in own) for label, own in attempts.items()
    }
    all_attempts, all_doubted = sum(map(len, attempts.values())), sum(doubted.values())
    for label, own in attempts.items():
        if _chance(doubted[label], len(own), all_doubted, all_attempts) < CHANCE_LIMIT:
            others = f"{all_doubted - doubted[label]} of {all_attempts - len(own)} of the others"
            return (
                f"attempts with {label} could not be believed more often ({doubted[label]} of {len(own)},"
                f" {others}): it may be the cause itself, by taking the CPU that the generator needed"
            )
    return None


def _chance(own_doubted: int, own: int, all_doubted: int, all_attempts: int) -> float:
    # Of logarithms: the numbers themselves have thousands of digits where there are thousands of attempts.
    ways = _log_comb(all_attempts, own)
    fewest = max(own_doubted, own - (all_attempts - all_doubted))
    return math.fsum(
        math.exp(_log_comb(all_doubted, count) + _log_comb(all_attempts - all_doubted, own - count) - ways)
        for count in range(fewest, min(own, all_doubted) + 1)
    )


def _log_comb(of: int, taken: int) -> float:
    return math.lgamma(of + 1) - math.lgamma(taken + 1) - math.lgamma(of - taken + 1)
