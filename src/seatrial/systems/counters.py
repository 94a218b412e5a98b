"""What systems and origins count of themselves, and what was counted between two readings.

A counter begins at 0 with each incarnation of its member. So two readings are taken from each other member by member:
of a fleet's sum nobody could tell whether one of it had begun anew.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from seatrial.systems.catalogue import Says


@dataclass(frozen=True, slots=True)
class Reading:
    """One member's own counters, since this incarnation of it began; None is "it does not know".

    Of the ingress side only: its admin or status port is not counted. ``values`` holds everything that was read, by
    the member's own names. Where a member does not count its connections, the kernel does (``is_counted_by_kernel``).
    What is ``absent`` it would say under the name that is given: some are there once there was something to count, and
    read as 0 until then. ``limits_met`` is how often it has met a limit of its own, by the name of its counter;
    ``rejected`` how often it did not take a configuration that it was given, None where it does not count that.
    """

    incarnation: str
    connections_active: int | None
    connections_accepted: int | None
    requests: int | None
    upstream_requests: int | None
    values: Mapping[str, float]
    upstream_connections: int | None = None
    is_counted_by_kernel: bool = False
    absent: Mapping[Says, str] = field(default_factory=dict)
    limits_met: Mapping[str, int] = field(default_factory=dict)
    rejected: Mapping[str, int] | None = None


@dataclass(frozen=True, slots=True)
class Counters:
    """One reading of every member of a system, by its name; take a baseline and ask ``counted_between``.

    Sums are of all members, None where one of them does not know; ``missing`` says in words what this system does not
    know. ``interrupted`` are the members whose counts were lost to a disturbance: they were ended, or began anew, on
    purpose. ``at_s`` is CLOCK_MONOTONIC.
    """

    at_s: float
    members: Mapping[str, Reading]
    missing: tuple[str, ...] = ()
    interrupted: tuple[str, ...] = ()

    @property
    def absent(self) -> tuple[str, ...]:
        """What no name was found for that was looked for, in words."""
        found = {
            f"{says.replace('_', ' ')}: {name} is not among what the system counts": None
            for reading in self.members.values()
            for says, name in reading.absent.items()
        }
        return tuple(found)

    @property
    def connections_active(self) -> int | None:
        """The connections that all members have."""
        return _sum(reading.connections_active for reading in self.members.values())

    @property
    def connections_accepted(self) -> int | None:
        """The connections that all members have accepted."""
        return _sum(reading.connections_accepted for reading in self.members.values())

    @property
    def requests(self) -> int | None:
        """The requests that all members have received."""
        return _sum(reading.requests for reading in self.members.values())

    @property
    def upstream_requests(self) -> int | None:
        """The requests that all members have passed on."""
        return _sum(reading.upstream_requests for reading in self.members.values())


@dataclass(frozen=True, slots=True)
class OriginCounts:
    """What reached the origin since it started; ``by_route`` is keyed "host path", empty where unknown.

    ``by_endpoint`` has the requests that came in at each of its addresses, in their order; empty where unknown.
    """

    requests: int
    by_route: Mapping[str, int]
    by_endpoint: tuple[int, ...] = ()
    connections_active: int | None = None
    connections_accepted: int | None = None


@dataclass(frozen=True, slots=True)
class Counted:
    """What a system counted between two readings; None is "not known".

    ``uncounted`` says why it could not be where it should have been, ``missing`` where nobody could expect it.
    """

    requests: int | None = None
    upstream_requests: int | None = None
    uncounted: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()


def counted_between(before: Counters, after: Counters) -> Counted:
    """Return what all members together counted from ``before`` to ``after``.

    A member that came later has counted from 0. What one that was restarted or has gone had counted until then went
    with it: the whole is not known then, and the rest of it is not given for the whole.
    """
    if after.interrupted:
        names = ", ".join(after.interrupted)
        return Counted(
            missing=(f"requests of the whole trial: what {names} had counted went with a disturbance",)
        )
    uncounted = tuple(_uncounted(before, after))
    if uncounted:
        return Counted(uncounted=uncounted)
    return Counted(
        _difference(before, after, "requests"),
        _difference(before, after, "upstream_requests"),
    )


def _uncounted(before: Counters, after: Counters) -> Iterator[str]:
    for name, earlier in before.members.items():
        later = after.members.get(name)
        if later is None:
            yield f"{name} has gone, and what it had counted with it"
        elif later.incarnation != earlier.incarnation:
            yield f"{name} was restarted, and what it had counted before that is not known"


def _difference(
    before: Counters, after: Counters, says: Literal["requests", "upstream_requests"]
) -> int | None:
    def of_one(name: str, reading: Reading) -> int | None:
        # A name that is still not there after the load has not counted 0; one that has come since has counted from 0.
        later: int | None = None if says in reading.absent else getattr(reading, says)
        earlier: int | None = getattr(before.members[name], says) if name in before.members else 0
        return None if later is None or earlier is None else later - earlier

    return _sum(of_one(name, reading) for name, reading in after.members.items())


def _sum(counts: Iterable[int | None]) -> int | None:
    """Return the sum; None where one is not known, and where there is none."""
    total = None
    for count in counts:
        if count is None:
            return None
        total = (total or 0) + count
    return total
