"""Read and print durations, rates, counts and sizes: the only place where a unit is text.

``k`` and ``M`` are thousands, ``KiB`` and ``MiB`` are 1024s, and a bare number is a count or a rate but never
a duration or a size (except 0). Reading is exact: the digits are kept as integers until one final division.
Each ``parse_`` function raises ``ValueError`` with a text that says what is allowed. Each ``format_``
function prints what its ``parse_`` reads back, within the printed precision.
"""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

# A quantity is a handful of characters; whatever is longer is not one, and would only cost time.
MAX_TEXT_CHARACTERS = 40

Ratio = tuple[int, int]
# What a refused text is not, and what would be one.
Kind = tuple[str, str]

_DURATIONS: Mapping[str, Ratio] = {
    "ns": (1, 1_000_000_000),
    "us": (1, 1_000_000),
    "µs": (1, 1_000_000),
    "μs": (1, 1_000_000),
    "ms": (1, 1_000),
    "s": (1, 1),
    "m": (60, 1),
    "min": (60, 1),
    "h": (3600, 1),
}
_COUNTS: Mapping[str, Ratio] = {"": (1, 1), "k": (1_000, 1), "K": (1_000, 1), "M": (1_000_000, 1)}
_PERIODS: Mapping[str, Ratio] = {"": (1, 1), "/s": (1, 1), "/min": (1, 60), "/h": (1, 3600)}
_RATES: Mapping[str, Ratio] = {
    count + period: (count_ratio[0], period_ratio[1])
    for count, count_ratio in _COUNTS.items()
    for period, period_ratio in _PERIODS.items()
}
_SIZES: Mapping[str, Ratio] = {
    "B": (1, 1),
    "kB": (1_000, 1),
    "KB": (1_000, 1),
    "MB": (1_000_000, 1),
    "GB": (1_000_000_000, 1),
    "KiB": (1 << 10, 1),
    "MiB": (1 << 20, 1),
    "GiB": (1 << 30, 1),
}

_DURATION = ("a duration", "a number and a unit of ns, us, ms, s, min or h, such as `30 s` or `1 h 30 min`")
_RATE = ("a rate", "a number, k or M if need be, and /s, /min or /h, such as `500/s` or `10k/s`")
_COUNT = ("a count", "a whole number with k or M if need be, such as `300` or `100k`")
_SIZE = ("a size", "a number and a unit of B, KB, MB, GB, KiB, MiB or GiB, such as `600 B` or `22 KiB`")

_QUANTITY = re.compile(r"([0-9]+)(?:\.([0-9]+))?\s*([A-Za-zµμ/]*)\s*", re.ASCII)


