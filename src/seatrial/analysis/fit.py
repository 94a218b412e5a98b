"""A plane through the figures of trials by ordinary least squares, its slopes with intervals, and a test of its fit.

Draper and Smith, "Applied Regression Analysis" (3rd edition, 1998): section 5.2 for the intervals, 2.1 for the test of
lack of fit, which compares how far cases lie from the plane with how far repeats of one lie apart (pure error).
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

CONFIDENCE = 0.95
LACK_OF_FIT_P = 0.01
"""Below this chance that repeats alone explain it, it is no straight line. A report has dozens of such tests."""
ROUNDING = 1e-20
LEVELS_FOR_SHAPE = 3
"""Through two values there is always a line."""


@dataclass(frozen=True, slots=True)
class Slope:
    """How much a figure grows with one unit of a variable; ``low`` to ``high`` is the 95 % interval."""

    per_unit: float
    low: float
    high: float

    @property
    def is_certain(self) -> bool:
        """Whether it differs from 0 by more than chance."""
        return self.low > 0 or self.high < 0


@dataclass(frozen=True, slots=True)
class Fit:
    """A plane over ``trials`` points; ``lack_of_fit_p`` is None where no case was repeated, or two values are all.

    It is the chance of seeing cases at least so far from the plane where all are on it.
    """

    intercept: float
    slopes: Mapping[str, Slope]
    trials: int
    lack_of_fit_p: float | None

    @property
    def is_straight(self) -> bool | None:
        """Whether nothing speaks against it; None where that is not known."""
        return None if self.lack_of_fit_p is None else self.lack_of_fit_p >= LACK_OF_FIT_P


def fit(points: Sequence[tuple[Mapping[str, float], float]]) -> Fit | None:
    """Fit a plane to ``(values of the variables, figure)`` of each trial.

    Variables that do not move are left out. None where none moves, or there are too few points for an interval.
    """
    names = [name for name in points[0][0] if len({point[name] for point, _ in points}) > 1] if points else []
    freedom = len(points) - len(names) - 1
    if not names or freedom < 1:
        return None
    import numpy as np
    from scipy.special import stdtrit

    # In parts of their largest value, columns of connections and of bytes are alike to the solver.
    scales = np.array([max(abs(point[name]) for point, _ in points) for name in names])
    columns = np.array([[point[name] for name in names] for point, _ in points]) / scales
    design = np.column_stack([np.ones(len(points)), columns])
    figures = np.array([figure for _, figure in points])
    solution, _, rank, _ = np.linalg.lstsq(design, figures, rcond=None)
    if rank < design.shape[1]:
        return None
    squares = float(((figures - design @ solution) ** 2).sum())
    errors = np.sqrt(np.diag(np.linalg.inv(design.T @ design)) * squares / freedom)
    reach = errors * stdtrit(freedom, (1 + CONFIDENCE) / 2)
    slopes = {
        name: Slope(
            float(solution[at] / scale),
            float((solution[at] - reach[at]) / scale),
            float((solution[at] + reach[at]) / scale),
        )
        for at, (name, scale) in enumerate(zip(names, scales, strict=True), start=1)
    }
    return Fit(float(solution[0]), slopes, len(points), _lack_of_fit_p(points, squares, len(names) + 1))


def _lack_of_fit_p(
    points: Sequence[tuple[Mapping[str, float], float]], squares: float, parameters: int
) -> float | None:
    from scipy.special import fdtrc

    cases: defaultdict[tuple[float, ...], list[float]] = defaultdict(list)
    for point, figure in points:
        cases[tuple(point.values())].append(figure)
    of_shape, of_repeats = len(cases) - parameters, len(points) - len(cases)
    if of_shape < 1 or of_repeats < 1:
        return None
    pure = sum(sum((one - sum(own) / len(own)) ** 2 for one in own) for own in cases.values())
    lacking = max(0.0, squares - pure)
    if pure <= 0:
        # Repeats that are all equal leave what rounding leaves.
        size = sum(figure**2 for _, figure in points)
        return 1.0 if lacking <= ROUNDING * size else 0.0
    return float(fdtrc(of_shape, of_repeats, (lacking / of_shape) / (pure / of_repeats)))


def straight_up_to(points: Sequence[tuple[float, float]]) -> float | None:
    """Return the greatest value of one variable up to which a figure grows in a straight line; None for not at all."""
    levels = sorted({value for value, _ in points})
    for count in range(len(levels), LEVELS_FOR_SHAPE - 1, -1):
        line = fit([({"x": value}, figure) for value, figure in points if value <= levels[count - 1]])
        if line is not None and line.is_straight:
            return levels[count - 1]
    return None
