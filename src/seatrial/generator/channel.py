"""The conversation with one worker, wherever it runs."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, Any, Literal, Protocol, Self

from seatrial import _boot
from seatrial.errors import GeneratorFault
from seatrial.generator.clocks import WorkerClock
from seatrial.machine.processes.child import Child

if TYPE_CHECKING:
    from seatrial.machine.namespace import Namespace

CLOSE_LIMIT_S = 30.0
"""Closing its 20,000 connections takes a worker seconds where 50 others close theirs beside it."""

LEAD_NS = 10_000_000
"""A worker of this machine has read a line by then, on a busy one as well."""


class Channel(Protocol):
    """A worker that has got its spec: commands go to it, messages come from it until it ends.

    Times in both are of this machine's CLOCK_MONOTONIC, whichever the worker goes by.
    """

    name: str
    """Which worker it is, for a person."""

    @property
    def lead_ns(self) -> int:
        """How long before a moment the worker has to be given a command for it."""

    @property
    def clock(self) -> WorkerClock | None:
        """How its clock differs from ours; None where it goes by ours."""

    def silence(self) -> str:
        """Say what is known of a worker from which nothing comes any more; "" is nothing."""

    def send(self, command: Mapping[str, Any]) -> None:
        """Give it a command; nothing is done where it has ended."""

    def messages(self) -> AsyncIterator[dict[str, Any]]:
        """Yield its messages, to the end."""

    async def ended(self) -> tuple[int | None, str]:
        """Return its exit status, negative for a signal, and its words for a person, once its messages have ended.

        Where there is no status, the words go on from its name.
        """

    async def close(self) -> None:
        """End it where it has not ended."""


Open = Callable[[Mapping[str, Any]], Awaitable[Channel]]
"""Starts a worker with its spec; raises ``GeneratorFault`` where it cannot be started."""


class LocalChannel:
    """A worker that is a process of this machine, started with nothing but the engine."""

    lead_ns = LEAD_NS
    clock = None

    def __init__(self, child: Child, name: str) -> None:
        self.name = name
        self._child = child

    @classmethod
    async def open(
        cls,
        spec: Mapping[str, Any],
        namespace: Namespace | None = None,
        cpus: frozenset[int] | None = None,
        role: Literal["worker", "prober"] = "worker",
    ) -> Self:
        """Start a process, in the network of a namespace and on these CPUs, and give it its spec; see ``Open``."""
        try:
            child = await Child.start(_boot.argv(role, cpus), namespace=namespace)
        except OSError as error:
            raise GeneratorFault(
                f"{role} {spec['worker']} cannot be started",
                cause=str(error),
                next_step="leave this machine processes and memory (ulimit -u, free), or ask for fewer workers",
            ) from error
        child.send(spec)
        return cls(child, f"{role} {spec['worker']}")

    def send(self, command: Mapping[str, Any]) -> None:
        """Give it a command."""
        self._child.send(command)

    def messages(self) -> AsyncIterator[dict[str, Any]]:
        """Yield its messages, to the end."""
        return self._child.messages()

    def silence(self) -> str:
        """Say nothing: it is here to be looked at."""
        return ""

    async def ended(self) -> tuple[int, str]:
        """Return its exit status and what it wrote to stderr."""
        words = await self._child.words()
        return await self._child.wait(), words

    async def close(self) -> None:
        """Close its stdin, and end it by force where that does not."""
        self._child.hang_up()
        await self._child.end(CLOSE_LIMIT_S)
