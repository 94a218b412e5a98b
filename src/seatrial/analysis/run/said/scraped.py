"""What being scraped costs a system: each case that is scraped beside the one that is equal but for that.

As everywhere, a difference counts only where the repeats of the two sides do not overlap. With three repeats each that
comes about by chance in one of ten comparisons (2 of the 20 ways to order six values), so that one figure alone proves
little; more repeats prove more.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from seatrial.analysis.run.labels import value_text, variables_text
from seatrial.analysis.run.said.belief import Belief, belief_of
from seatrial.analysis.run.said.growth import percentile
from seatrial.analysis.wording import listed, range_text
from seatrial.systems.registry import is_proxy
from seatrial.units import format_us

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from seatrial.analysis.run.model import CaseSummary

SCRAPE = "scrape"
"""The variable."""
REPEATS_MIN = 2
"""Fewer show nothing of how far repeats lie apart."""
MEGABYTE = 1_000_000

Judgement = Literal["apart", "overlap", "doubted", "one repeat", "not scraped", "not measured"]
"""What may be said of a figure: whether repeats keep apart, or why nobody knows."""


@dataclass(frozen=True, slots=True)
class Figure:
    """Something that scraping may move: its name, the ``key`` in a case's spreads, and how it is written."""

    name: str
    key: str
    unit: str
    text: Callable[[float], str]


FIGURES = (
    Figure("CPU", "system_cpu_cores", "cores", lambda value: f"{value:.3f} cores"),
    Figure("memory", "system_memory_bytes", "bytes", lambda value: f"{value / MEGABYTE:,.1f} MB"),
    Figure("p50", "p50", "us", format_us),
    Figure("p99", "p99", "us", format_us),
)


@dataclass(frozen=True, slots=True)
class Scraped:
    """A case without scrapes, and the one that differs from it by them alone."""

    without: CaseSummary
    scraped: CaseSummary

    @property
    def every_s(self) -> float:
        """The interval of the scrapes."""
        return dict(self.scraped.case.variables)[SCRAPE]

    @property
    def label(self) -> str:
        """The system, and what else varies."""
        others = _others(self.scraped)
        return f"{self.scraped.case.system}, {variables_text(others)}" if others else self.scraped.case.system

    @property
    def scrapes(self) -> tuple[int, int]:
        """How many were done, and how many failed, in all trials."""
        pages = [page for trial in self.scraped.trials for page in trial.facts.scraped]
        return sum(page.done for page in pages), sum(page.failed for page in pages)

    @property
    def was_scraped(self) -> bool:
        """Whether each member was, in every trial."""
        trials = [trial.facts.scraped for trial in self.scraped.trials]
        return bool(trials) and all(pages and all(page.done for page in pages) for pages in trials)

    def judged(self, figure: Figure) -> Judgement:
        """Return whether the repeats of the two sides keep apart in a figure, or why that is not known."""
        if figure.key not in self.without.spreads or figure.key not in self.scraped.spreads:
            return "not measured"
        if not self.was_scraped:
            return "not scraped"
        if not all(belief_of(case) is Belief.FULL for case in (self.without, self.scraped)):
            return "doubted"
        without, scraped = self.without.spreads[figure.key], self.scraped.spreads[figure.key]
        if min(without.repeats, scraped.repeats) < REPEATS_MIN:
            return "one repeat"
        return "apart" if scraped.min > without.max or scraped.max < without.min else "overlap"

    def difference(self, figure: Figure) -> float | None:
        """Return by how much the figure is more with scrapes; None where a side is missing or cannot be believed."""
        if self.judged(figure) in {"not measured", "not scraped", "doubted"}:
            return None
        return value_of(self.scraped, figure) - value_of(self.without, figure)


def value_of(case: CaseSummary, figure: Figure) -> float:
    """Return a case's figure: a percentile of its merged histograms, else the median of its repeats."""
    return percentile(case, figure.key) if figure.unit == "us" else case.spreads[figure.key].median


def signed(figure: Figure, difference: float) -> str:
    """Return a difference with its sign and unit."""
    return f"{'-' if difference < 0 else '+'}{figure.text(abs(difference))}"


