"""Looks at containers that nobody made together: each has moments of its own, 10 to 20 s apart.

Locally every process is looked at at the two ends of the measure phase. A kubelet looks when it does. So what a
container did in the phase is what lies between the first and the last look at it within, and never what came before.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, TypeVar

from seatrial.analysis.load.window import EDGE_S, NANOSECONDS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from seatrial.analysis.load.window import Window
    from seatrial.observe.samples import ProcessSample

OVER_AFTER_S = 60.0
"""A kubelet looks at a container that is there every 30 s at least: one that two looks have missed is gone."""
LEAVING_S = 30.0
"""So long a pod that is deleted has by default to end, and the one in its place may be looked at by then."""


def lineages(processes: Iterable[Sequence[ProcessSample]]) -> list[list[ProcessSample]]:
    """Return the looks at each container of each member by time, through every start of it."""
    found: dict[tuple[str, str], list[ProcessSample]] = {}
    for own in processes:
        found.setdefault((own[0].member, own[0].name), []).extend(own)
    return [sorted(looks, key=lambda look: look.at_s) for looks in found.values()]


def successions(processes: Iterable[Sequence[ProcessSample]]) -> list[list[ProcessSample]]:
    """Return the same of one role, with a controller's pod and the one in its place as one.

    A controller has one pod at a time, which may be replaced while a trial goes on; whoever else loses a pod has ended
    the trial. So of proxies, workers and origins one that is looked at no more was not read, however late another was.
    """
    found: list[list[ProcessSample]] = []
    for looks in sorted(lineages(processes), key=lambda looks: looks[0].at_s):
        before = next((one for one in found if _is_followed(one, looks)), None)
        if before is None:
            found.append(looks)
        else:
            before[:] = sorted((*before, *looks), key=lambda look: look.at_s)
    return found


def known_between(at_s: list[float], processes: Iterable[Sequence[ProcessSample]]) -> list[float]:
    """Return those of the times at which all of a role that are there are known: between two looks at each."""
    every = successions(processes)
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

    The processes are those of one role, and the growth is that of all together: of pods that replace one another over
    the time of all of them. The two times are as far apart as the shortest such part is long. None where one of them
    was not looked at twice.
    """
    per_s, spans = 0.0, list[tuple[float, float]]()
    every = successions(processes)
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
    """Return by how much a counter grew from the first look to the last; each start of a container counts from 0.

    For a moment a pod and the one in its place may both be looked at.
    """
    total, last = 0.0, {looks[0].incarnation: read(looks[0])}
    for look in looks[1:]:
        value = read(look)
        total += max(0.0, value - last.get(look.incarnation, 0.0))
        last[look.incarnation] = value
    return total


def _is_followed(before: Sequence[ProcessSample], after: Sequence[ProcessSample]) -> bool:
    last, first = before[-1], after[0]
    return (
        (last.role, last.name) == ("controller", first.name)
        and last.at_s <= first.at_s + LEAVING_S
        and last.at_s < after[-1].at_s
    )


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
