"""What a conversation with a pod needs: the lines of its log, and a way to its stdin.

Streams break; whoever gives these opens them again. Both raise ``SeatrialError`` where that is of no use.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator


class Way(Protocol):
    """A way to the stdin of a container. Its end is not the end of that stdin."""

    async def send(self, line: str) -> None:
        """Write a line, given without its end. What was written just before a break may not have arrived."""

    async def close(self) -> None:
        """Let go of it: what is sent next is sent over a new stream."""


class Streams(Protocol):
    """The streams of the pods of one namespace; whoever opens a thousand of them at once waits in there."""

    def log(self, pod: str) -> AsyncGenerator[str]:
        """Yield the lines of a pod's log as they are written, until its container has ended.

        After a break there may be some again; where the log could not be read for long, some may be missing.
        """

    def way(self, pod: str) -> Way:
        """Return a way to a pod's stdin, which is opened when something is sent."""
