"""How proxies were scraped, and what that costs where a plan has cases without it, too; the same in every output."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from seatrial.analysis.run.labels import value_text
from seatrial.analysis.run.said.belief import Belief, belief_of
from seatrial.analysis.run.said.scraped import FIGURES, SCRAPE, scraped_pairs, signed, span_text, value_of
from seatrial.report.during.disturbances import trial_text, where_text
from seatrial.units import format_us

if TYPE_CHECKING:
    from seatrial.analysis.run.model import CaseSummary, RunSummary
    from seatrial.analysis.run.said.scraped import Figure, Judgement, Scraped

KILOBYTE = 1_000
HEADING = "What being scraped costs:"
COLUMNS = (
    "System and case",
    "Scraped every",
    "Scrapes",
    "Figure",
    "Without",
    "With",
    "Difference",
    "Do repeats keep apart?",
)
HOW_HEADING = "How each proxy was scraped:"
HOW_COLUMNS = (
    "System and case",
    "Trial",
    "Proxy",
    "Every",
    "Done",
    "Failed",
    "Skipped",
    "Largest page",
    "Longest scrape",
    "Seatrial's CPU",
)
NONE = "-"
_SAID: dict[Judgement, str] = {
    "apart": "yes",
    "overlap": "no",
    "doubted": "not known: INVALID",
    "one repeat": "not known: one repeat",
    "not scraped": "not scraped",
    "not measured": "not measured",
}


def scraped_rows(summary: RunSummary) -> tuple[tuple[str, ...], ...]:
    """Return a row for each figure of each case that is scraped, beside the one that is equal but for that."""
    return tuple(_row(pair, figure) for pair in scraped_pairs(summary.cases) for figure in FIGURES)


def how_rows(summary: RunSummary) -> tuple[tuple[str, ...], ...]:
    """Return a row for each proxy of each trial that was scraped."""
    return tuple(
        (
            where_text(case),
            trial_text(trial),
            page.member,
            value_text(SCRAPE, page.every_s),
            *(f"{count:,}" for count in (page.done, page.failed, page.skipped)),
            f"{page.bytes_max / KILOBYTE:,.1f} kB",
            format_us(page.took_s_max * 1e6),
            format_us(page.cpu_s * 1e6),
        )
        for case in summary.cases
        for trial in case.trials
        for page in trial.facts.scraped
    )


def scraped_documents(summary: RunSummary) -> list[dict[str, Any]]:
    """Return the same for JSON; a figure that is missing is None, and a difference in doubt, too."""
    return [_document(pair) for pair in scraped_pairs(summary.cases)]


def _row(pair: Scraped, figure: Figure) -> tuple[str, ...]:
    done, failed = pair.scrapes
    difference = pair.difference(figure)
    return (
        pair.label,
        value_text(SCRAPE, pair.every_s),
        f"{done:,} of {done + failed:,}" if failed else f"{done:,}",
        figure.name,
        _side(pair.without, figure),
        _side(pair.scraped, figure),
        NONE if difference is None else signed(figure, difference),
        _SAID[pair.judged(figure)],
    )


def _side(case: CaseSummary, figure: Figure) -> str:
    """Return a case's figure with its mark, and its least and greatest repeat."""
    spread = case.spreads.get(figure.key)
    if spread is None or case.latency_us is None:
        return f"{NONE} ({case.state})"
    belief = belief_of(case)
    notes = [
        "INVALID" if belief is Belief.AT_MOST else "",
        span_text(figure, spread.min, spread.max) if spread.repeats > 1 else "",
    ]
    # What can only inflate latencies may move a cost either way, a little.
    bound = "at most" if figure.unit == "us" else "about"
    return belief.mark(figure.text(value_of(case, figure)), ", ".join(filter(None, notes)), bound)


def _document(pair: Scraped) -> dict[str, Any]:
    done, failed = pair.scrapes
    return {
        "system": pair.scraped.case.system,
        "scrape_s": pair.every_s,
        "without": _case_document(pair.without),
        "scraped": _case_document(pair.scraped),
        "scrapes": {"done": done, "failed": failed},
        "figures": [
            {
                "figure": figure.name,
                "unit": figure.unit,
                "without": _value(pair.without, figure),
                "scraped": _value(pair.scraped, figure),
                "difference": pair.difference(figure),
                "repeats": pair.judged(figure),
            }
            for figure in FIGURES
        ],
    }


def _case_document(case: CaseSummary) -> dict[str, Any]:
    return {"id": case.case.id, "state": case.state, "validity": case.validity.state}


def _value(case: CaseSummary, figure: Figure) -> float | None:
    return None if figure.key not in case.spreads or case.latency_us is None else value_of(case, figure)
