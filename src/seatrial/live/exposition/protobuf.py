"""The two schemas of Protocol Buffers that Prometheus speaks, as far as they are needed: a page, and remote-write 1.0.

A page in this form is the only one that a scrape takes native histograms from (``io.prometheus.client.MetricFamily``,
each with its length before it). Field numbers are those of prometheus/client_model's ``metrics.proto`` and of
prometheus/prometheus's ``prompb/types.proto`` and ``remote.proto``.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Final

from seatrial.live.exposition.distribution import BOUNDS_S, SCHEMA, ZERO_THRESHOLD_S, Distribution

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from seatrial.live.exposition.families import Family, Series

CONTENT_TYPE: Final = (
    "application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily; encoding=delimited"
)

_TYPES: Final = {"counter": 0, "gauge": 1, "info": 1, "histogram": 4}
_METADATA_TYPES: Final = {"counter": 1, "gauge": 2, "info": 2, "histogram": 3}
_VARINT, _FIXED64, _BYTES = 0, 1, 2


def varint(value: int) -> bytes:
    """Return a whole number, at least 0, seven bits a byte."""
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def zigzag(value: int) -> int:
    """Return a signed number as one that is short where it is near 0."""
    return value * 2 if value >= 0 else -value * 2 - 1


def field_varint(number: int, value: int) -> bytes:
    """Return a field that is a whole number; one below 0 takes ten bytes, as ``int64`` does."""
    return varint(number << 3 | _VARINT) + varint(value & 0xFFFFFFFFFFFFFFFF)


def field_double(number: int, value: float) -> bytes:
    """Return a field that is a double."""
    return varint(number << 3 | _FIXED64) + struct.pack("<d", value)


def field_bytes(number: int, value: bytes | str) -> bytes:
    """Return a field that is text, or another message."""
    content = value.encode() if isinstance(value, str) else value
    return varint(number << 3 | _BYTES) + varint(len(content)) + content


def spans_of(native: Mapping[int, int]) -> tuple[list[tuple[int, int]], list[int]]:
    """Return the spans (offset from the end of the one before, length) and the deltas of exponential buckets."""
    spans: list[tuple[int, int]] = []
    deltas: list[int] = []
    end, before = 0, 0
    for index, count in native.items():
        if spans and index == end:
            spans[-1] = (spans[-1][0], spans[-1][1] + 1)
        else:
            spans.append((index - end, 1))
        end = index + 1
        deltas.append(count - before)
        before = count
    return spans, deltas


def page(families: Iterable[Family]) -> bytes:
    """Return a page to be scraped: each family with its length before it."""
    out = bytearray()
    for family in families:
        message = _family(family)
        out += varint(len(message)) + message
    return bytes(out)


def _family(family: Family) -> bytes:
    name = family.name if family.kind == "histogram" else family.sample_name
    head = field_bytes(1, name) + field_bytes(2, family.help) + field_varint(3, _TYPES[family.kind])
    body = b"".join(field_bytes(4, _metric(family, series)) for series in family.series)
    return head + body + (field_bytes(5, family.unit) if family.unit else b"")


def _metric(family: Family, series: Series) -> bytes:
    labels = b"".join(
        field_bytes(1, field_bytes(1, name) + field_bytes(2, value)) for name, value in series.labels.items()
    )
    if isinstance(series.value, Distribution):
        return labels + field_bytes(7, _histogram(series.value))
    return labels + field_bytes(3 if family.kind == "counter" else 2, field_double(1, series.value))


def _histogram(value: Distribution) -> bytes:
    out = field_varint(1, value.count) + field_double(2, value.sum_s)
    for bound, count in zip(BOUNDS_S, value.cumulative, strict=True):
        out += field_bytes(3, field_varint(1, count) + field_double(2, bound))
    spans, deltas = spans_of(value.native)
    out += field_varint(5, zigzag(SCHEMA)) + field_double(6, ZERO_THRESHOLD_S) + field_varint(7, value.zeros)
    out += b"".join(field_bytes(12, _span(*span)) for span in spans)
    return out + b"".join(field_varint(13, zigzag(delta)) for delta in deltas)


def _span(offset: int, length: int) -> bytes:
    return field_varint(1, zigzag(offset)) + field_varint(2, length)


def time_series(labels: Mapping[str, str], value: float | Distribution, at_ms: int) -> bytes:
    """Return one ``TimeSeries`` of remote-write 1.0; ``labels`` has its ``__name__``, and is sorted here."""
    pairs = b"".join(
        field_bytes(1, field_bytes(1, name) + field_bytes(2, text)) for name, text in sorted(labels.items())
    )
    if isinstance(value, Distribution):
        return pairs + field_bytes(4, _native_histogram(value, at_ms))
    return pairs + field_bytes(2, field_double(1, value) + field_varint(2, at_ms))


def _native_histogram(value: Distribution, at_ms: int) -> bytes:
    spans, deltas = spans_of(value.native)
    out = field_varint(1, value.count) + field_double(3, value.sum_s) + field_varint(4, zigzag(SCHEMA))
    out += field_double(5, ZERO_THRESHOLD_S) + field_varint(6, value.zeros)
    out += b"".join(field_bytes(11, _span(*span)) for span in spans)
    if deltas:
        # Numbers of this schema are packed.
        out += field_bytes(12, b"".join(varint(zigzag(delta)) for delta in deltas))
    return out + field_varint(15, at_ms)


def write_request(series: Sequence[bytes], families: Iterable[Family] = ()) -> bytes:
    """Return a ``WriteRequest``; ``families`` are those whose kind, help and unit are sent along."""
    body = b"".join(field_bytes(1, one) for one in series)
    return body + b"".join(field_bytes(3, _metadata(family)) for family in families)


def _metadata(family: Family) -> bytes:
    name = family.name if family.kind == "histogram" else family.sample_name
    head = field_varint(1, _METADATA_TYPES[family.kind]) + field_bytes(2, name)
    return head + field_bytes(4, family.help) + (field_bytes(5, family.unit) if family.unit else b"")