def span_text(figure: Figure, low: float, high: float) -> str:
    """Return "0.020 to 0.033 cores": the unit once where both have it."""
    least, greatest = figure.text(low), figure.text(high)
    number, _, unit = least.partition(" ")
    return range_text(number if least != greatest and unit == greatest.partition(" ")[2] else least, greatest)


def scraped_pairs(cases: Sequence[CaseSummary]) -> tuple[Scraped, ...]:
    """Return each case that is scraped with the one beside it that is not, of proxies, in the order of the plan."""
    proxied = [case for case in cases if SCRAPE in dict(case.case.variables) and is_proxy(case.case.kind)]
    without = {
        (case.case.system, _others(case)): case for case in proxied if not dict(case.case.variables)[SCRAPE]
    }
    return tuple(
        Scraped(other, case)
        for case in proxied
        if dict(case.case.variables)[SCRAPE]
        and (other := without.get((case.case.system, _others(case)))) is not None
    )


def unscraped(cases: Sequence[CaseSummary]) -> list[CaseSummary]:
    """Return those without scrapes where there are any, else all: how a figure moves with others is asked of alike."""
    return [case for case in cases if dict(case.case.variables).get(SCRAPE) == 0] or list(cases)


def scraped_sentences(cases: Sequence[CaseSummary]) -> Iterator[str]:
    """Yield what each interval of scrapes costs the systems."""
    pairs = scraped_pairs([case for case in cases if case.latency_us is not None])
    for every_s in dict.fromkeys(pair.every_s for pair in pairs):
        systems: dict[str, list[Scraped]] = {}
        for pair in pairs:
            if pair.every_s == every_s:
                systems.setdefault(pair.scraped.case.system, []).append(pair)
        parts = [*_costs(systems), *_unmoved(systems), *_unknown(systems)]
        yield f"Being scraped every {value_text(SCRAPE, every_s)}: {'; '.join(parts)}."


def _costs(systems: dict[str, list[Scraped]]) -> Iterator[str]:
    for label, pairs in systems.items():
        moved = [text for figure in FIGURES if (text := _moved(pairs, figure))]
        if moved:
            yield f"{label} has {listed(moved)}"


def _moved(pairs: Sequence[Scraped], figure: Figure) -> str:
    """Return "+0.02 to +0.03 cores (CPU)"; nothing where the pairs that are known do not all move alike."""
    known = [pair for pair in pairs if pair.judged(figure) in {"apart", "overlap"}]
    differences = sorted(pair.difference(figure) or 0.0 for pair in known)
    is_apart = all(pair.judged(figure) == "apart" for pair in known)
    if not known or not is_apart or differences[0] < 0 < differences[-1]:
        return ""
    return f"{range_text(*(signed(figure, value) for value in (differences[0], differences[-1])))} ({figure.name})"


def _unmoved(systems: dict[str, list[Scraped]]) -> Iterator[str]:
    labels = [
        label
        for label, pairs in systems.items()
        if any(pair.judged(figure) in {"apart", "overlap"} for pair in pairs for figure in FIGURES)
        and not any(_moved(pairs, figure) for figure in FIGURES)
    ]
    if labels:
        yield f"with {listed(labels)} the repeats with and without it keep apart in no figure"


def _unknown(systems: dict[str, list[Scraped]]) -> Iterator[str]:
    why: dict[str, list[str]] = {}
    for label, pairs in systems.items():
        found = {pair.judged(figure) for pair in pairs for figure in FIGURES}
        if found & {"apart", "overlap"}:
            continue
        reason = next(text for judgement, text in _WHY.items() if judgement in found)
        why.setdefault(reason, []).append(label)
    yield from (f"what it costs {listed(labels)} is not known: {reason}" for reason, labels in why.items())


_WHY: dict[Judgement, str] = {
    "one repeat": "one repeat does not show how far repeats lie apart",
    "doubted": "no two cases to compare can be believed",
    "not scraped": "it was not scraped",
    "not measured": "it was not measured",
}


def _others(case: CaseSummary) -> tuple[tuple[str, float], ...]:
    return tuple(pair for pair in case.case.variables if pair[0] != SCRAPE)
