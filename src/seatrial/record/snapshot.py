"""A database with its write-ahead log, put together in memory, for places where nothing can be written.

SQLite reads a log by way of a shared index beside it, which it has to make. Where it cannot (a read-only file system, a
full one, somebody else's directory), the log would be passed over, and with it the end of a run that was cut off.
Source: "Database File Format", section 4, The Write-Ahead Log; https://www.sqlite.org/fileformat2.html.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_HEADER = struct.Struct(">8I")
_FRAME = struct.Struct(">6I")
_MAGIC = 0x377F0682
"""The lowest bit says in which byte order the checksums were reckoned: 1 is big-endian."""
_FORMAT_VERSIONS = slice(18, 20)
"""Of the database's header: 2, 2 is "with a log"; 1, 1 is without, and all that an image in memory may be."""


def log_of(database: Path) -> Path:
    """Return where the write-ahead log of a database is, if it has one."""
    return database.with_name(f"{database.name}-wal")


def image_of(database: Path) -> bytes:
    """Return the database as its log leaves it; raises ``OSError`` where a file cannot be read."""
    log = log_of(database)
    image = bytearray(database.read_bytes())
    pages = _committed(log.read_bytes()) if log.exists() else {}
    for number, page in pages.items():
        start = (number - 1) * len(page)
        image.extend(bytes(max(0, start - len(image))))
        image[start : start + len(page)] = page
    image[_FORMAT_VERSIONS] = b"\x01\x01"
    return bytes(image)


def _committed(log: bytes) -> dict[int, bytes]:
    """Return the newest version of each page up to the last commit."""
    pages: dict[int, bytes] = {}
    pending: dict[int, bytes] = {}
    for number, pages_after_commit, page in _frames(log):
        pending[number] = page
        if pages_after_commit:
            pages |= pending
            pending.clear()
    return pages


def _frames(log: bytes) -> Iterator[tuple[int, int, bytes]]:
    """Yield (page, size of the database after a commit or 0, content) up to the first frame that is not whole."""
    if len(log) < _HEADER.size:
        return
    magic, _, page_bytes, _, *salts, first, second = _HEADER.unpack_from(log)
    if magic & ~1 != _MAGIC:
        return
    order = ">" if magic & 1 else "<"
    # The header's own sum, of all but the sum itself, begins the frames'.
    if (sums := _sums(log[: _HEADER.size - 8], (0, 0), order)) != (first, second):
        return
    for at in range(_HEADER.size, len(log) - _FRAME.size - page_bytes + 1, _FRAME.size + page_bytes):
        number, size, *rest = _FRAME.unpack_from(log, at)
        page = log[at + _FRAME.size : at + _FRAME.size + page_bytes]
        sums = _sums(log[at : at + 8] + page, sums, order)
        # A log is used again from its beginning: what follows with other salts is of its life before.
        if rest != [*salts, *sums]:
            return
        yield number, size, page


def _sums(data: bytes, sums: tuple[int, int], order: str) -> tuple[int, int]:
    first, second = sums
    words = struct.unpack(f"{order}{len(data) // 4}I", data)
    for even, odd in zip(words[::2], words[1::2], strict=True):
        first = (first + even + second) & 0xFFFFFFFF
        second = (second + odd + first) & 0xFFFFFFFF
    return first, second
