"""Histograms of a record, decoded together and merged by their occupied buckets, against the engine's own."""

from __future__ import annotations

import base64
import zlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seatrial._engine import Histogram
from seatrial.analysis.load.decoded import Decoded
from seatrial.analysis.load.histograms import QUANTILES, merge

HOUR_US = 3_600_000_000
ANY_QUANTILE = st.floats(-0.5, 1.5) | st.sampled_from((0.0, 1.0, *QUANTILES.values()))
VALUES = st.integers(0, 31).flatmap(lambda bits: st.integers(2**bits - 1, min(2 ** (bits + 1), HOUR_US)))
# Most buckets hold a few samples; of what a closed loop answers in an hour one may hold billions.
COUNTS = st.integers(1, 200) | st.integers(1, 2**40)
ENCODED = st.lists(st.tuples(VALUES, COUNTS), max_size=60).map(
    lambda samples: encoded(samples) if samples else ""
)


def encoded(samples: list[tuple[int, int]]) -> str:
    made = Histogram()
    for value_us, count in samples:
        made.record(value_us, count)
    return made.encode()


def in_record(parts: list[str]) -> Decoded:
    decoded = Decoded()
    assert [decoded.take(base64.b64decode(part)) for part in parts] == parts
    decoded.decode()
    return decoded


@settings(max_examples=300)
@given(parts=st.lists(ENCODED, max_size=12), quantiles=st.lists(ANY_QUANTILE, min_size=1, max_size=20))
def test_a_merge_answers_as_the_engines_does_to_the_bit(parts: list[str], quantiles: list[float]) -> None:
    found, truth = in_record(parts).merge(parts), merge(parts)
    assert (found.count, found.min_us, found.max_us) == (truth.count, truth.min_us, truth.max_us)
    assert found.mean_us == truth.mean_us
    assert [found.quantile_us(one) for one in quantiles] == [truth.quantile_us(one) for one in quantiles]
    assert found.counts.tolist() == [count for _, count in truth.buckets()]


def test_every_bucket_has_the_values_that_the_engine_gives_it() -> None:
    whole = Histogram()
    for bits in range(32):
        for value_us in range(2**bits, min(2 ** (bits + 1), HOUR_US), max(1, 2**bits >> 10)):
            whole.record(value_us)
    found = in_record([whole.encode()]).merge([whole.encode()])
    ranks = [rank / found.count for rank in range(1, found.count, 7)]
    assert [found.quantile_us(rank) for rank in ranks] == [whole.quantile_us(rank) for rank in ranks]
    assert found.mean_us == whole.mean_us


def test_what_was_not_taken_before_is_decoded_when_it_is_merged() -> None:
    one, two = encoded([(100, 3)]), encoded([(100, 3), (70_000, 1)])
    assert in_record([one]).merge([one, two, one, ""]).count == 10


@pytest.mark.parametrize("kind", ["nothing", "cut", "no zlib", "other"])
def test_what_is_no_histogram_is_refused_in_the_words_of_the_engine(kind: str) -> None:
    whole = base64.b64decode(encoded([(100, 3), (5_000, 700)]))
    plain = zlib.decompress(whole[8:])
    data = {
        "nothing": b"no histogram",
        "cut": whole[:20],
        "no zlib": whole[:8] + b"x" * 40,
        "other": whole[:8] + zlib.compress(b"\0" * len(plain)),
    }[kind]
    with pytest.raises(ValueError, match=r".") as truth:
        Histogram.decode(base64.b64encode(data).decode())
    with pytest.raises(ValueError, match=r".") as found:
        Decoded().take(data)
    assert str(found.value) == str(truth.value)


def test_what_the_engine_reads_although_it_writes_it_otherwise_is_read_too() -> None:
    whole = base64.b64decode(encoded([(100, 3), (5_000, 700)]))
    data = zlib.decompress(whole[8:])
    found = Decoded().merge([base64.b64encode(data).decode()])
    assert (found.count, found.max_us) == (703, 5_003)


@pytest.mark.parametrize("counts", [b"\x06\xff", b"\x02" * 30_000, b"\xff" * 8 + b"\x01\x02"])
def test_counts_that_are_none_are_refused(counts: bytes) -> None:
    whole = base64.b64decode(encoded([(100, 3)]))
    head = zlib.decompress(whole[8:])[:40]
    stream = zlib.compress(head[:4] + len(counts).to_bytes(4) + head[8:] + counts)
    decoded = Decoded()
    decoded.take(whole[:4] + len(stream).to_bytes(4) + stream)
    with pytest.raises(ValueError, match="V2 histogram"):
        decoded.decode()
