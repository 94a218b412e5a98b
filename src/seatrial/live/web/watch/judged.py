"""What came of the cases, as a page gets it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from seatrial.analysis.discovery.figures import FIGURES
from seatrial.analysis.run.labels import variables_text

if TYPE_CHECKING:
    from seatrial.analysis.reasons import Validity
    from seatrial.analysis.run.model import CaseSummary, TrialSummary
    from seatrial.record.tables.rows import RecordedCase


def case_head(case: RecordedCase) -> dict[str, Any]:
    """Return what a case is, before anything came of it."""
    return {
        "id": case.id,
        "system": case.system,
        "label": variables_text(case.variables),
        "is_sanity": case.is_sanity,
        "rate_per_s": case.rate_per_s,
        "held": case.held,
        "active": case.active,
    }


def judged_document(case: CaseSummary) -> dict[str, Any]:
    """Return what came of it so far: validity before numbers."""
    aside = {trial.trial for trial in case.set_aside}
    # Where there is no verdict, doubts may change whether an objective holds: nobody is to read that it does not.
    is_judged = case.verdict.state is not None
    return {
        "id": case.case.id,
        "state": case.state,
        "at_most": case.at_most,
        **_validity(case.validity),
        "findings": list(case.findings),
        "objectives": [
            {"text": outcome.objective.text, "held": outcome.held if is_judged else None}
            for outcome in case.verdict.outcomes
        ],
        "trials": [_trial(trial, is_aside=trial.trial in aside) for trial in case.attempts],
    }


def _validity(validity: Validity) -> dict[str, Any]:
    return {
        "validity": validity.state,
        "reasons": [
            {"code": reason.code, "text": reason.text, "remedy": reason.remedy} for reason in validity.causes
        ],
    }


def _trial(trial: TrialSummary, *, is_aside: bool) -> dict[str, Any]:
    load = trial.load
    figures: dict[str, Any] = {}
    # What may not be believed is not shown bare: the report has it, with all that is to be said of it.
    if load is not None and trial.validity.is_valid:
        figures = {
            "requested_per_s": load.rate_per_s.requested,
            "achieved_per_s": round(load.rate_per_s.achieved, 3),
            "sent": load.requests.sent,
            "completed": load.requests.completed,
            "errors": dict(load.errors_in_window),
        }
        if load.latency_us.count:
            figures |= {
                "p50_us": load.latency_us.p50,
                "p99_us": load.latency_us.p99,
                "p999_us": load.latency_us.p999,
            }
    if trial.discovery is not None and trial.validity.is_valid:
        use = trial.discovery
        figures |= {
            "services": use.services,
            "first_s": FIGURES["discovered_first_s"](use),
            "all_s": FIGURES["discovered_all_s"](use),
            "missing": use.missing,
            "queue_left": FIGURES["queue_left_items"](use),
        }
    return {
        "trial": trial.trial,
        "repeat": trial.repeat,
        "order": trial.order,
        "ending": trial.ending,
        "is_aside": is_aside,
        "figures": figures,
        **_validity(trial.validity),
    }
