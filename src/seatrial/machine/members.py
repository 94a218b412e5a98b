"""Who takes part in a trial: the members of each role, and what each of them runs as."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Self

from seatrial.machine.proc import ProcessRef, started_ticks

Role = Literal["generator", "system", "controller", "origin", "seatrial"]
"""A controller is what tells proxies what to serve, where that is a program of its own."""


@dataclass(frozen=True, slots=True)
class PodRef:
    """A pod that a member runs as: ``uid`` is another one's once it was replaced."""

    namespace: str
    name: str
    uid: str
    node: str


@dataclass(frozen=True, slots=True)
class Member:
    """One of those that fill a role together: a proxy, a process of the origin, a worker of the load.

    ``name`` is its own within its role, and stays when it is restarted: what runs under it from one start to the next
    is an incarnation. ``processes`` are those that run here and now; empty where it runs elsewhere, as a ``pod``.
    """

    role: Role
    name: str
    processes: tuple[ProcessRef, ...]
    pod: PodRef | None = None

    @classmethod
    def alone(cls, role: Role, name: str, pid: int) -> Self | None:
        """Return the member that is this one process; None where there is no such process."""
        ticks = started_ticks(pid)
        return None if ticks is None else cls(role, name, (ProcessRef(name, pid, ticks),))
