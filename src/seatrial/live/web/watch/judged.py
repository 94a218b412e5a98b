"""What came of the cases, as the reports have it: judged in a thread, from the record, once their trials are over."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from seatrial.analysis.run.labels import variables_text
from seatrial.analysis.run.summary import summarise_case
from seatrial.errors import SeatrialError
from seatrial.record.reader import RunReader

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from seatrial.analysis.reasons import Validity
    from seatrial.analysis.run.model import CaseSummary, TrialSummary
    from seatrial.record.tables.rows import RecordedCase

    Taker = Callable[[str, dict[str, Any]], None]

KEPT_WITHIN_S = 10.0
"""The run judges a trial itself, in less than this as a rule, and keeps what it found: it is waited for."""
LOOK_S = 0.5


class Judge:
    """Judges cases one after another. ``take`` is called with a case's id and what came of it so far."""

    def __init__(self, path: Path, take: Taker) -> None:
        self._path = path
        self._take = take
        self._waiting: dict[str, int] = {}
        self._are_some = asyncio.Event()

    def judge(self, case_id: str, last_trial: int) -> None:
        """Have a case judged (again), a trial of which has ended."""
        self._waiting[case_id] = last_trial
        self._are_some.set()

    async def work(self, is_going_on: Callable[[], bool]) -> None:
        """Judge until cancelled. While the run goes on, each trial's own judgement is waited for."""
        while True:
            await self._are_some.wait()
            while self._waiting:
                case_id, trial = next(iter(self._waiting.items()))
                await self._kept(trial, is_going_on)
                # What ends meanwhile asks again.
                self._waiting.pop(case_id)
                found = await asyncio.to_thread(_judged, self._path, case_id)
                if found is not None:
                    self._take(case_id, found)
            self._are_some.clear()

    async def _kept(self, trial: int, is_going_on: Callable[[], bool]) -> None:
        for _ in range(round(KEPT_WITHIN_S / LOOK_S)):
            if not is_going_on() or await asyncio.to_thread(_is_kept, self._path, trial):
                return
            await asyncio.sleep(LOOK_S)


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


def _is_kept(path: Path, trial: int) -> bool:
    try:
        with RunReader.open(path) as reader:
            return reader.kept_summary(trial) is not None
    except SeatrialError:
        return True


def _judged(path: Path, case_id: str) -> dict[str, Any] | None:
    try:
        with RunReader.open(path) as reader:
            summary = summarise_case(reader, case_id)
    except SeatrialError:
        return None
    return None if summary is None else _document(summary)


def _document(case: CaseSummary) -> dict[str, Any]:
    aside = {trial.trial for trial in case.set_aside}
    return {
        "id": case.case.id,
        "state": case.state,
        "at_most": case.at_most,
        **_validity(case.validity),
        "findings": list(case.findings),
        "objectives": [
            {"text": outcome.objective.text, "held": outcome.held} for outcome in case.verdict.outcomes
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
    return {
        "trial": trial.trial,
        "repeat": trial.repeat,
        "order": trial.order,
        "ending": trial.ending,
        "is_aside": is_aside,
        "figures": figures,
        **_validity(trial.validity),
    }
