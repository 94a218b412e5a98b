"""A histogram on its way out: no sample is lost, and each is where its value belongs."""

from __future__ import annotations

import math

from hypothesis import given
from hypothesis import strategies as st

from seatrial._engine import Histogram
from seatrial.live.exposition.distribution import BOUNDS_S, SCHEMA, distribution_of
from seatrial.live.exposition.protobuf import spans_of, varint, zigzag

VALUES_US = st.lists(st.integers(0, 3_600_000_000), max_size=60)
WIDTH = 1.001
"""A bucket of ours is 0.1 % wide."""


@given(VALUES_US)
def test_every_sample_is_in_each_form_once(values_us: list[int]) -> None:
    samples = Histogram()
    for value_us in values_us:
        samples.record(value_us)
    found = distribution_of(samples)
    assert found.count == len(values_us) == found.zeros + sum(found.native.values())
    for bound_s, within in zip(BOUNDS_S, found.cumulative, strict=True):
        surely = sum(value_us / 1e6 * WIDTH <= bound_s for value_us in values_us)
        perhaps = sum(value_us / 1e6 <= bound_s for value_us in values_us)
        assert surely <= within <= perhaps, bound_s
    ours = sorted(i for i, count in found.native.items() for _ in range(count))
    theirs = sorted(value_us / 1e6 for value_us in values_us if value_us)
    for index, value_s in zip(ours, theirs, strict=True):
        upper_s, lower_s = 2 ** (index / 2**SCHEMA), 2 ** ((index - 1) / 2**SCHEMA)
        assert lower_s / WIDTH < value_s * (1 + 1e-9)
        assert value_s <= upper_s * (1 + 1e-9)


@given(st.dictionaries(st.integers(-200, 300), st.integers(1, 10**9), max_size=40))
def test_spans_and_deltas_are_the_buckets(native: dict[int, int]) -> None:
    spans, deltas = spans_of(dict(sorted(native.items())))
    found, at, count, rest = {}, 0, 0, iter(deltas)
    for offset, length in spans:
        at += offset
        for _ in range(length):
            count += next(rest)
            found[at] = count
            at += 1
    assert found == native
    assert next(rest, None) is None


@given(st.integers(-(2**62), 2**62))
def test_numbers_are_read_back(value: int) -> None:
    coded, shift, read = varint(zigzag(value)), 0, 0
    for byte in coded:
        read |= (byte & 0x7F) << shift
        shift += 7
    assert (read >> 1) ^ -(read & 1) == value
    assert len(coded) == max(1, math.ceil(zigzag(value).bit_length() / 7))
