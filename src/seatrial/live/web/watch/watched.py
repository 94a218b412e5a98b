"""One run as pages see it: a snapshot of all of it, and what is new since, in pieces."""

from __future__ import annotations

import asyncio
import json
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Self

from seatrial.errors import RecordError, SeatrialError
from seatrial.live.judging import CaseJudge
from seatrial.live.model.run import Doubted
from seatrial.live.watcher import Watcher
from seatrial.live.web.history.trials import CURRENT_LIMIT, RunHistory, TrialHistory, seconds_between
from seatrial.live.web.watch.judged import case_head, judged_document
from seatrial.live.web.watch.pieces import Pieces
from seatrial.record import events

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from seatrial.analysis.run.model import CaseSummary
    from seatrial.live.model.doubts import Doubt
    from seatrial.live.model.run import Happening

FLUSH_S = 0.5
JOURNAL_LIMIT = 500
"""The last entries; the report has all of them."""

Document = dict[str, Any]


class Watched:
    """A run that is followed for as long as the block lasts; raises ``RecordError`` where there is no record."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.pieces = Pieces()
        self.watcher = Watcher(path)
        self.history = RunHistory(self.watcher.reader)
        self.used_s = time.monotonic()
        """When a page last asked for it."""
        self.readers = 0
        self._judge = CaseJudge(path, self._take_judged)
        self._cases: dict[str, Document] = {}
        self._pending: Document = {}
        self._doubts: dict[str, Document] = {}
        self._sent: dict[tuple[int, str], int] = {}
        self._state = ""
        self._snapshot: tuple[int, bytes] = (-1, b"")
        self._tasks: list[asyncio.Task[None]] = []
        self.watcher.subscribe(self._take)

    async def __aenter__(self) -> Self:
        """Begin to follow it."""
        works = (self.watcher.follow(), self._flush(), self._judge.work(self.is_going_on))
        self._tasks = [asyncio.create_task(work) for work in works]
        return self

    async def __aexit__(self, *_: object) -> None:
        """Let go of the record."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self.watcher.__exit__()
        self.pieces.wake()

    @property
    def error(self) -> BaseException | None:
        """What ended the following, if anything did: a record that was removed, or cannot be read."""
        ended = (task for task in self._tasks if task.done() and not task.cancelled())
        return next((error for task in ended if (error := task.exception()) is not None), None)

    @property
    def problem(self) -> str | None:
        """The same in words."""
        error = self.error
        if error is None or isinstance(error, SeatrialError):
            return None if error is None else error.line
        return f"seatrial has a bug: {type(error).__name__}: {error}"

    async def ready(self) -> None:
        """Wait until all that was there has been read; raises ``RecordError`` where that cannot be."""
        reading = asyncio.create_task(self.watcher.caught_up.wait())
        try:
            await asyncio.wait((reading, *self._tasks), return_when=asyncio.FIRST_COMPLETED)
        finally:
            reading.cancel()
        if self.problem is not None:
            raise RecordError(self.problem)

    def is_going_on(self) -> bool:
        """Return whether a living process writes this run."""
        return self.watcher.state == "running"

    @property
    def progress(self) -> Document:
        """How far it has been read, before all that was there has been."""
        last = self.history.last
        return {"trial": 0 if last is None else last.started.trial, "trials": self.watcher.live.planned}

    def snapshot(self) -> tuple[int, bytes]:
        """Return all of it, as JSON, and the number of the piece that it goes up to."""
        self._send_pending()
        if self._snapshot[0] != self.pieces.last:
            self._snapshot = (self.pieces.last, _json(self._document()))
        return self._snapshot

    def _document(self) -> Document:
        reader, last = self.watcher.reader, self.history.last
        return {
            "run": self._run(),
            "objectives": [objective.text for objective in reader.objectives()],
            "cases": [case_head(case) for case in (*reader.sanity_cells(), *reader.cases())],
            "judged": list(self._cases.values()),
            "trials": [trial.head for trial in self.history.trials.values()],
            "whole": self.history.whole(),
            "current": None if last is None else last.document(CURRENT_LIMIT),
            "doubts": list(self._doubts.values()),
            "journal": self._journal(),
            "now_s": self._now_s(),
        }

    def _run(self) -> Document:
        reader = self.watcher.reader
        run, plan = reader.run(), reader.plan()["plan"]
        return {
            "id": self.path.name,
            "name": run.name,
            "question": reader.question(),
            "state": run.state,
            "started_utc": run.started_utc,
            "ended_utc": run.ended_utc,
            "trials": run.trials,
            "repeat": plan["repeat"],
            "has_report": (self.path / "report.html").is_file(),
        }

    def _journal(self) -> list[Document]:
        reader = self.watcher.reader
        started_utc = reader.run().started_utc
        return [
            {
                "at_utc": entry.at_utc,
                "at_s": round(seconds_between(started_utc, entry.at_utc), 3),
                "author": entry.author,
                "trial": entry.trial,
                "text": entry.text,
            }
            for entry in reader.journal()[-JOURNAL_LIMIT:]
        ]

    def _take(self, event: events.Event, happenings: Sequence[Happening]) -> None:
        self.history.take(event, happenings)
        match event:
            case events.TrialStarted():
                self._doubts.clear()
                self._pending["doubts"] = self._doubts
            case events.TrialEnded():
                ended = self.history.trials.get(event.trial)
                if ended is not None:
                    self._judge.judge(ended.started.case_id, event.trial)
            case events.Noted():
                self._pending["journal"] = True
            case events.RunStarted() | events.RunEnded():
                self._pending["run"] = True
            case _:
                pass
        for happening in happenings:
            if isinstance(happening, Doubted):
                self._doubts[happening.doubt.code] = self._doubt(happening.trial, happening.doubt)
                self._pending["doubts"] = self._doubts

    def _doubt(self, trial: int, doubt: Doubt) -> Document:
        history = self.history.trials.get(trial)
        since = (lambda at_s: at_s) if history is None else history.since
        return {
            "trial": trial,
            "code": doubt.code,
            "text": doubt.text,
            "times": doubt.times,
            "first_s": round(since(doubt.first_s), 3),
            "last_s": round(since(doubt.last_s), 3),
        }

    def _take_judged(self, case: CaseSummary) -> None:
        case_id, document = case.case.id, judged_document(case)
        self._cases[case_id] = document
        self._pending.setdefault("judged", {})[case_id] = document
        self._pending["run"] = True

    async def _flush(self) -> None:
        await self.watcher.caught_up.wait()
        # What is there by now is in the snapshot that every page begins with.
        self._mark_sent()
        self._pending.clear()
        self.history.changed.clear()
        while True:
            await asyncio.sleep(FLUSH_S)
            self._send_pending()

    def _send_pending(self) -> None:
        """Make a piece of what is new, if anything is."""
        if (state := self._state_now()) != self._state:
            self._state = state
            self._pending["run"] = True
        pending, self._pending = self._pending, {}
        piece: Document = {}
        if "run" in pending:
            piece["run"] = self._run()
        if "journal" in pending:
            piece["journal"] = self._journal()
        for name in ("doubts", "judged"):
            if name in pending:
                piece[name] = list(pending[name].values())
        changed = sorted(self.history.changed)
        self.history.changed.clear()
        if changed:
            known = self.history.trials
            piece["trials"] = [known[number].head for number in changed if number in known]
        if rows := self._new_rows():
            piece["rows"] = rows
        if piece:
            self.pieces.add(_json(piece | {"now_s": self._now_s()}))

    def _state_now(self) -> str:
        # A record that was removed ends the following, and with it every page's stream.
        with suppress(Exception):
            return self.watcher.state
        return self._state

    def _new_rows(self) -> list[Document]:
        found = []
        for number, trial in self.history.trials.items():
            kinds = {}
            for kind, columns in trial.kinds.items():
                first = self._sent.get((number, kind), 0)
                if columns.rows > first:
                    kinds[kind] = {"first": first, "columns": columns.document(first)}
                    self._sent[number, kind] = columns.rows
            if kinds:
                found.append({"trial": number, **kinds})
        return found

    def _mark_sent(self) -> None:
        for number, trial in self.history.trials.items():
            self._sent |= {(number, kind): rows for kind, rows in trial.rows.items()}

    def _now_s(self) -> float:
        """Return how long the run has lasted, or had when its last trial was over."""
        last = self.history.last
        if last is None:
            return 0.0
        # Of one that nobody writes any more, until its last interval: the clock has gone on.
        now_s = last.at_run_s + last.since(time.monotonic()) if self._state == "running" else 0.0
        return round(max(last.end_run_s, now_s), 3)

    def trial(self, number: int, limit: int) -> Document | None:
        """Return one trial with its columns; None where there is none."""
        found: TrialHistory | None = self.history.trials.get(number)
        return None if found is None else {**found.head, **found.document(limit)}


def _json(document: Document) -> bytes:
    return json.dumps(document, separators=(",", ":"), ensure_ascii=False).encode(errors="backslashreplace")
