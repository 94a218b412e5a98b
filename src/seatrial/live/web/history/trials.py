"""What each trial of a run did over time: the load's points, and what its members used."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

from seatrial.live.model.points import LoadPoint
from seatrial.live.model.roles import by_role
from seatrial.live.model.run import MembersSeen
from seatrial.live.web.history.columns import END, START, Columns, Fold, rows_each
from seatrial.live.web.history.discovery import LASTING, DiscoveryHistory
from seatrial.record import events

if TYPE_CHECKING:
    from collections.abc import Sequence

    from seatrial.live.model.run import Happening
    from seatrial.record.reader import RunReader

POINTS_LIMIT = 2_000
"""Of a series in a page: more than a screen has columns of pixels."""
CURRENT_LIMIT = 7_200
"""Of the trial that goes on: two hours of seconds, whole."""
MEMBERS_LIMIT = 40
"""Members of one role that have lines of their own; of more there is the sum."""
SAME_BOOT_S = 2.0
"""Two clocks of one boot agree to this; after a restart CLOCK_MONOTONIC begins again."""

_LOAD_FOLDS: dict[str, Fold] = {
    START: "first",
    END: "last",
    "asked_per_s": "rate",
    "sent_per_s": "rate",
    "completed_per_s": "rate",
    "held": "min",
    "active": "min",
}
_COUNTED = frozenset({"sent", "completed", "failed", "timed_out", "unsent"})


def fold_of(name: str) -> Fold:
    """Return how a column of any kind folds."""
    if name in _LOAD_FOLDS:
        return _LOAD_FOLDS[name]
    if name in LASTING:
        return "last"
    if name in _COUNTED or name.startswith("errors:"):
        return "sum"
    return "rate" if name.startswith("cores:") else "max"


def _columns() -> Columns:
    return Columns(fold_of)


@dataclass(slots=True)
class TrialHistory:
    """One trial. Times in columns and phases are seconds from its start, which is ``at_run_s`` after the run's."""

    started: events.TrialStarted
    at_run_s: float
    phases: list[tuple[str, float, float | None]] = field(default_factory=list)
    disturbances: list[tuple[str, float]] = field(default_factory=list)
    load: Columns = field(default_factory=_columns)
    use: Columns = field(default_factory=_columns)
    discovery: Columns = field(default_factory=_columns)
    discovering: DiscoveryHistory = field(init=False)
    ended: events.TrialEnded | None = None

    def __post_init__(self) -> None:
        """Have the rows of a discoverer put where the others are."""
        self.discovering = DiscoveryHistory(self.since, self.discovery)

    @property
    def head(self) -> dict[str, Any]:
        """What it is and how far it is, without its columns."""
        end = self.ended
        return {
            "trial": self.started.trial,
            "case": self.started.case_id,
            "system": self.started.system,
            "repeat": self.started.repeat,
            "order": self.started.order,
            "at_run_s": round(self.at_run_s, 3),
            "phases": [
                {"name": name, "at_s": round(at_s, 3), "expected_s": expected_s}
                for name, at_s, expected_s in self.phases
            ],
            "disturbances": [{"words": words, "at_s": round(at_s, 3)} for words, at_s in self.disturbances],
            "steps": self.discovering.steps,
            "state": "running" if end is None else end.state,
            "failure": None if end is None else end.failure,
            "ended_s": None if end is None else round(end.at_s - self.started.at_s, 3),
        }

    @property
    def rows(self) -> dict[str, int]:
        """How many rows it has, before any are folded."""
        return {kind: columns.rows for kind, columns in self.kinds.items()}

    @property
    def kinds(self) -> dict[str, Columns]:
        """Its columns, by what they are of."""
        return {"load": self.load, "use": self.use, "discovery": self.discovery}

    def document(self, limit: int) -> dict[str, Any]:
        """Return its columns with at most ``limit`` rows each, and how many intervals a row stands for."""
        each = rows_each((self.load.rows,), limit)
        uses = rows_each((self.use.rows,), limit)
        looks = rows_each((self.discovery.rows,), limit)
        return {
            "trial": self.started.trial,
            "each": each,
            "rows": self.rows,
            "load": self.load.folded(each).document(),
            "use": self.use.folded(uses).document(),
            "discovery": self.discovery.folded(looks).document(),
        }

    @property
    def end_run_s(self) -> float:
        """When it ended, as far as is known, after the run began."""
        ends_s = [columns.last(END) for columns in self.kinds.values() if columns.rows]
        if self.ended is not None:
            ends_s.append(self.since(self.ended.at_s))
        return self.at_run_s + max(ends_s, default=0.0)

    def since(self, at_s: float) -> float:
        """Return a moment as seconds from the trial's start."""
        return at_s - self.started.at_s


