"""What each member of a system had of the load, by its own counters: the members of a fleet should have alike."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from seatrial.observe.system import COUNTED_BY_KERNEL

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from seatrial.analysis.load.window import Window
    from seatrial.observe.samples import SystemSample


@dataclass(frozen=True, slots=True)
class MemberUse:
    """One member in the measure window; None is "it does not count that", or too few looks at it.

    ``connections_min`` and ``connections_max`` are of the looks, ``requests`` came between the first and the last.
    """

    member: str
    connections_min: int | None
    connections_max: int | None
    requests: int | None


@dataclass(frozen=True, slots=True)
class OwnGauge:
    """The connections that all members together had, the fewest and the most of any look in the measure window.

    Where a member does not count them, the kernel did, at one of the looks at least: ``is_by_kernel``.
    """

    lowest: int
    highest: int
    is_by_kernel: bool = False


def members_in(samples: Iterable[SystemSample], window: Window | None) -> tuple[MemberUse, ...]:
    """Return what each member had in the window, in the order of their names."""
    found: dict[str, list[SystemSample]] = {}
    for sample in _inside(samples, window):
        found.setdefault(sample.member, []).append(sample)
    return tuple(_use(member, looks) for member, looks in found.items())


def own_gauge(
    samples: Iterable[SystemSample], window: Window | None, of: str = "connections_active"
) -> OwnGauge | None:
    """Return the system's own count of its connections, or of others; None where none was counted in the window."""
    # All members of a look have its time.
    totals: dict[float, float] = {}
    inside = _inside(samples, window)
    for sample in inside:
        if of not in sample.values:
            return None
        totals[sample.at_s] = totals.get(sample.at_s, 0) + sample.values[of]
    is_by_kernel = any(COUNTED_BY_KERNEL in sample.values for sample in inside)
    return OwnGauge(int(min(totals.values())), int(max(totals.values())), is_by_kernel) if totals else None


def _inside(samples: Iterable[SystemSample], window: Window | None) -> list[SystemSample]:
    if window is None:
        return []
    return [sample for sample in samples if sample.role == "system" and window.holds(sample.at_s)]


def _use(member: str, looks: Sequence[SystemSample]) -> MemberUse:
    connections = [
        int(look.values["connections_active"]) for look in looks if "connections_active" in look.values
    ]
    first, last = looks[0], looks[-1]
    is_known = len(looks) > 1 and first.incarnation == last.incarnation
    is_known = is_known and "requests" in first.values and "requests" in last.values
    return MemberUse(
        member=member,
        connections_min=min(connections, default=None),
        connections_max=max(connections, default=None),
        requests=int(last.values["requests"] - first.values["requests"]) if is_known else None,
    )
