"""How soon changes were live, a row for each kind of them: the same in every output."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from seatrial.analysis.objects import quantile
from seatrial.report.during.cells import NONE, time_text
from seatrial.report.during.disturbances import trial_text, where_text

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from seatrial.analysis.objects import ChangeUse
    from seatrial.analysis.run.model import CaseSummary, RunSummary

HEADING = "When each change was live, from the moment that it was begun:"
COLUMNS = (
    "System and case",
    "Trial",
    "Change",
    "Seen over",
    "Made",
    "Proxies",
    "System says so, p50",
    "First proxy, p50",
    "Every proxy, p50",
    "p99",
    "max",
    "Stable, max",
    "Not live",
    "Lost",
    "Stale",
    "Known to within",
)
_QUANTILES = {"p50": 0.5, "p90": 0.9, "p99": 0.99, "max": 1.0}


def object_rows(summary: RunSummary) -> tuple[tuple[str, ...], ...]:
    """Return a row for each kind of change of each trial that was not set aside."""
    return tuple(
        (where_text(case), trial_text(trial), _change(case, use), *_texts(use))
        for case in summary.cases
        for trial in case.trials
        for use in trial.changes
    )


def _change(case: CaseSummary, use: ChangeUse) -> str:
    objects = case.case.document.get("objects") or {}
    return f"{use.change} (endpoints)" if objects.get("of") == "endpoints" else use.change


def object_lines(summary: RunSummary) -> tuple[str, ...]:
    """Return a sentence for each, for a terminal."""
    return tuple(_sentence(dict(zip(COLUMNS, row, strict=True))) for row in object_rows(summary))


def change_documents(changes: Iterable[ChangeUse]) -> list[dict[str, Any]]:
    """Return them for JSON: every value, and their percentiles, in seconds."""
    return [{**asdict(use), "percentiles_s": dict(_percentiles(use))} for use in changes]


def _percentiles(use: ChangeUse) -> Iterator[tuple[str, dict[str, float | None]]]:
    for name in ("first_s", "every_s", "stable_s", "accepted_s", "status_s", "gap_s"):
        values: Sequence[float] = getattr(use, name)
        key = name.removesuffix("_s")
        yield key, {label: quantile(values, fraction) for label, fraction in _QUANTILES.items()}


def _texts(use: ChangeUse) -> tuple[str, ...]:
    return (
        use.over or NONE,
        f"{use.made:,}",
        f"{use.places:,}",
        time_text(quantile(use.status_s, 0.5)),
        time_text(quantile(use.first_s, 0.5)),
        time_text(quantile(use.every_s, 0.5)),
        time_text(quantile(use.every_s, 0.99)),
        time_text(quantile(use.every_s, 1.0)),
        time_text(quantile(use.stable_s, 1.0)),
        f"{use.not_live:,}",
        _lost(use),
        _stale(use),
        NONE if use.known_to_s is None else time_text(use.known_to_s[0]),
    )


def _lost(use: ChangeUse) -> str:
    if not use.lost:
        return "0"
    return f"{use.lost:,}, from {time_text(use.lost_from_s)} to {time_text(use.lost_to_s)}"


def _stale(use: ChangeUse) -> str:
    return f"{use.stale:,}, for up to {time_text(use.mixed_s[-1])}" if use.stale else "0"


def _sentence(row: dict[str, str]) -> str:
    where = f"{row['System and case']}, trial {row['Trial']}: {row['Change']}, {row['Made']} times"
    late = f", {row['Not live']} not by the end" if row["Not live"] != "0" else ""
    return (
        f"{where}, over {row['Seen over']} connections: at every proxy after {row['Every proxy, p50']} (p50), "
        f"{row['p99']} (p99), {row['max']} (max){late}; the system says so after {row['System says so, p50']}; "
        f"known to within {row['Known to within']}{''.join(_astray(row))}"
    )


def _astray(row: dict[str, str]) -> Iterator[str]:
    if row["Lost"] != "0":
        yield f"; answers lost: {row['Lost']} after a change was begun"
    if row["Stale"] != "0":
        yield f"; answers as before once there were others: {row['Stale']}"
