"""Limits of a system's own that it met in a trial: the numbers are then of the limit, and it is said by its name."""

from __future__ import annotations

from typing import TYPE_CHECKING

from seatrial.systems.settings import value_text

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from seatrial.analysis.pods import PodThrottled
    from seatrial.record.facts import TrialFacts
    from seatrial.systems.settings import LimitMet, Setting


def limits_text(trials: Iterable[TrialFacts]) -> str | None:
    """Return "its own limits were met: max_requests, which is 1,024 by default (rq_overflow up to 50)", or None.

    Of several trials and members it is the most that one has counted.
    """
    settings: dict[str, Setting] = {}
    met: list[LimitMet] = []
    for facts in trials:
        settings |= {setting.counter: setting for setting in facts.settings if setting.counter}
        met += facts.limits_met
    if not met:
        return None
    named = (_text(one.counter, one.count, settings.get(one.counter)) for one in _most(met))
    return f"its own limits were met: {'; '.join(named)}"


def rejected_text(trials: Iterable[TrialFacts]) -> str | None:
    """Return "it did not take updates of its configuration: lds.update_rejected up to 3 (envoy-1)", or None.

    Of several trials and members it is the most that one has counted.
    """
    most = _most(one for facts in trials for one in facts.rejected or ())
    if not most:
        return None
    named = ", ".join(f"{one.counter} up to {one.count:,} ({one.member})" for one in most)
    return f"it did not take updates of its configuration, and served what it had before: {named}"


def _most(counted: Iterable[LimitMet]) -> Sequence[LimitMet]:
    """Return of each counter the one that has counted most, in the order in which they came."""
    most: dict[str, LimitMet] = {}
    for one in counted:
        most[one.counter] = max(most.get(one.counter, one), one, key=lambda each: each.count)
    return tuple(most.values())


def throttled_text(trials: Iterable[Sequence[PodThrottled]]) -> str | None:
    """Return "its own CPU limit held back envoy-1 (envoy) for 5.21 of 6.8 s (and 2 more for less)", or None.

    Of several containers and trials it is the one that was held back for the largest part; the others are of its trial,
    for the pods of another have other names.
    """
    found = [(max(containers, key=_part), containers) for containers in trials if containers]
    if not found:
        return None
    most, containers = max(found, key=lambda one: _part(one[0]))
    others = len({(one.member, one.container) for one in containers}) - 1
    more = f" (and {others:,} more for less)" if others else ""
    return f"its own CPU limit held back {held_back_text(most)}{more}"


def _part(one: PodThrottled) -> float:
    return one.throttled_s / one.covers_s


def held_back_text(one: PodThrottled) -> str:
    """Return who was held back, and for how long of the time that is known."""
    return f"{one.member} ({one.container}) for {one.throttled_s:.2f} of {one.covers_s:.1f} s"


def _text(counter: str, count: int, setting: Setting | None) -> str:
    counted = f"{counter} up to {count:,}"
    return counted if setting is None else f"{' '.join(_of(setting))} ({counted})"


def _of(setting: Setting) -> Iterator[str]:
    yield f"{setting.name}, which is"
    if isinstance(setting.in_force, int):
        yield value_text(setting.in_force)
    if setting.asked is None:
        yield "by default"
