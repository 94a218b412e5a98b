"""What a kind of proxy has to say for itself: everything else about one on this machine is :class:`.proxy.Proxy`."""

from __future__ import annotations

import os
import signal
from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from seatrial.machine.address import Address
    from seatrial.machine.processes.programs import Program
    from seatrial.systems.base import Launch
    from seatrial.systems.catalogue import Metric
    from seatrial.systems.settings import Setting


@dataclass(frozen=True, slots=True)
class Ports:
    """What a proxy listens on: for its clients, and for who asks it how it is.

    An origin listens at ``further`` addresses, on the same port.
    """

    listen: Address
    status: Address
    further: tuple[Address, ...] = ()


@dataclass(frozen=True, slots=True)
class Prepared:
    """How to run a proxy whose configuration is written; arguments follow the program's path.

    ``validate`` has it check the configuration and end, None where it cannot. ``processes`` is how many there are once
    it is up, of which ``serving`` share the connections. What it prints goes into the log, or into a file of its own:
    ``stdout``. ``objections`` are words of its validator that it says and goes on after.
    """

    run: tuple[str, ...]
    validate: tuple[str, ...] | None
    environment: Mapping[str, str] = field(default_factory=dict)
    processes: int = 1
    serving: int = 1
    stdout: Path | None = None
    objections: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Own:
    """What a proxy counts itself, of its ingress side; None is "it does not count that"."""

    requests: int | None
    upstream_requests: int | None
    connections_accepted: int | None = None
    connections_active: int | None = None
    upstream_connections: int | None = None


class Dialect(ABC):
    """One kind of proxy with its options. ``missing`` says in words what it does not count.

    Where it ``keeps_counts``, what it has counted outlives a reload. ``metrics`` are the names of what it does: one
    that is not among its values is not a count of 0. ``metrics_path`` is where its status address tells them in the
    format of Prometheus.
    """

    program: ClassVar[Program]
    keeps_counts: ClassVar[bool] = True
    metrics_path: ClassVar[str | None] = None
    metrics: tuple[Metric, ...] = ()
    missing: tuple[str, ...] = ()

    @abstractmethod
    def prepare(self, launch: Launch, ports: Ports) -> Prepared:
        """Write its configuration into the launch's directory."""

    def metrics_page(self, status: Address) -> tuple[Address, str] | None:
        """Return where it tells what it counts in the format of Prometheus, an address and a path, once it has started.

        None where it does not.
        """
        return None if self.metrics_path is None else (status, self.metrics_path)

    @abstractmethod
    async def is_live(self, status: Address) -> bool:
        """Return whether it says that it serves.

        Raises ``OSError`` or ``HTTPException`` where it does not answer yet, ``SystemFault`` where it never will.
        """

    @abstractmethod
    async def read(self, status: Address) -> Mapping[str, float]:
        """Read its counters, by its own names. Raises as ``is_live`` does."""

    @abstractmethod
    def own(self, values: Mapping[str, float]) -> Own:
        """Return what these counters say."""

    async def reload(self, pid: int, status: Address) -> None:  # noqa: B027 (some watch their files)
        """Ask it, the process that was started, to read its configuration again.

        What watches its files has begun when they were written. It may not be done when this returns. Raises as
        ``is_live`` does.
        """

    async def drain(self, pid: int, status: Address) -> None:  # noqa: ARG002
        """Ask it to take no more connections and to end when it has none; what ends in order by SIGTERM does that."""
        os.kill(pid, signal.SIGTERM)

    def begins(self) -> None:  # noqa: B027 (most keep nothing beside the proxy's own counters)
        """Take it that it is about to be started, and has counted nothing yet."""

    async def settings(self, member: str, status: Address) -> tuple[Setting, ...]:  # noqa: ARG002
        """Read from the running proxy what is in force of its limits and sizes, beside what was asked of it.

        Raises as ``is_live`` does.
        """
        return ()

    def limits_met(self, values: Mapping[str, float]) -> Mapping[str, int]:  # noqa: ARG002
        """Return how often it has met a limit of its own, by its own counters' names; empty where it does not count."""
        return {}

    def rejected(self, values: Mapping[str, float]) -> Mapping[str, int] | None:  # noqa: ARG002
        """Return how often it took no configuration, by its own counters' names; None where it does not count."""
        return None

    async def configuration(self, status: Address) -> Mapping[str, str]:  # noqa: ARG002
        """Return digests of what it says that it runs, by name; none where it does not say. Raises as ``is_live`` does.

        Its files and processes are known without it.
        """
        return {}

    async def settle(self) -> None:  # noqa: B027 (most have nothing to wait for)
        """Wait, at most a few seconds, until everything that has already happened is counted; most count at once."""

    def tidy(self) -> None:  # noqa: B027 (most write nothing)
        """Remove what nobody needs of its scratch files, once it has ended and was counted for the last time."""
