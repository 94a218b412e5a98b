"""How the figures of each system move with each variable of the plan, a sentence for each variable."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from seatrial.analysis.run.labels import UNPROXIED, value_text
from seatrial.analysis.run.said.belief import Belief, belief_of
from seatrial.analysis.wording import listed, range_text

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from seatrial.analysis.run.model import CaseSummary

# What may move, and how a sentence names it.
FIGURES = {
    "p50": "p50",
    "p99": "p99",
    "system_cpu_cores_per_1000_per_s": "cores per 1,000 requests/s",
    "system_memory_bytes_per_connection": "memory per connection",
}


# Less than this is not worth a reader's time, even where repeats are closer together than that.
MOVEMENT_MIN = 0.05


@dataclass(frozen=True, slots=True)
class _Pair:
    """One figure at the least and the greatest value of a variable, all else being equal."""

    low: CaseSummary
    high: CaseSummary
    key: str

    @property
    def is_believed(self) -> bool:
        """Two upper bounds do not bound how one grows to the other, so that both have to be believed in full."""
        return belief_of(self.low) is Belief.FULL and belief_of(self.high) is Belief.FULL

    @property
    def direction(self) -> int:
        """1 where it grows, -1 where it shrinks, 0 where the repeats of the two overlap or hardly anything moves."""
        low, high = self.low.spreads[self.key], self.high.spreads[self.key]
        if abs(self.factor - 1) < MOVEMENT_MIN:
            return 0
        return (high.min > low.max) - (high.max < low.min)

    @property
    def factor(self) -> float:
        """By what the figure is multiplied."""
        low, high = _value(self.low, self.key), _value(self.high, self.key)
        return high / low if low > 0 else 1.0


def percentile(case: CaseSummary, name: str) -> float:
    """Return a percentile of the merged histograms of a measured case in microseconds."""
    value: float = getattr(case.latency_us, name)
    return value


def _value(case: CaseSummary, key: str) -> float:
    return percentile(case, key) if key in {"p50", "p99"} else case.spreads[key].median


def growth_sentences(cases: Sequence[CaseSummary]) -> Iterator[str]:
    """Yield a sentence for each variable that has several values."""
    unknown = []
    for name in dict.fromkeys(name for case in cases for name, _ in case.case.variables):
        values = sorted({dict(case.case.variables)[name] for case in cases})
        # What scraping costs has a sentence of its own: it is with or without, and no size that grows.
        if len(values) < 2 or name == "scrape":
            continue
        for low, high in _widest_first(values):
            if (movements := _movements(cases, name, low, high)) is not None:
                yield f"From {name}={value_text(name, low)} to {value_text(name, high)}, {movements}."
                break
        else:
            unknown.append(name)
    if unknown:
        yield f"How figures move with {listed(unknown)} is not known: no two cases to compare can be believed."


def _widest_first(values: Sequence[float]) -> list[tuple[float, float]]:
    """Return all pairs, those that are furthest apart in the order first: where an end is not believed, the next is."""
    pairs = [(low, high) for place, low in enumerate(values) for high in values[place + 1 :]]
    return sorted(pairs, key=lambda pair: values.index(pair[0]) - values.index(pair[1]))


def _movements(cases: Sequence[CaseSummary], name: str, low: float, high: float) -> str | None:
    moved: list[str] = []
    compared = 0
    for key, title in FIGURES.items():
        systems: dict[str, list[str]] = {}
        for system in dict.fromkeys(case.case.system for case in cases):
            # Of the baseline nothing moves with what it does not have.
            own = [
                case
                for case in cases
                if case.case.system == system and not (name == "proxies" and case.case.kind == UNPROXIED)
            ]
            pairs = [pair for pair in _pairs(own, name, (low, high), key) if pair.is_believed]
            compared += len(pairs)
            text = _movement(pairs)
            if text:
                systems.setdefault(text, []).append(system)
        if systems:
            parts = [f"{text} with {listed(labels)}" for text, labels in systems.items()]
            moved.append(f"{title} becomes {listed(parts)}")
    if not compared:
        return None
    if not moved:
        return "nothing moves by more than repeats differ"
    return f"{'; '.join(moved)}; the rest moves no more than repeats differ"


def _movement(pairs: Sequence[_Pair]) -> str:
    # Only what moves the same way whatever the other variables are is a movement with this one.
    if {pair.direction for pair in pairs} not in ({1}, {-1}):
        return ""
    factors = sorted(pair.factor for pair in pairs)
    return f"{range_text(_factor(factors[0]), _factor(factors[-1]))} times as large"


def _pairs(cases: Sequence[CaseSummary], name: str, values: tuple[float, float], key: str) -> Iterator[_Pair]:
    at: dict[float, dict[frozenset[tuple[str, float]], CaseSummary]] = {value: {} for value in values}
    for case in cases:
        value = dict(case.case.variables)[name]
        if value in at and key in case.spreads:
            others = frozenset(pair for pair in case.case.variables if pair[0] != name)
            at[value][others] = case
    for others, low in at[values[0]].items():
        high = at[values[1]].get(others)
        if high is not None:
            yield _Pair(low, high, key)


def _factor(factor: float) -> str:
    return f"{factor:.1f}" if factor >= 1 else f"{factor:.2f}"
