"""The cells of a results table that is of discoverers only: how soon services were there, and what the queue did."""

from __future__ import annotations

from typing import TYPE_CHECKING

from seatrial.analysis.discovery.figures import median_of, missing_in, most_of, samples_s
from seatrial.analysis.objects import quantile
from seatrial.report.during.cells import NONE, time_text
from seatrial.systems.registry import is_discoverer

if TYPE_CHECKING:
    from collections.abc import Callable

    from seatrial.analysis.discovery.use import DiscoveryUse
    from seatrial.analysis.run.model import CaseSummary, RunSummary

HEADINGS = {
    "services": "Services",
    "found_first": "First there",
    "found_all": "All there",
    "found_new": "New",
    "found_update": "Update",
    "found_delete": "Delete",
    "queue_peak": "Queue peak",
    "queue_left": "Left",
    "not_found": "Missing",
}
"""By the key of the cell."""
HOW_TO_READ = (
    "From when the source had a change until the destination had it, and of what was there at first from the "
    "discoverer's start: the median of the repeats. New, update and delete are of one service at a time: p50 (max) "
    "of all samples of all repeats. The queue is by the discoverer's own count: the most and what was left at the end "
    "of any repeat. Missing are services that were not as they should be in their time, in any step of any repeat."
)


def only_discoverers(summary: RunSummary) -> bool:
    """Return whether every case is of a discoverer: of a load that only waits there is nothing to show."""
    return bool(summary.cases) and all(is_discoverer(case.case.kind) for case in summary.cases)


def _uses(case: CaseSummary) -> list[DiscoveryUse]:
    return [trial.discovery for trial in case.trials if trial.discovery is not None]


def _first(case: CaseSummary) -> str:
    return time_text(median_of("discovered_first_s", _uses(case)))


def _all(case: CaseSummary) -> str:
    uses = _uses(case)
    return (
        f"{count:,} missing"
        if (count := missing_in(uses, "all"))
        else time_text(median_of("discovered_all_s", uses))
    )


def _one_by_one(step: str) -> Callable[[CaseSummary], str]:
    def read(case: CaseSummary) -> str:
        uses = _uses(case)
        if count := missing_in(uses, step):
            return f"{count:,} missing"
        times = samples_s(uses, step)
        return f"{time_text(quantile(times, 0.5))} ({time_text(times[-1])})" if times else NONE

    return read


def _most(name: str) -> Callable[[CaseSummary], str]:
    def read(case: CaseSummary) -> str:
        value = most_of(name, _uses(case))
        return NONE if value is None else f"{value:,.0f}"

    return read


def _missing(case: CaseSummary) -> str:
    uses = _uses(case)
    return f"{sum(use.missing for use in uses):,}" if uses else NONE


CELLS: dict[str, Callable[[CaseSummary], str]] = {
    "services": _most("discovery_services"),
    "found_first": _first,
    "found_all": _all,
    **{f"found_{step}": _one_by_one(step) for step in ("new", "update", "delete")},
    "queue_peak": _most("queue_peak_items"),
    "queue_left": _most("queue_left_items"),
    "not_found": _missing,
}
