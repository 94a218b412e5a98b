"""How soon changes were live, from their milestones: of each route the moment at the first proxy and at the last.

Times are from the moment at which a change was begun. A moment is known to within the time since the probe before:
what is reported is the later end, at which it was so for certain.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypedDict

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Sequence

    from seatrial.record.events import MilestoneReached

STATUS = "status"
"""In the place of a proxy: the system said that it serves the change."""


@dataclass(frozen=True, slots=True)
class ChangeUse:
    """One kind of change, as seen over one kind of connections; the lists are in seconds and sorted, a value a change.

    It was ``made`` so often, each time to one route.

    ``first_s`` is until the first of the ``places`` served the change, ``every_s`` until the last did, ``stable_s``
    until each had begun a row of answers without any other. ``accepted_s`` is until an API server had it, ``status_s``
    until the last of them said that it serves it, and ``gap_s`` how much later than that it was live everywhere: less
    than 0 is sooner. ``not_live`` were not so everywhere by the end. ``known_to_s`` is the time since the probe
    before, the median and the longest.

    Of its ``answers`` as many were ``lost`` as were neither as before the change nor as after it, or said that there is
    no such route where there had been a new one; the first of them was asked for ``lost_from_s`` after its change was
    begun, the last came ``lost_to_s`` after it (None: none was). ``stale`` were as before once the same proxy had
    answered as after; ``mixed_s`` is how long a proxy answered now so, now so, a value for each change with such ones.
    ``asked_per_s`` is how many were begun in a second, from the first to the last. Where an objective is judged,
    ``unmade`` are those of the plan that were never begun: they are among the ``made`` then.
    """

    change: str
    over: str
    made: int
    places: int
    first_s: tuple[float, ...]
    every_s: tuple[float, ...]
    stable_s: tuple[float, ...]
    accepted_s: tuple[float, ...]
    status_s: tuple[float, ...]
    gap_s: tuple[float, ...]
    not_live: int
    known_to_s: tuple[float, float] | None
    relapses: int
    answers: Mapping[str, int]
    lost: int = 0
    lost_from_s: float | None = None
    lost_to_s: float | None = None
    stale: int = 0
    mixed_s: tuple[float, ...] = ()
    asked_per_s: float | None = None
    unmade: int = 0


class _Lost(TypedDict):
    lost: int
    lost_from_s: float | None
    lost_to_s: float | None


@dataclass(frozen=True, slots=True)
class Probes:
    """What the probes of a trial's changes came to: ``answered`` by the system, ``passed_on`` to the origin.

    Of the ``unclear`` ones nobody knows: they had no answer, or one that does not say who gave it.
    """

    answered: int = 0
    passed_on: int = 0
    unclear: int = 0


_BY_ORIGIN, _OF_ORIGIN, _UNMARKED = ("served", "before", "elsewhere"), " of the origin", "unmarked"


def probes_of(changes: Iterable[ChangeUse]) -> Probes:
    """Return the probes of all changes together; the names of answers are those of ``crates/prober``."""
    every: Counter[str] = Counter()
    for use in changes:
        every.update(use.answers)
    passed_on = sum(count for name, count in every.items() if name in _BY_ORIGIN or name.endswith(_OF_ORIGIN))
    unmarked = every[_UNMARKED]
    answered = passed_on + unmarked + sum(count for name, count in every.items() if name.isdigit())
    return Probes(answered, passed_on, every.total() - answered + unmarked)


def changes_in(milestones: Iterable[MilestoneReached]) -> tuple[ChangeUse, ...]:
    """Return what became of each kind of change, in the order in which they were begun."""
    of_change: dict[str, list[MilestoneReached]] = {}
    for one in milestones:
        of_change.setdefault(one.change, []).append(one)
    return tuple(use for change, own in of_change.items() for use in _uses(change, own))


def until(changes: Iterable[ChangeUse], kinds: Collection[str], fraction: float) -> tuple[float | None, int]:
    """Return the time until so many of the changes of these kinds were live everywhere, and how many were not in time.

    The time is None where the changes that came in time are fewer than that; they are None and 0 where there were none.
    """
    own = [use for use in changes if use.change in kinds]
    values = sorted(value for use in own for value in use.every_s)
    found, late = _in_time(values, sum(use.made for use in own) - len(values), fraction)
    # A deletion is seen over two kinds of connections, and is one change.
    return found, min(late, once(own, lambda use: use.made - len(use.every_s)))


def once(changes: Iterable[ChangeUse], count: Callable[[ChangeUse], int]) -> int:
    """Return a count of changes, each kind of them once: of those connections over which it is largest."""
    most: dict[str, int] = {}
    for use in changes:
        most[use.change] = max(count(use), most.get(use.change, 0))
    return sum(most.values())


def gap(changes: Iterable[ChangeUse], kinds: Collection[str], fraction: float) -> tuple[float | None, int]:
    """Return by how much later than the system said so that many of these changes were live everywhere; see ``until``.

    It is 0 where they were before.
    """
    every = list(changes)
    own = [use for use in every if use.change in kinds]
    values = sorted(max(0.0, value) for use in own for value in use.gap_s)
    late = sum(len(use.status_s) - len(use.gap_s) for use in own)
    if any(use.status_s for use in every):
        late += sum(use.unmade for use in own)
    return _in_time(values, late, fraction)


def _in_time(values: Sequence[float], late: int, fraction: float) -> tuple[float | None, int]:
    found = quantile([*values, *[math.inf] * late], fraction)
    return (None, late) if found == math.inf else (found, 0)


def quantile(values: Sequence[float], fraction: float) -> float | None:
    """Return the smallest of sorted values that at least this fraction of them do not exceed; None where none is."""
    return values[max(0, math.ceil(fraction * len(values)) - 1)] if values else None


_Key = tuple[str, int]
"""A route by its name, and its generation: the same kind of change may be made to it more than once."""


def _key(one: MilestoneReached) -> _Key:
    return one.subject, one.generation


def _uses(change: str, milestones: Sequence[MilestoneReached]) -> Iterator[ChangeUse]:
    asked_s = {_key(one): one.at_s for one in milestones if one.milestone == "asked"}
    said: dict[str, dict[_Key, float]] = {"accepted": {}, STATUS: {}}
    by_over: defaultdict[str, list[MilestoneReached]] = defaultdict(list)
    for one in milestones:
        if (at_s := said.get(one.milestone)) is not None:
            at_s[_key(one)] = max(one.at_s, at_s.get(_key(one), one.at_s))
        elif one.over:
            by_over[one.over].append(one)
    for over, seen in sorted(by_over.items(), reverse=True) or [("", [])]:
        yield _use(change, over, asked_s, said, seen)


def _use(
    change: str,
    over: str,
    asked_s: Mapping[_Key, float],
    said: Mapping[str, Mapping[_Key, float]],
    seen: Sequence[MilestoneReached],
) -> ChangeUse:
    places = len({one.place for one in seen})
    live = _at_places(seen, "live")
    stable = _at_places(seen, "stable")
    everywhere = {key: max(at) for key, at in live.items() if len(at) == places}
    settled = {key: max(at) for key, at in stable.items() if len(at) == places}
    widths = sorted(one.at_s - one.after_s for one in seen if one.milestone == "live")
    middle, longest = quantile(widths, 0.5), quantile(widths, 1.0)
    answers: Counter[str] = Counter()
    for one in seen:
        answers.update(one.answers)
    return ChangeUse(
        change=change,
        over=over,
        made=len(asked_s),
        places=places,
        first_s=_since(asked_s, {key: min(at) for key, at in live.items()}),
        every_s=_since(asked_s, everywhere),
        stable_s=_since(asked_s, settled),
        accepted_s=_since(asked_s, said["accepted"]),
        status_s=_since(asked_s, said[STATUS]),
        gap_s=_since(said[STATUS], everywhere),
        not_live=len(asked_s) - len(settled),
        known_to_s=None if middle is None or longest is None else (round(middle, 6), round(longest, 6)),
        relapses=sum(one.relapses for one in seen),
        answers=dict(sorted(answers.items())),
        **_lost(asked_s, seen),
        asked_per_s=_per_s(asked_s.values()),
        stale=sum(one.stale.count for one in seen if one.stale is not None),
        mixed_s=_mixed(seen),
    )


def _lost(asked_s: Mapping[_Key, float], seen: Sequence[MilestoneReached]) -> _Lost:
    lost = [(asked_s.get(_key(one), one.lost.from_s), one.lost) for one in seen if one.lost is not None]
    return _Lost(
        lost=sum(some.count for _, some in lost),
        lost_from_s=min((round(some.from_s - begun_s, 6) for begun_s, some in lost), default=None),
        lost_to_s=max((round(some.to_s - begun_s, 6) for begun_s, some in lost), default=None),
    )


def _per_s(asked_s: Collection[float]) -> float | None:
    took_s = max(asked_s, default=0.0) - min(asked_s, default=0.0)
    return None if took_s <= 0 else round((len(asked_s) - 1) / took_s, 3)


def _mixed(seen: Sequence[MilestoneReached]) -> tuple[float, ...]:
    """Return for how long stale answers came, of each change with some, at the proxy where that was longest."""
    first_s = {(*_key(one), one.place): one.at_s for one in seen if one.milestone == "live"}
    longest: dict[_Key, float] = {}
    for one in seen:
        if one.stale is not None:
            for_s = one.stale.to_s - first_s.get((*_key(one), one.place), one.stale.from_s)
            longest[_key(one)] = max(for_s, longest.get(_key(one), 0.0))
    return tuple(sorted(round(for_s, 6) for for_s in longest.values()))


def _at_places(seen: Iterable[MilestoneReached], milestone: str) -> Mapping[_Key, Sequence[float]]:
    found: defaultdict[_Key, list[float]] = defaultdict(list)
    for one in seen:
        if one.milestone == milestone:
            found[_key(one)].append(one.at_s)
    return found


def _since(from_s: Mapping[_Key, float], to_s: Mapping[_Key, float]) -> tuple[float, ...]:
    return tuple(sorted(round(at_s - from_s[key], 6) for key, at_s in to_s.items() if key in from_s))
