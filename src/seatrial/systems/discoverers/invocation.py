"""What the process of a discoverer needs of its kind: which program, and how it is started."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from seatrial.systems.discovering import QueueNames

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from seatrial.machine.address import Address
    from seatrial.machine.processes.programs import BinaryInfo
    from seatrial.systems.discovering import ReplicaKind, SourceKind, Wiring


@dataclass(frozen=True, slots=True)
class Carries:
    """What it carries from where to where; see ``Discovering``."""

    sources: frozenset[SourceKind]
    reads: ReplicaKind
    replicas: ReplicaKind


@dataclass(frozen=True, slots=True)
class Invocation:
    """How one is started: ``arguments`` follow the program's path, ``environment`` comes on top of ours.

    ``metrics_url``, ``ca`` and ``queue`` are as in ``Begun``.
    """

    arguments: tuple[str, ...]
    environment: Mapping[str, str] = field(default_factory=dict)
    metrics_url: str | None = None
    ca: Path | None = None
    queue: QueueNames = field(default_factory=QueueNames)


class Invoked(Protocol):
    """A kind with its options. It takes the addresses that it ``listens_at`` whatever it is asked."""

    @property
    def listens_at(self) -> tuple[Address, ...]:
        """Addresses of which nobody else may have one."""

    @property
    def carries(self) -> Carries:
        """What it reads and writes."""

    @property
    def notices_within_s(self) -> float:
        """Within how many seconds it should notice a change by itself, or look at everything anew."""

    def program(self) -> Path:
        """Return its program; raise ``EnvironmentFault`` where there is none."""

    def version(self) -> BinaryInfo:
        """Return the program in use; raise as ``program`` does."""

    def invocation(self, wiring: Wiring, metrics: Address, directory: Path) -> Invocation:
        """Return how it is started, with its metrics page at an address; its files go into ``directory``.

        Raises ``PlanError`` where it does not read such a source.
        """
