"""What is printed is read back within its precision; reading raises nothing but ValueError."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seatrial import units


@given(st.floats(min_value=1e-9, max_value=1e6))
def test_duration(seconds):
    absolute_s = 0.5 if seconds >= 120 else 0
    assert units.parse_duration_s(units.format_duration(seconds)) == pytest.approx(
        seconds, rel=5.1e-4, abs=absolute_s
    )


@given(st.floats(min_value=0.01, max_value=1e10))
def test_microseconds(us):
    assert units.parse_duration_s(units.format_us(us)) * 1e6 == pytest.approx(us, rel=5.1e-3)


@given(st.floats(min_value=1e-6, max_value=1e8))
def test_rate(per_s):
    assert units.parse_rate_per_s(units.format_rate(per_s)) == pytest.approx(per_s, rel=5.1e-4)


@given(st.integers(min_value=0, max_value=10**12))
def test_count_is_exact(count):
    assert units.parse_count(units.format_count(count)) == count


@given(st.integers(min_value=0, max_value=10**13))
def test_size(size_bytes):
    assert units.parse_size_bytes(units.format_size(size_bytes)) == pytest.approx(size_bytes, rel=5.1e-4)


@given(
    st.sampled_from(
        [units.parse_duration_s, units.parse_rate_per_s, units.parse_count, units.parse_size_bytes]
    ),
    st.text() | st.integers() | st.floats() | st.from_regex(r"\A\s*[0-9.]{0,9}\s*[a-zA-Z/]{0,4}\Z"),
)
def test_anything_is_read_or_refused_with_a_reason(parse, value):
    try:
        assert parse(value) >= 0
    except ValueError as error:
        assert "` is not a " in str(error)  # noqa: PT017
