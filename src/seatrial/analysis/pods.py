"""What is known of the pods of each role over the measure phase, and of the nodes that they are on."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

from seatrial.analysis.load.window import EDGE_S, NANOSECONDS
from seatrial.analysis.looks import grown, lineages, looks_in, per_s_apart
from seatrial.analysis.resources import roles_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from seatrial.analysis.load.window import Window
    from seatrial.analysis.resources import Role
    from seatrial.observe.samples import NodeAway, NodeSample, ProcessSample


@dataclass(frozen=True, slots=True)
class PodThrottled:
    """For how long the CPU limit of a container held it back, of the ``covers_s`` of the phase between looks at it."""

    member: str
    container: str
    throttled_s: float
    covers_s: float


@dataclass(frozen=True, slots=True)
class PodsUse:
    """The pods of one role: of how much of the phase their CPU is known, at least; None is "of nothing".

    ``apart_s`` is the longest time between two looks at one of them. ``throttled`` are those that were.
    """

    role: str
    cpu_covers_s: float | None
    apart_s: float | None
    throttled: tuple[PodThrottled, ...] = ()


@dataclass(frozen=True, slots=True)
class NodeUse:
    """A node with pods of these ``roles``: all that ran there, between the first and the last look in the phase."""

    node: str
    roles: tuple[str, ...]
    covers_s: float
    cpu_cores_mean: float
    cores: int | None
    memory_working_set_bytes_max: int | None


def pods_in(samples: Iterable[ProcessSample], window: Window | None) -> tuple[PodsUse, ...]:
    """Return what is known of each role that is of pods."""
    of_pods = [sample for sample in samples if sample.working_set_bytes is not None]
    return () if window is None else tuple(_pods(role, window) for role in roles_of(of_pods))


def nodes_in(samples: Iterable[NodeSample], window: Window | None) -> tuple[NodeUse, ...]:
    """Return what each node used in the phase; not those that were looked at less than twice in it."""
    if window is None:
        return ()
    start_s, end_s = window.start_ns / NANOSECONDS - EDGE_S, window.end_ns / NANOSECONDS + EDGE_S
    found: dict[str, list[NodeSample]] = {}
    for sample in samples:
        if start_s <= sample.at_s <= end_s:
            found.setdefault(sample.node, []).append(sample)
    return tuple(_node(looks) for _, looks in sorted(found.items()) if len(looks) > 1)


def away_in(stretches: Iterable[NodeAway], window: Window | None) -> tuple[NodeAway, ...]:
    """Return those that a part of the phase lies in."""
    if window is None:
        return ()
    start_s, end_s = window.start_ns / NANOSECONDS, window.end_ns / NANOSECONDS
    return tuple(one for one in stretches if one.to_s > start_s and one.from_s < end_s)


def _pods(role: Role, window: Window) -> PodsUse:
    known = per_s_apart(role.processes, window)
    gaps = [later.at_s - look.at_s for own in role.processes for look, later in pairwise(own)]
    return PodsUse(
        role.name,
        None if known is None else round(known[1] - known[0], 3),
        round(max(gaps), 3) if gaps else None,
        tuple(_throttled(role, window)),
    )


def _throttled(role: Role, window: Window) -> Iterable[PodThrottled]:
    for looks in lineages(role.processes):
        inside = looks_in(looks, window)
        if len(inside) > 1:
            held_s = grown(inside, lambda look: look.throttled_s or 0.0)
            if held_s:
                covers_s = inside[-1].at_s - inside[0].at_s
                yield PodThrottled(inside[0].member, inside[0].name, round(held_s, 3), round(covers_s, 3))


def _node(looks: list[NodeSample]) -> NodeUse:
    first, last = looks[0], looks[-1]
    sizes = [look.memory_working_set_bytes for look in looks if look.memory_working_set_bytes is not None]
    return NodeUse(
        node=last.node,
        roles=tuple(sorted({role for look in looks for role in look.roles})),
        covers_s=round(last.at_s - first.at_s, 3),
        cpu_cores_mean=round(sum(map(_used_s, looks, looks[1:])) / (last.at_s - first.at_s), 6),
        cores=last.cores,
        memory_working_set_bytes_max=max(sizes, default=None),
    )


def _used_s(before: NodeSample, after: NodeSample) -> float:
    # One that was started anew counts from 0: of the time before nothing more is known than the look before.
    return after.cpu_s - (before.cpu_s if after.cpu_s >= before.cpu_s else 0.0)