def parse_duration_s(text: str | float) -> float:
    """Return seconds. Parts add up, as in ``1 h 30 min``; ``m`` is minutes, as wrk has it."""
    parts = _quantities(text, _DURATIONS, _DURATION, each_once=True)
    common = math.lcm(*(denominator for _, denominator in parts))
    return _divide(sum(numerator * (common // denominator) for numerator, denominator in parts), common)


def parse_seconds(text: str) -> float:
    """Return seconds as a command line has them: a number without a unit is seconds, as wrk2 has it."""
    is_bare = len(text) <= MAX_TEXT_CHARACTERS and re.fullmatch(r"[0-9]+(\.[0-9]+)?", text, re.ASCII)
    return float(text) if is_bare else parse_duration_s(text)


def parse_rate_per_s(text: str | float) -> float:
    """Return events per second; a bare number is per second."""
    return _divide(*_one_quantity(text, _RATES, _RATE))


def parse_count(text: str | float) -> int:
    """Return a whole number of things."""
    return _whole(text, _one_quantity(text, _COUNTS, _COUNT), _COUNT)


def parse_size_bytes(text: str | float) -> int:
    """Return a whole number of bytes."""
    return _whole(text, _one_quantity(text, _SIZES, _SIZE), _SIZE)


def format_duration(seconds: float) -> str:
    """Print seconds, to 4 digits below 2 minutes and to whole seconds above: ``250 us``, ``1 h 30 min``."""
    if seconds >= 120:
        return _format_long_duration(round(seconds))
    for unit, per_second in (("s", 1.0), ("ms", 1e3), ("us", 1e6)):
        if seconds * per_second >= 1 or seconds == 0:
            return f"{_digits(seconds * per_second, 4)} {unit}"
    return f"{_digits(seconds * 1e9, 4)} ns"


def format_us(microseconds: float) -> str:
    """Print a latency to 3 digits, all that its histogram holds: ``404 us``, ``12.3 ms``, ``1.75 s``."""
    for unit, in_us in (("s", 1e6), ("ms", 1e3)):
        # 999.6 would print as `1000 us`, so the next unit starts where the rounding does.
        if microseconds >= in_us * 0.9995:
            return f"{_digits(microseconds / in_us, 3)} {unit}"
    return f"{_digits(microseconds, 3)} us"


def format_rate(per_s: float) -> str:
    """Print a rate, exactly if it is whole and else to 4 significant digits: ``10k/s``, ``0.25/s``."""
    if per_s == int(per_s):
        return f"{format_count(int(per_s))}/s"
    return f"{_digits(per_s, 4)}/s"


def format_per_s(per_s: float) -> str:
    """Print a measured rate, to 3 significant digits below 100/s: ``1,987/s``, ``39.8/s``, ``0.5/s``."""
    return f"{per_s:,.0f}/s" if per_s >= 100 else f"{_digits(per_s, 3)}/s"


def format_bytes_per_s(per_s: float) -> str:
    """Print what a network carries, to 3 significant digits: ``1.18 GB/s``, ``660 MB/s``, ``512 B/s``."""
    for unit, factor in (("GB", 1e9), ("MB", 1e6), ("KB", 1e3)):
        if per_s >= factor * 0.9995:
            return f"{_digits(per_s / factor, 3)} {unit}/s"
    return f"{per_s:.0f} B/s"


def format_count(count: int) -> str:
    """Print a count exactly, with ``k`` or ``M`` where it becomes shorter: ``300k``, ``1.5k``, ``12345``."""
    for unit, factor in (("M", 1_000_000), ("k", 1_000)):
        if count >= factor and count % (factor // 10) == 0:
            return _tenths(count, factor) + unit
    return str(count)


def format_size(size_bytes: int) -> str:
    """Print a size, exactly where a unit fits and else to 4 significant digits: ``22 KiB``, ``1.234 GB``."""
    for unit, factor in (("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)):
        if size_bytes >= factor and size_bytes % factor == 0 and size_bytes // factor < 1024:
            return f"{size_bytes // factor} {unit}"
    for unit, factor in (("GB", 1_000_000_000), ("MB", 1_000_000), ("KB", 1_000)):
        if size_bytes >= factor and size_bytes % (factor // 10) == 0:
            return f"{_tenths(size_bytes, factor)} {unit}"
        if size_bytes >= factor and size_bytes >= 10_000:
            return f"{_digits(size_bytes / factor, 4)} {unit}"
    return f"{size_bytes} B"


def _quantities(
    value: str | float, units: Mapping[str, Ratio], kind: Kind, *, each_once: bool = False
) -> list[Ratio]:
    text = _as_text(value, kind)
    quantities: list[Ratio] = []
    seen: set[Ratio] = set()
    at = 0
    while at < len(text):
        match = _QUANTITY.match(text, at)
        if match is None:
            raise ValueError(_refusal(value, kind))
        unit = units.get(match[3], (0, 1))
        # `1 h 1 h` is a slip of the hand, not two hours.
        if each_once and unit in seen:
            raise ValueError(_refusal(value, kind))
        seen.add(unit)
        quantities.append(_scaled(value, match, units, kind))
        at = match.end()
    if not quantities:
        raise ValueError(_refusal(value, kind))
    return quantities


def _one_quantity(value: str | float, units: Mapping[str, Ratio], kind: Kind) -> Ratio:
    quantities = _quantities(value, units, kind)
    if len(quantities) != 1:
        raise ValueError(_refusal(value, kind))
    return quantities[0]


def _as_text(value: object, kind: Kind) -> str:
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise ValueError(_refusal(value, kind))  # noqa: TRY004 (one kind of error for whatever a plan may hold)
    text = (
        repr(value)
        if isinstance(value, float)
        else value.strip()
        if isinstance(value, str)
        else _int_text(value)
    )
    if len(text) > MAX_TEXT_CHARACTERS:
        raise ValueError(_refusal(text[:MAX_TEXT_CHARACTERS] + "...", kind))
    return text.removesuffix(".0") if isinstance(value, float) else text


def _int_text(value: int) -> str:
    # Python refuses to print integers of more than 4300 digits; nothing here needs more than 40.
    return str(value) if abs(value) < 10**MAX_TEXT_CHARACTERS else "9" * (MAX_TEXT_CHARACTERS + 1)


def _scaled(value: object, match: re.Match[str], units: Mapping[str, Ratio], kind: Kind) -> Ratio:
    whole, fraction, unit = match[1], match[2] or "", match[3]
    digits = int(whole + fraction)
    if unit not in units and not (unit == "" and digits == 0):
        raise ValueError(_refusal(value, kind))
    numerator, denominator = units.get(unit, (1, 1))
    return digits * numerator, 10 ** len(fraction) * denominator


def _whole(value: object, quantity: Ratio, kind: Kind) -> int:
    numerator, denominator = quantity
    whole, rest = divmod(numerator, denominator)
    if rest:
        raise ValueError(_refusal(value, kind))
    return whole


def _divide(numerator: int, denominator: int) -> float:
    # At most 40 digits times 10^9 each, so this can neither overflow nor lose more than the last bit.
    return numerator / denominator


def _refusal(value: object, kind: Kind) -> str:
    what, allowed = kind
    return f"`{value}` is not {what}: {allowed}"


def _format_long_duration(seconds: int) -> str:
    minutes, rest_s = divmod(seconds, 60)
    hours, rest_min = divmod(minutes, 60)
    parts = ((hours, "h"), (rest_min, "min"), (rest_s, "s"))
    return " ".join(f"{amount} {unit}" for amount, unit in parts if amount)


def _digits(value: float, significant: int) -> str:
    """Print ``value`` in positional notation with so many significant digits and no trailing zeros."""
    if value == 0:
        return "0"
    decimals = max(0, significant - 1 - math.floor(math.log10(abs(value))))
    text = f"{value:.{decimals}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def _tenths(value: int, factor: int) -> str:
    whole, rest = divmod(value, factor)
    return f"{whole}.{rest * 10 // factor}" if rest else str(whole)
