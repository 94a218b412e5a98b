"""What everything above ``systems/`` knows of a system under test and of an origin.

The interface says nothing of where a system lives: one process, a fleet of them, or objects on a cluster. So
every operation that may take time is async, and processes appear only in those ``members()`` that run here.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from seatrial.machine.address import Endpoint
from seatrial.machine.processes.changes import ChangeLog, Unrecorded

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence
    from pathlib import Path

    from seatrial.machine.address import Address
    from seatrial.machine.members import Member
    from seatrial.machine.place import Place
    from seatrial.machine.processes.programs import BinaryInfo
    from seatrial.systems.certificate import Certificate
    from seatrial.systems.counters import Counters, OriginCounts
    from seatrial.systems.disturbance import Disturbable
    from seatrial.systems.running import ControllerLook
    from seatrial.systems.settings import Setting
    from seatrial.topology.expand import Topology


@dataclass(frozen=True, slots=True)
class Launch:
    """Everything that a system or an origin needs to come up.

    ``directory`` gets the rendered configuration and scratch files, ``log_directory`` the logs; both exist
    already. ``topology`` is where requests go (``NOWHERE`` for an origin); they come in at an address of the ``place``,
    of an origin at as many as it ``listens`` on.
    Where it ``is_reconfigured``, its configuration changes while it serves.
    ``max_connections`` is the most that the trial will open at once, idle and active together. With a ``certificate``
    what comes up speaks TLS, and asks an origin of a topology whose endpoints have a CA over TLS.
    """

    directory: Path
    log_directory: Path
    topology: Topology
    max_connections: int
    place: Place
    label: str
    changes: ChangeLog = field(default_factory=Unrecorded)
    certificate: Certificate | None = None
    listens: int = 1
    is_reconfigured: bool = False

    @property
    def access_log(self) -> Path:
        """Where a line for each request goes, if there is one."""
        return self.log_directory / f"{self.label}-access.log"

    def endpoint(self, listen: Address) -> Endpoint:
        """Return where requests may be sent once it listens there."""
        ca = None if self.certificate is None else self.certificate.ca
        return Endpoint(listen.host, listen.port, ca, namespace=listen.namespace)


class System(Protocol):
    """A system under test."""

    async def start(self, launch: Launch) -> tuple[Endpoint, ...]:
        """Render, validate, start, wait until ready; return where requests may be sent.

        Raises ``SystemFault`` where the system refuses or does not come up, ``EnvironmentFault`` where the
        machine stands in its way. After either, nothing is left running.
        """

    async def counters(self, *, exact: bool = False) -> Counters:
        """Read what each member counts itself.

        ``exact`` waits, at most a few seconds, until everything that has already happened is counted; without
        it a system that counts through a buffer may lag by a second.
        """

    async def configuration(self) -> Mapping[str, Mapping[str, str]]:
        """Return what each member says that it runs: digests by name, which are others once anything of it is.

        Raises ``SystemFault`` where one does not answer. Its pages may be long: not to be asked while it is measured.
        """

    async def settings(self) -> tuple[Setting, ...]:
        """Read from each member, while it runs, what is in force of its limits and sizes beside what was asked of it.

        Raises ``SystemFault`` where one does not answer.
        """

    async def drained(self, limit_s: float) -> bool:
        """Wait until no connection is left on the ingress side; False where ``limit_s`` passes first."""

    def members(self) -> tuple[Member, ...]:
        """Return those that it consists of right now, with the processes to sample; empty where nothing runs."""

    def proxies(self) -> tuple[Disturbable, ...]:
        """Return those of it that may be disturbed, in the order of their numbers; empty where there are none."""

    def failure(self) -> str | None:
        """Say how the system has failed since it started, or None. Cheap: may be asked every interval.

        What was disturbed on purpose has not failed.
        """

    def version(self) -> BinaryInfo | None:
        """Return the program in use, or None where there is none. May be asked before the start."""

    async def stop(self) -> None:
        """End it and everything it started; harmless when it has not started or has already ended."""


@runtime_checkable
class Published(Protocol):
    """What a ``System`` has, too, whose routes are objects of a cluster: their words where one is not served."""

    async def reasons(self, names: Sequence[str]) -> Sequence[str]:
        """Return what the cluster says of the routes of these names; what says nothing is left out."""

    @property
    def shown_by(self) -> str:
        """The command that shows a person the objects of its routes."""


@runtime_checkable
class Controlled(Protocol):
    """What a ``System`` has, too, that may have a controller of its own: a program that tells proxies what to serve.

    Both raise ``SeatrialError`` where nobody can be asked.
    """

    @property
    def has_controllers(self) -> bool:
        """Whether it has one."""

    async def controllers(self, *, at_once: bool = False) -> Mapping[str, ControllerLook]:
        """Look at each of its pods, by name; empty where it has none, or the last look was a moment ago.

        Not so where it is to be ``at_once``.
        """

    async def panics(self, since_utc: str) -> Mapping[str, tuple[int, str]]:
        """Return how many panics are in the log of each since then (RFC 3339), and the first in its own words.

        One that cannot be read is not among them.
        """


class Origin(Protocol):
    """The target service behind the system under test."""

    async def start(self, launch: Launch) -> tuple[Endpoint, ...]:
        """Start and wait until ready, as ``System.start`` does."""

    async def counts(self) -> OriginCounts:
        """Count exactly what has reached it, in at most a few seconds. Kept after ``stop``."""

    async def pause(self, endpoints: Collection[int]) -> None:
        """Have those of its addresses, by their places from 0 on, stand still from now on, and all others go on.

        One that stands still is as a process that was stopped: the kernel takes connections and bytes, and nobody
        answers. Raises ``SystemFault`` where it is not done.
        """

    def members(self) -> tuple[Member, ...]:
        """Return those that it consists of right now, as ``System.members`` does."""

    def failure(self) -> str | None:
        """Say how the origin has failed since it started, or None."""

    def version(self) -> BinaryInfo | None:
        """Return the program in use."""

    async def stop(self) -> None:
        """End it and everything it started."""
