"""Figures of series over the measure phase of one trial, and of the same series over the trials of a case."""

from __future__ import annotations

from dataclasses import dataclass
from math import fsum
from statistics import median
from typing import TYPE_CHECKING

from seatrial.observe.prometheus.series import Observed, numbers
from seatrial.plan.observed import parts_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from seatrial.observe.prometheus.series import ObservedSeries

COVERED = 0.9
"""An objective is about a whole phase: where more than a tenth of it was not seen, nobody knows whether it holds."""
_TOLERANCE = 1e-9


@dataclass(frozen=True, slots=True)
class Figures:
    """What is said of a series: of its points that are numbers, of which there are ``count``; the rest is not there.

    ``not_numbers`` points were NaN or infinite. All are None where there is no number.
    """

    mean: float | None
    min: float | None
    max: float | None
    first: float | None
    last: float | None
    count: int
    not_numbers: int


def figures_of(series: ObservedSeries) -> Figures:
    """Return the figures of a series."""
    known = numbers(series.points)
    odd = len(series.points) - len(known)
    if not known:
        return Figures(None, None, None, None, None, 0, odd)
    return Figures(fsum(known) / len(known), min(known), max(known), known[0], known[-1], len(known), odd)


def is_covered(observed: Observed, figures: Figures) -> bool:
    """Return whether a series was there, as numbers, for all of the phase but a tenth."""
    return not figures.not_numbers and figures.count >= COVERED * observed.moments - _TOLERANCE


def observed_values(metric: str, found: Iterable[Observed]) -> tuple[float, ...] | None:
    """Return the value in each series of what a metric ``observed.NAME.STATISTIC`` is about.

    None where it is not known: nothing was asked, nothing answered, or not over the whole phase.
    """
    parts = parts_of(metric)
    one = None if parts is None else next((one for one in found if one.name == parts[0]), None)
    if parts is None or one is None or one.problem is not None or not one.series or one.left_out:
        return None
    figures = [figures_of(series) for series in one.series]
    if not all(is_covered(one, each) for each in figures):
        return None
    values: list[float] = [getattr(each, parts[1]) for each in figures]
    return tuple(values)


@dataclass(frozen=True, slots=True)
class OverTrials:
    """One series of a case: the median of its means over trials, the least and the greatest value of any trial."""

    name: str
    unit: str
    labels: str
    mean_median: float
    min: float
    max: float
    trials: int


def over_trials(trials: Sequence[Sequence[Observed]]) -> tuple[OverTrials, ...]:
    """Return the series of a case, in the order of the plan, those with the same labels together."""
    found: dict[tuple[str, str, str], list[Figures]] = {}
    for trial in trials:
        for one in trial:
            for series in one.series:
                figures = figures_of(series)
                if figures.count:
                    found.setdefault((one.name, one.unit, series.label_text), []).append(figures)
    return tuple(
        OverTrials(
            *key,
            mean_median=median(each.mean for each in of_trials if each.mean is not None),
            min=min(each.min for each in of_trials if each.min is not None),
            max=max(each.max for each in of_trials if each.max is not None),
            trials=len(of_trials),
        )
        for key, of_trials in found.items()
    )
