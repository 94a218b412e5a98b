"""What one more of each variable costs a system, in units that people use, and whether that is the same all the way."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from seatrial.analysis.fit import fit, straight_up_to
from seatrial.analysis.run.cases import READ
from seatrial.analysis.run.labels import UNPROXIED, value_text
from seatrial.analysis.run.model import Growth
from seatrial.analysis.run.said.answers import by_system, memory_words
from seatrial.analysis.run.said.scraped import SCRAPE, unscraped
from seatrial.analysis.wording import listed, plural
from seatrial.units import format_us

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from seatrial.analysis.fit import Fit, Slope
    from seatrial.analysis.run.model import CaseSummary

KILOBYTE, MEGABYTE = 1_000, 1_000_000


@dataclass(frozen=True, slots=True)
class Figure:
    """Something that may grow: its name, the ``key`` of what is read of a trial, and how it is written."""

    name: str
    key: str
    unit: str
    text: Callable[[float], str]


def _bytes(value: float) -> str:
    for size, unit in ((1_000 * MEGABYTE, "GB"), (MEGABYTE, "MB"), (KILOBYTE, "KB")):
        if abs(value) >= size:
            return f"{value / size:.3g} {unit}"
    return f"{value:.3g} B"


DISCOVERED = "all services discovered"
FIGURES = (
    Figure("p50", "p50", "us", format_us),
    Figure("p99", "p99", "us", format_us),
    Figure("CPU", "system_cpu_cores", "cores", lambda value: f"{value:.3g} cores"),
    Figure("memory", "system_memory_bytes", "bytes", _bytes),
    Figure("CPU of the controller", "controller_cpu_cores", "cores", lambda value: f"{value:.3g} cores"),
    Figure("memory of the controller", "controller_memory_bytes", "bytes", _bytes),
    Figure("live everywhere, p50", "live_p50_us", "us", format_us),
    Figure("live everywhere, p99", "live_p99_us", "us", format_us),
    Figure("gone everywhere, p99", "gone_p99_us", "us", format_us),
    Figure(DISCOVERED, "discovered_all_us", "us", format_us),
    Figure("one service added, the slowest", "discovered_new_us", "us", format_us),
    Figure("sent to clients", "received_bytes_per_s", "bytes/s", lambda value: f"{_bytes(value)}/s"),
)
# Of how many of a variable a cost is given, so that it is a number that a person can use.
_UNITS: Mapping[str, tuple[float, str]] = {
    "rate": (1_000, "1,000 requests/s"),
    "connections": (1_000, "1,000 connections"),
    "active": (100, "100 active connections"),
    "routes": (1_000, "1,000 routes"),
    "services": (1_000, "1,000 services"),
    "changed_routes": (1_000, "1,000 changed routes"),
    "change_rate": (1, "change/s"),
    "discovered_services": (1_000, "1,000 services"),
    "endpoints": (1_000, "1,000 endpoints of each service"),
    "proxies": (1, "proxy"),
    "body": (KILOBYTE, "KB of body"),
    "request_body": (KILOBYTE, "KB of request body"),
}
_OF_ONE = {("memory", "connections"): (1, "connection")}


def growth_of(cases: Iterable[CaseSummary]) -> tuple[Growth, ...]:
    """Return what can be said of each system and figure, from trials without a doubt; nothing where nothing moves."""
    found = by_system(case for case in cases if case.case.kind != UNPROXIED)
    grown = (_growth(system, unscraped(own), figure) for system, own in found.items() for figure in FIGURES)
    return tuple(growth for growth in grown if growth is not None)


def _growth(system: str, cases: Sequence[CaseSummary], figure: Figure) -> Growth | None:
    points = [
        ({name: at for name, at in case.case.variables if name != SCRAPE}, value)
        for case in cases
        for trial in case.trials
        if not trial.validity.reasons and (value := READ[figure.key](trial)) is not None
    ]
    plane = fit(points)
    if plane is None:
        return None
    straight_to = None
    if len(plane.slopes) == 1 and plane.is_straight is False:
        (name,) = plane.slopes
        straight_to = straight_up_to([(point[name], value) for point, value in points])
    words = memory_words(cases) if figure.name == "memory" else figure.name
    sentence = f"{system}, {words}: {_costs(figure, plane)}; {_shape(plane, straight_to, len(cases))}"
    if figure.name == DISCOVERED:
        sentence += _held_up(cases)
    return Growth(system, figure.name, figure.unit, plane, straight_to, sentence)


def _held_up(cases: Sequence[CaseSummary]) -> str:
    """Return what held a discoverer up in how many of its trials, by the calls that were seen."""
    trials = [trial for case in cases for trial in case.trials if not trial.validity.reasons]
    found = Counter(
        trial.discovery.limiter.what
        for trial in trials
        if trial.discovery is not None and trial.discovery.limiter is not None
    )
    said = [
        f"{what or 'what is not clear'} in {count} of {len(trials)}" for what, count in found.most_common()
    ]
    return f"; held up by {listed(said)}" if said else ""


def _costs(figure: Figure, plane: Fit) -> str:
    certain = [_cost(figure, name, slope) for name, slope in plane.slopes.items() if slope.is_certain]
    others = [name for name, slope in plane.slopes.items() if not slope.is_certain]
    nothing = f"nothing certain with {listed(others)}" if others else ""
    return ", ".join(part for part in (*certain, nothing) if part)


def _cost(figure: Figure, name: str, slope: Slope) -> str:
    many, unit = _OF_ONE.get((figure.name, name)) or _UNITS.get(name, (1, name))
    more, low, high = (value * many for value in (slope.per_unit, slope.low, slope.high))
    if more < 0:
        return f"{figure.text(-more)} less per {unit} ({figure.text(-high)} to {figure.text(-low)})"
    return f"{figure.text(more)} more per {unit} ({figure.text(low)} to {figure.text(high)})"


def _shape(plane: Fit, straight_to: float | None, cases: int) -> str:
    over = f"over {plural(cases, 'case')}, {plural(plane.trials, 'trial')}"
    if plane.is_straight is None:
        return f"whether that is a straight line is not known {over}"
    if plane.is_straight:
        return f"a straight line {over}" if any(slope.is_certain for slope in plane.slopes.values()) else over
    if straight_to is None:
        return f"no straight line {over}"
    (name,) = plane.slopes
    return f"no straight line {over}, but up to {name}={value_text(name, straight_to)} it is one"
