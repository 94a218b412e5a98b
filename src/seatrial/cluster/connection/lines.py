"""A stream of bytes as lines, of any length up to a limit: an object's may have 1.5 MiB, more than readers take."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

LINE_BYTES_LIMIT = 64 << 20
"""What has no end by then is no object and no line of a log: etcd takes objects of 1.5 MiB by default."""


class Lines:
    """Whole lines, without their ends; ``rest`` is what came after the last of them."""

    def __init__(self, chunks: AsyncIterator[bytes]) -> None:
        self._chunks = chunks
        self.rest = b""

    async def __aiter__(self) -> AsyncIterator[bytes]:
        """Yield each line as it comes."""
        parts: list[bytes] = []
        size = 0
        async for chunk in self._chunks:
            first, *others = chunk.split(b"\n")
            parts.append(first)
            size += len(first)
            if others:
                yield b"".join(parts)
                for line in others[:-1]:
                    yield line
                parts, size = [others[-1]], len(others[-1])
            if size > LINE_BYTES_LIMIT:
                raise OSError(f"a line of more than {LINE_BYTES_LIMIT} bytes")
            self.rest = b"" if size == 0 else parts[-1]
        self.rest = b"".join(parts)