@dataclass(slots=True)
class RunHistory:
    """All trials of a run, by number. ``changed`` are those of which something but columns is new."""

    reader: RunReader
    trials: dict[int, TrialHistory] = field(default_factory=dict)
    changed: set[int] = field(default_factory=set)

    def take(self, event: events.Event, happenings: Sequence[Happening]) -> None:
        """Take what a watcher hands on."""
        match event:
            case events.TrialStarted():
                self.trials[event.trial] = TrialHistory(event, self._at_run_s(event))
                self.changed.add(event.trial)
            case events.PhaseStarted() if (trial := self._of(event.trial)) is not None:
                trial.phases.append((event.phase, trial.since(event.at_s), event.expected_s))
            case events.DisturbanceStarted() if (trial := self._of(event.trial)) is not None:
                trial.disturbances.append((event.words, trial.since(event.at_s)))
            case events.TrialEnded() if (trial := self._of(event.trial)) is not None:
                trial.ended = event
                trial.discovering.finish(event.at_s)
            case (
                events.StepStarted() | events.StepEnded() | events.QueueSampled() | events.MilestoneReached()
            ):
                self._discover(event.trial, event)
            case _:
                pass
        for happening in happenings:
            if isinstance(happening, LoadPoint) and (trial := self.trials.get(happening.trial)) is not None:
                trial.load.append(_load_row(trial, happening))
            elif (
                isinstance(happening, MembersSeen) and (trial := self.trials.get(happening.trial)) is not None
            ):
                trial.use.append(_use_row(trial, happening))

    def _discover(self, number: int, event: events.Event) -> None:
        if (trial := self.trials.get(number)) is not None and trial.discovering.take(event):
            self.changed.add(number)

    @property
    def last(self) -> TrialHistory | None:
        """The trial that began last."""
        return next(reversed(self.trials.values()), None)

    def whole(self) -> list[dict[str, Any]]:
        """Return every trial but the last, folded alike into at most ``POINTS_LIMIT`` rows together."""
        earlier = list(self.trials.values())[:-1]
        each = rows_each((trial.load.rows for trial in earlier), POINTS_LIMIT)
        uses = rows_each((trial.use.rows for trial in earlier), POINTS_LIMIT)
        looks = rows_each((trial.discovery.rows for trial in earlier), POINTS_LIMIT)
        return [
            {
                "trial": trial.started.trial,
                "each": each,
                "rows": trial.rows,
                "load": trial.load.folded(each).document(),
                "use": trial.use.folded(uses).document(without=lambda name: "/" in name),
                "discovery": trial.discovery.folded(looks).document(),
            }
            for trial in earlier
        ]

    def _of(self, number: int) -> TrialHistory | None:
        self.changed.add(number)
        return self.trials.get(number)

    def _at_run_s(self, event: events.TrialStarted) -> float:
        """Return when a trial began, after the run: by the wall clock where the run went on after a restart."""
        run, trial = self.reader.run(), self.reader.trial(event.trial)
        by_clock_s = event.at_s - run.started_s
        by_date_s = by_clock_s if trial is None else seconds_between(run.started_utc, trial.started_utc)
        found_s = by_clock_s if abs(by_clock_s - by_date_s) < SAME_BOOT_S else by_date_s
        # Whatever became of the clocks, no trial begins within the one before.
        return max(0.0 if self.last is None else self.last.end_run_s, found_s)


def seconds_between(earlier_utc: str, later_utc: str) -> float:
    """Return the time between two moments of the record."""
    return (datetime.fromisoformat(later_utc) - datetime.fromisoformat(earlier_utc)).total_seconds()


def _load_row(trial: TrialHistory, point: LoadPoint) -> dict[str, float | None]:
    latency = point.latency_us
    return {
        START: trial.since(point.start_s),
        END: trial.since(point.end_s),
        "asked_per_s": point.asked_per_s,
        "sent_per_s": point.sent_per_s,
        "completed_per_s": point.completed_per_s,
        "sent": point.sent,
        "completed": point.completed,
        "failed": point.failed,
        "timed_out": point.timed_out,
        "unsent": point.unsent,
        "held": point.held,
        "active": point.active,
        "in_flight": point.in_flight,
        "p50_us": None if latency is None else latency.p50,
        "p99_us": None if latency is None else latency.p99,
        "p999_us": None if latency is None else latency.p999,
        "lateness_us_p99": point.lateness_us_p99,
        **{f"errors:{kind}": count for kind, count in point.errors.items()},
    }


def _use_row(trial: TrialHistory, seen: MembersSeen) -> dict[str, float | None]:
    at_s = trial.since(seen.at_s)
    last_s = trial.use.last(END) if trial.use.rows else None
    row: dict[str, float | None] = {START: at_s if last_s is None else last_s, END: at_s}
    for role, (cores, memory_bytes) in by_role(seen.members).items():
        row |= {f"cores:{role}": cores, f"bytes:{role}": memory_bytes}
    of_role = Counter(member.role for member in seen.members)
    for member in seen.members:
        if 1 < of_role[member.role] <= MEMBERS_LIMIT:
            name = f"{member.role}/{member.member}"
            row |= {f"cores:{name}": member.cores, f"bytes:{name}": member.memory_bytes}
    return row
