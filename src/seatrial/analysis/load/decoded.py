"""The histograms of a recorded trial, decoded together and merged without an array of every bucket for each.

The engine's own histogram has 23,552 buckets, of which a frame's occupies a hundred. To decode one takes the engine
20 us and to add it up as long again, ten times as long where the memory for it is asked of the system anew; a run of
thousands of trials has a million of them. Here only occupied buckets are kept, and numpy takes all frames of a trial at
once. What comes out is what the engine says, to the bit, which ``tests/property/test_histograms_decoded.py`` holds.
It is for records only: a single load has few histograms, and importing numpy would take longer than merging them.
"""

from __future__ import annotations

import base64
import zlib
from bisect import bisect_left
from functools import cache, cached_property
from math import ceil
from typing import TYPE_CHECKING

import numpy as np

from seatrial._engine import Histogram
from seatrial.analysis.load.ours import Parts

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray

    Whole = NDArray[np.int64]

# Before the zlib stream are a cookie and a length, before the counts in it is a header: HdrHistogram's V2 format
# (`AbstractHistogram.java`).
_COOKIE_BYTES, _STREAM_AT, _COUNTS_AT = 4, 8, 40
# With 3 significant digits each power of two from 2,048 on has 1,024 buckets; below, each value has its own.
_HALF_BITS = 10
_BUCKETS = 23 << _HALF_BITS
# A count of more bytes than this is more than 64 bits hold.
_COUNT_BYTES_MAX = 9


class Buckets:
    """A histogram as its occupied buckets, ascending; it answers as the engine's does, in whole microseconds."""

    def __init__(self, numbers: Whole, counts: Whole) -> None:
        self.numbers = numbers
        self.counts = counts
        # Of a memoryview a single number is read faster than of an array.
        self._numbers = numbers.data

    @classmethod
    def together(cls, parts: Iterable[Buckets]) -> Buckets:
        """Return the histogram of all samples; exact."""
        parts = [part for part in parts if len(part.numbers)]
        if len(parts) <= 1:
            return parts[0] if parts else NOTHING
        numbers = np.concatenate([part.numbers for part in parts])
        counts = np.zeros(numbers.max() + 1, np.int64)
        np.add.at(counts, numbers, np.concatenate([part.counts for part in parts]))
        occupied = np.flatnonzero(counts)
        return cls(occupied, counts[occupied])

    @cached_property
    def _up_to(self) -> memoryview[int]:
        # The samples of each bucket and of all before it.
        return np.cumsum(self.counts).data

    @cached_property
    def count(self) -> int:
        """All samples."""
        return self._up_to[-1] if len(self.counts) else 0

    @property
    def min_us(self) -> int:
        """The lowest value of the first bucket; 0 without samples."""
        return self.quantile_us(0.0)

    @property
    def max_us(self) -> int:
        """The highest value of the last bucket; 0 without samples."""
        return self.quantile_us(1.0)

    @cached_property
    def mean_us(self) -> float:
        """The mean, each sample taken to be in the middle of its bucket; added up in the engine's order."""
        if not self.count:
            return 0.0
        bits = np.maximum(self.numbers >> _HALF_BITS, 1) - 1
        middles = ((self.numbers - (bits << _HALF_BITS)) << bits) + ((1 << bits) >> 1)
        return float(np.cumsum(middles * self.counts.astype(np.float64) / self.count)[-1])

    @property
    def highest_us(self) -> list[int]:
        """The highest value of each occupied bucket, ascending."""
        return [_highest_us(number) for number in self.numbers.tolist()]

    def quantile_us(self, quantile: float) -> int:
        """Return the smallest value that at least this fraction (0 to 1) of the samples do not exceed."""
        if not self.count:
            return 0
        rank = ceil((min(1.0, quantile)) * self.count)
        number = self._numbers[bisect_left(self._up_to, rank)]
        if not quantile:
            return _lowest_us(number)
        return _highest_us(number)

    def encode(self) -> str:
        """Return the base64 V2 encoding, as the engine writes it."""
        histogram = Histogram()
        for number, count in zip(self.numbers.tolist(), self.counts.tolist(), strict=True):
            histogram.record(_lowest_us(number), count)
        return histogram.encode()

    def __repr__(self) -> str:
        """Return every occupied bucket and its samples."""
        return f"Buckets({self.numbers.tolist()}, {self.counts.tolist()})"


NOTHING = Buckets(np.zeros(0, np.int64), np.zeros(0, np.int64))


def _lowest_us(number: int) -> int:
    bits = (number >> _HALF_BITS) - 1
    return number if bits <= 0 else (number - (bits << _HALF_BITS)) << bits


def _highest_us(number: int) -> int:
    bits = (number >> _HALF_BITS) - 1
    return number if bits <= 0 else ((number - (bits << _HALF_BITS) + 1) << bits) - 1


def together(parts: Sequence[Parts[Buckets]]) -> Parts[Buckets]:
    """Return the histograms of all trials; exact."""
    return Parts(
        Buckets.together(part.latency for part in parts),
        Buckets.together(part.service_time for part in parts),
        Buckets.together(part.lateness for part in parts),
        Buckets.together(part.receive_wait for part in parts),
        max((part.stall_us for part in parts), default=0),
    )


