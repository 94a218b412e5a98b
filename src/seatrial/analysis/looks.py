"""Looks at containers that nobody made together: each has moments of its own, 10 to 20 s apart.

Locally every process is looked at at the two ends of the measure phase. A kubelet looks when it does. So what a
container did in the phase is what lies between the first and the last look at it within, and never what came before.
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Protocol, TypeVar

from seatrial.analysis.load.window import EDGE_S, NANOSECONDS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from seatrial.analysis.load.window import Window
    from seatrial.observe.samples import ProcessSample

OVER_AFTER_S = 60.0
"""A kubelet looks at a container that is there every 30 s at least: one that two looks have missed is gone."""


def lineages(processes: Iterable[Sequence[ProcessSample]]) -> list[list[ProcessSample]]:
    """Return the looks at each container of each member by time, through every start of it."""
    found: dict[tuple[str, str], list[ProcessSample]] = {}
    for own in processes:
        found.setdefault((own[0].member, own[0].name), []).extend(own)
    return [sorted(looks, key=lambda look: look.at_s) for looks in found.values()]


def known_between(at_s: list[float], every: Sequence[Sequence[ProcessSample]]) -> list[float]:
    """Return those of the times at which all that are there are known: between two looks at each."""
    ends = _last_looks(every)
    first_s = max(looks[0].at_s for looks in every if looks[0].at_s <= at_s[0] + OVER_AFTER_S)
    last_s = min(looks[-1].at_s for looks in every if not _is_over(looks, ends))
    return [moment_s for moment_s in at_s if first_s <= moment_s <= last_s] or at_s


def cpu_s_of(look: ProcessSample) -> float:
    """Return the CPU time that a process had used."""
    return look.cpu_user_s + look.cpu_system_s


def per_s_apart(
    processes: Iterable[Sequence[ProcessSample]],
    window: Window,
    read: Callable[[ProcessSample], float] = cpu_s_of,
) -> tuple[float, float, float] | None:
    """Return from when to when a counter is known of each container in the window, at least, and its growth per second.

    The growth is that of all together. The two times are as far apart as the shortest such part is long. None where one
    of them was not looked at twice.
    """
    per_s, spans = 0.0, list[tuple[float, float]]()
    every = lineages(processes)
    ends = _last_looks(every)
    for looks in every:
        inside = looks_in(looks, window)
        if len(inside) < 2:
            if _is_over(looks, ends) or looks[0].at_s > window.end_ns / NANOSECONDS:
                continue
            return None
        start_s, end_s = inside[0].at_s, inside[-1].at_s
        per_s += grown(inside, read) / (end_s - start_s)
        spans.append((start_s, end_s))
    if not spans:
        return None
    start_s, end_s = min(spans, key=lambda span: span[1] - span[0])
    return start_s, end_s, per_s


class _Look(Protocol):
    @property
    def at_s(self) -> float:
        """When it was."""


Look = TypeVar("Look", bound=_Look)


def looks_in(looks: Sequence[Look], window: Window) -> list[Look]:
    """Return those within the window, or at an end of it."""
    start_s, end_s = window.start_ns / NANOSECONDS - EDGE_S, window.end_ns / NANOSECONDS + EDGE_S
    return [look for look in looks if start_s <= look.at_s <= end_s]


def grown(looks: Sequence[ProcessSample], read: Callable[[ProcessSample], float]) -> float:
    """Return by how much a counter grew from the first look to the last; each start of a container counts from 0."""
    total = 0.0
    for before, after in pairwise(looks):
        began = before.incarnation != after.incarnation
        total += max(0.0, read(after) - (0.0 if began else read(before)))
    return total


def _last_looks(every: Iterable[Sequence[ProcessSample]]) -> Mapping[str, float]:
    """Return when any container of each member was looked at last."""
    found: dict[str, float] = {}
    for looks in every:
        member, at_s = looks[-1].member, looks[-1].at_s
        found[member] = max(at_s, found.get(member, at_s))
    return found


def _is_over(looks: Sequence[ProcessSample], ends: Mapping[str, float]) -> bool:
    # One that prepares a pod ends before the others of that pod. Where none of a pod is looked at any more it is its
    # kubelet that could not be read, and what the pod used since is not known.
    return looks[-1].at_s < ends[looks[-1].member] - OVER_AFTER_S
