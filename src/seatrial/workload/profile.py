"""How the rate changes: constant, in steps, or along ramps."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from seatrial.units import format_duration, format_rate, parse_rate_per_s, parse_seconds

STRETCH_LIMIT = 1_000


@dataclass(frozen=True, slots=True)
class Stretch:
    """A part of the measure window over which the rate goes linearly from one value to another."""

    length_s: float
    from_per_s: float
    to_per_s: float

    def __str__(self) -> str:
        rates = format_rate(self.from_per_s)
        if self.to_per_s != self.from_per_s:
            rates += f"..{format_rate(self.to_per_s)}"
        return f"{rates}@{format_duration(self.length_s)}"


def constant(rate_per_s: float) -> tuple[Stretch, ...]:
    """Return the profile of one rate from beginning to end: the last stretch goes on for as long as the load."""
    return (Stretch(1.0, rate_per_s, rate_per_s),)


def parse_profile(text: str) -> tuple[Stretch, ...]:
    """Read ``1k@10s,1k..5k@30s,5k@10s``: rates, or ramps between two, each with how long it lasts.

    Raises
    ------
    ValueError
        A part is none, a rate or a length is not above 0, or there are more than 1,000 parts.
    """
    parts = text.split(",")
    if len(parts) > STRETCH_LIMIT:
        raise ValueError(f"{len(parts):,} parts; {STRETCH_LIMIT:,} is the most")
    return tuple(_stretch(part.strip()) for part in parts)


def _stretch(text: str) -> Stretch:
    rates, at, length = text.partition("@")
    if not at:
        raise ValueError(
            f"`{text}` is not a part of a profile: write RATE@TIME or RATE..RATE@TIME, such as 1k..5k@30s"
        )
    first, is_ramp, last = rates.partition("..")
    from_per_s = parse_rate_per_s(first)
    stretch = Stretch(parse_seconds(length), from_per_s, parse_rate_per_s(last) if is_ramp else from_per_s)
    if min(stretch.length_s, stretch.from_per_s, stretch.to_per_s) <= 0:
        raise ValueError(f"`{text}`: rates and lengths are above 0")
    return stretch


def length_s(profile: Iterable[Stretch]) -> float:
    """Return how long a profile lasts."""
    return sum(stretch.length_s for stretch in profile)


def is_constant(profile: tuple[Stretch, ...]) -> bool:
    """Return whether it has one rate only."""
    return len({rate for part in profile for rate in (part.from_per_s, part.to_per_s)}) == 1


def asked_per_s(profile: tuple[Stretch, ...], phase: str, start_s: float, end_s: float) -> float | None:
    """Return the mean of the requested rate from one moment of a phase to another, seconds from the window's begin.

    Until the window begins it is the profile's first rate. None in closed loop, which has no profile, and but for the
    warm-up and the measure phase.
    """
    if not profile or phase not in {"warm up", "measure"}:
        return None
    start_s = max(0.0, start_s)
    if phase == "warm up" or end_s <= start_s or is_constant(profile):
        return profile[0].from_per_s
    return _rate_between(profile, start_s, end_s)


def _rate_between(profile: tuple[Stretch, ...], start_s: float, end_s: float) -> float:
    due = mean_rate_per_s(profile, end_s) * end_s - mean_rate_per_s(profile, start_s) * start_s
    return due / (end_s - start_s)


def mean_rate_per_s(profile: tuple[Stretch, ...], window_s: float) -> float:
    """Return the mean of the requested rate over a window that begins with the profile.

    After its end the profile's last rate goes on. Over no time at all it is the first rate.
    """
    # One rate is its own mean, to the last digit.
    if window_s <= 0 or is_constant(profile):
        return profile[0].from_per_s
    due, left_s = 0.0, window_s
    for stretch in profile:
        part_s = min(left_s, stretch.length_s)
        slope = (stretch.to_per_s - stretch.from_per_s) / stretch.length_s
        due += stretch.from_per_s * part_s + slope * part_s * part_s / 2
        left_s -= part_s
    return (due + left_s * profile[-1].to_per_s) / window_s