def decoded(encoded: Sequence[str]) -> list[Buckets]:
    """Decode base64 V2 histograms; raise ``ValueError`` where one of them is none."""
    return _unpacked([_counts_in(base64.b64decode(one, validate=True), one) for one in encoded])


class Decoded:
    """Histograms by their base64 V2 encoding: each is decoded once, and the same ones are merged once."""

    def __init__(self) -> None:
        self._waiting: dict[str, bytes] = {}
        self._known: dict[str, Buckets] = {}
        self._merged: dict[tuple[str, ...], Buckets] = {(): NOTHING}

    def take(self, data: bytes) -> str:
        """Keep an encoding for :meth:`decode` and return it in base64; raise ``ValueError`` for what is none."""
        encoded = base64.b64encode(data).decode("ascii")
        if encoded and encoded not in self._known:
            self._waiting[encoded] = _counts_in(data, encoded)
        return encoded

    def decode(self) -> None:
        """Decode all that was taken; raise ``ValueError`` where one of them is no histogram, and forget them."""
        waiting, self._waiting = self._waiting, {}
        if waiting:
            self._known.update(zip(waiting, _unpacked(list(waiting.values())), strict=True))

    def merge(self, encoded: Iterable[str]) -> Buckets:
        """Add up base64 V2 histograms, "" being one without samples; raise ``ValueError`` for what is none."""
        which = tuple(one for one in encoded if one)
        found = self._merged.get(which)
        if found is None:
            for one in which:
                if one not in self._known:
                    self.take(base64.b64decode(one, validate=True))
            self.decode()
            found = self._merged[which] = Buckets.together(self._known[one] for one in which)
        return found


def _counts_in(data: bytes, encoded: str) -> bytes:
    """Return the counts of an encoding as they are packed."""
    try:
        plain = zlib.decompress(data[_STREAM_AT:])
    except zlib.error:
        return _as_ours(encoded)
    is_ours = (
        data[:_COOKIE_BYTES] == _empty()[:_COOKIE_BYTES]
        and int.from_bytes(data[_COOKIE_BYTES:_STREAM_AT]) == len(data) - _STREAM_AT
        and plain[:_COUNTS_AT] == _header(len(plain) - _COUNTS_AT)
    )
    return plain[_COUNTS_AT:] if is_ours else _as_ours(encoded)


def _as_ours(encoded: str) -> bytes:
    """Let the engine read what is not quite as it writes it, or say what is wrong with it."""
    data = base64.b64decode(Histogram.decode(encoded).encode())
    return zlib.decompress(data[_STREAM_AT:])[_COUNTS_AT:]


@cache
def _empty() -> bytes:
    return base64.b64decode(Histogram().encode())


@cache
def _header(counts_bytes: int) -> bytes | None:
    if counts_bytes < 0:
        return None
    plain = zlib.decompress(_empty()[_STREAM_AT:])
    return plain[:_COOKIE_BYTES] + counts_bytes.to_bytes(4) + plain[_STREAM_AT:_COUNTS_AT]


def _unpacked(packed: Sequence[bytes]) -> list[Buckets]:
    """Unpack counts: seven bits a byte (LEB128) and signed (ZigZag); a negative one is so many empty buckets."""
    if not packed:
        return []
    data = np.frombuffer(b"".join(packed), np.uint8)
    lasts = np.flatnonzero(data < 0x80)
    # How many of the numbers are over where each histogram ends.
    ends = np.searchsorted(lasts, np.cumsum([len(one) for one in packed]))
    values = _values(data, lasts)
    steps = np.concatenate(([0], np.cumsum(np.where(values < 0, -values, 1))))
    begins = np.concatenate(([0], ends[:-1]))
    filled = values > 0
    numbers = (steps[:-1] - np.repeat(steps[begins], ends - begins))[filled]
    if any(one and one[-1] >= 0x80 for one in packed) or numbers.max(initial=0) >= _BUCKETS:
        raise ValueError("not a V2 histogram: its counts are cut off, or too many")
    counts, kept = values[filled], np.concatenate(([0], np.cumsum(filled)))
    spans = zip(kept[begins].tolist(), kept[ends].tolist(), strict=True)
    return [Buckets(numbers[first:last], counts[first:last]) for first, last in spans]


def _values(data: NDArray[np.uint8], lasts: Whole) -> Whole:
    """Return the numbers whose last bytes are at ``lasts``."""
    firsts = np.concatenate(([0], lasts[:-1] + 1))[: len(lasts)]
    lengths = lasts - firsts + 1
    longest = int(lengths.max(initial=0))
    if longest > _COUNT_BYTES_MAX:
        raise ValueError("not a V2 histogram: it has a count beyond all bounds")
    values = (data[firsts] & 0x7F).astype(np.int64)
    for place in range(1, longest):
        longer = np.flatnonzero(lengths > place)
        values[longer] |= (data[firsts[longer] + place] & 0x7F).astype(np.int64) << (7 * place)
    return (values >> 1) ^ -(values & 1)
