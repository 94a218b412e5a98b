"""Quantities as people write them, and what is refused."""

from __future__ import annotations

import subprocess
import sys

import pytest

from seatrial import units


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("30 s", 30), ("5 min", 300), ("5m", 300), ("2s", 2), ("250us", 0.00025),
        ("250 µs", 0.00025), ("1h", 3600),
        ("1 h 30 min", 5400), ("1h30m", 5400), ("0.1 s", 0.1), ("0", 0), (0, 0), ("15ns", 15e-9),
        ("1.5 ms", 0.0015),
    ],
)  # fmt: skip
def test_durations(text, seconds):
    assert units.parse_duration_s(text) == seconds


@pytest.mark.parametrize(
    ("text", "per_s"),
    [
        ("10k/s", 10_000),
        ("20k", 20_000),
        (500, 500),
        ("500", 500),
        ("600/min", 10),
        ("1.5M/s", 1.5e6),
        (0.5, 0.5),
        ("36/h", 0.01),
    ],
)
def test_rates(text, per_s):
    assert units.parse_rate_per_s(text) == per_s


@pytest.mark.parametrize(
    ("text", "count"), [("100k", 100_000), (300, 300), ("1.1k", 1100), ("2M", 2_000_000), (5.0, 5)]
)
def test_counts(text, count):
    assert units.parse_count(text) == count


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("600 B", 600),
        ("22 KB", 22_000),
        ("22kB", 22_000),
        ("22 KiB", 22_528),
        ("1 MiB", 1 << 20),
        (0, 0),
        ("1GB", 10**9),
    ],
)
def test_sizes(text, size):
    assert units.parse_size_bytes(text) == size


@pytest.mark.parametrize(
    "text",
    [
        "",
        "30",
        30,
        "s",
        "5 mn",
        "-1 s",
        "1e3 s",
        "1 s x",
        "1 k",
        True,
        None,
        "9" * 60 + " s",
        "١ s",
        10**50,
    ],
)
def test_what_is_no_duration(text):
    with pytest.raises(ValueError, match="is not a duration: a number and a unit"):
        units.parse_duration_s(text)


@pytest.mark.parametrize("text", ["600", 600, "5m", "10Gi", "0.5 B", "1 B 2 B", "22 kib"])
def test_what_is_no_size(text):
    with pytest.raises(ValueError, match="is not a size: a number and a unit"):
        units.parse_size_bytes(text)


@pytest.mark.parametrize("text", ["1.5", 0.5, "10 s", "-3", "k", "1e3", float("nan"), float("inf")])
def test_what_is_no_count(text):
    with pytest.raises(ValueError, match="is not a count: a whole number"):
        units.parse_count(text)


@pytest.mark.parametrize("text", ["fast", "10 s", "10/d", "k/s", "10k/s/s"])
def test_what_is_no_rate(text):
    with pytest.raises(ValueError, match="is not a rate: a number"):
        units.parse_rate_per_s(text)


def test_printing():
    assert [units.format_duration(s) for s in (0, 0.00025, 0.0125, 30, 90, 300, 5400, 3661)] == [
        "0 s", "250 us", "12.5 ms", "30 s", "90 s", "5 min", "1 h 30 min", "1 h 1 min 1 s",
    ]  # fmt: skip
    assert [units.format_us(us) for us in (0, 404, 999.7, 12_345, 1_750_000)] == [
        "0 us",
        "404 us",
        "1 ms",
        "12.3 ms",
        "1.75 s",
    ]
    assert [units.format_rate(r) for r in (500, 10_000, 1234.5, 0.25)] == [
        "500/s",
        "10k/s",
        "1234/s",
        "0.25/s",
    ]
    assert [units.format_count(n) for n in (7, 1500, 12_345, 300_000, 1_500_000)] == [
        "7",
        "1.5k",
        "12345",
        "300k",
        "1.5M",
    ]
    assert [units.format_size(n) for n in (0, 600, 22_000, 22_528, 9_600_000_000, 123_456_789)] == [
        "0 B", "600 B", "22 KB", "22 KiB", "9.6 GB", "123.5 MB",
    ]  # fmt: skip


def test_units_import_nothing_heavy():
    program = "import sys, seatrial.units; sys.exit(bool({'pydantic', 'yaml', 'numpy'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
