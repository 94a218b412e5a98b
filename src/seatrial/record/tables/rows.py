"""What a reader gives back, typed. Times named ``_s`` are CLOCK_MONOTONIC seconds, ``_utc`` is ISO 8601."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from seatrial.plan.observed import parts_of
from seatrial.record.events import Phase
from seatrial.workload.profile import Stretch, constant, mean_rate_per_s, parse_profile

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from seatrial.record.facts import TrialCounts, TrialFacts

RunState = Literal["running", "finished", "interrupted", "failed", "stopped", "cut off"]
TrialState = Literal["running", "completed", "failed", "cut off"]


@dataclass(frozen=True, slots=True)
class RunInfo:
    """The run itself. "cut off" is a run that nobody is writing any more and that never said it ended."""

    run_id: str
    name: str
    version: str
    started_utc: str
    started_s: float
    ended_utc: str | None
    trials: int | None
    state: RunState


@dataclass(frozen=True, slots=True)
class RecordedEnvironment:
    """What the trials from ``first_trial`` on were run on; a run that was resumed has several."""

    first_trial: int
    at_utc: str
    document: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class RecordedObjective:
    """What must hold: ``metric comparison threshold``, durations in microseconds.

    ``unit`` is that of a query to a Prometheus, where it is about one.
    """

    text: str
    metric: str
    comparison: str
    threshold: float
    unit: str = ""


@dataclass(frozen=True, slots=True)
class RecordedCase:
    """One case of the plan, as compiled. ``held`` and ``active`` are connections asked for.

    ``profile`` is the rate over the measure window; empty in closed loop, and where nothing is sent.
    """

    id: str
    system: str
    kind: str
    variables: tuple[tuple[str, int | float], ...]
    held: int
    active: int
    profile: tuple[Stretch, ...]
    loop: Literal["open", "closed"]
    arrival: str
    warmup_s: float
    measure_s: float
    document: Mapping[str, Any]

    @property
    def is_sanity(self) -> bool:
        """Whether it is a sanity cell, and none of the cases that the plan asks about."""
        return bool(self.document.get("is_sanity"))

    @property
    def is_disturbed(self) -> bool:
        """Whether the plan does anything to its system while it is measured; of an older record nobody knows."""
        return self.document.get("disturbances") != []

    @property
    def changes_routes(self) -> bool:
        """Whether the plan changes routes of its system while it is measured."""
        return self.document.get("objects") is not None

    @property
    def discovers(self) -> bool:
        """Whether its system is a discoverer, and the plan says from where."""
        return self.document.get("discovery") is not None

    @property
    def planned_changes(self) -> Mapping[str, int]:
        """How often each kind of change of its routes is to be made; nothing where it changes none."""
        objects = self.document.get("objects")
        if objects is None:
            return {}
        return dict.fromkeys(objects["changes"], objects["routes"] * objects["rounds"])

    @property
    def changes_per_s(self) -> float | None:
        """How many routes are to be changed in a second; None where nothing is said, or rounds wait for each other."""
        objects = self.document.get("objects")
        if objects is None or objects["rate_per_s"] is None or objects["rounds"] > 1:
            return None
        return float(objects["rate_per_s"] * objects["at_a_time"])

    @property
    def spared(self) -> tuple[tuple[float, str], ...]:
        """When the plan does what to other systems, and not to this one; seconds from the measure phase's start."""
        return tuple((one["at_s"], one["words"]) for one in self.document.get("spared", ()))

    @property
    def rate_per_s(self) -> float | None:
        """The mean rate over the measure window, None in closed loop and where nothing is sent."""
        return mean_rate_per_s(self.profile, self.measure_s) if self.profile else None

    @property
    def sends(self) -> bool:
        """Whether any request is sent."""
        return bool(self.profile) or self.loop == "closed"


def objectives_of(
    documents: Iterable[Mapping[str, Any]], observe: Mapping[str, Any] | None = None
) -> tuple[RecordedObjective, ...]:
    """Return what must hold from the compiled plan's word of it, and of what it asks a Prometheus."""
    units = {query["name"]: query["unit"] for query in (observe or {}).get("queries", ())}
    return tuple(
        RecordedObjective(
            item["text"], item["metric"], item["comparison"], item["threshold"], _unit(item["metric"], units)
        )
        for item in documents
    )


def _unit(metric: str, units: Mapping[str, str]) -> str:
    found = parts_of(metric)
    return "" if found is None else units.get(found[0], "")


def case_of(document: Mapping[str, Any]) -> RecordedCase:
    """Return a case from the compiled plan's word of it."""
    load, phases = document["load"], document["phases"]
    return RecordedCase(
        id=document["id"],
        system=document["system"],
        kind=document["kind"],
        variables=tuple((name, value) for name, value in document["variables"].items()),
        held=load["connections"],
        active=load["active"],
        profile=_profile(load["profile"], load["rate_per_s"]),
        loop=load["loop"],
        arrival=load["arrival"],
        warmup_s=phases["warmup_s"],
        measure_s=phases["measure_s"],
        document=document,
    )


def _profile(words: str | None, rate_per_s: float | None) -> tuple[Stretch, ...]:
    if words is not None:
        return parse_profile(words)
    return () if rate_per_s is None else constant(float(rate_per_s))


@dataclass(frozen=True, slots=True)
class RecordedTrial:
    """One trial; ``state`` is how it ended or, in a live run, "running", ``failure`` why it failed."""

    trial: int
    case_id: str
    system: str
    repeat: int
    order: int
    state: TrialState
    failure: str | None
    started_s: float
    started_utc: str
    ended_s: float | None
    counts: TrialCounts
    facts: TrialFacts
    reasons: tuple[Mapping[str, Any], ...]


@dataclass(frozen=True, slots=True)
class RecordedPhase:
    """A phase of a trial; ``end_s`` is the start of the next one or the end of the trial."""

    name: Phase
    start_s: float
    end_s: float | None
    expected_s: float | None


@dataclass(frozen=True, slots=True)
class RecordedDisturbance:
    """Something that was done to the system of a trial; ``ended_s`` is None where that was not done.

    ``asked`` is how many requests were made beside the load to see that it was.
    """

    number: int
    words: str
    started_s: float
    ended_s: float | None
    asked: int


@dataclass(frozen=True, slots=True)
class JournalEntry:
    """What was done when, and by whom."""

    at_utc: str
    author: str
    trial: int | None
    text: str


@dataclass(frozen=True, slots=True)
class Change:
    """Something that the run changed here; ``undone_utc`` is None as long as it was not put back."""

    id: int
    at_utc: str
    kind: str
    detail: Mapping[str, Any]
    undone_utc: str | None


@dataclass(frozen=True, slots=True)
class Damage:
    """What cannot be read of a record: a row of a table, or the rest of the table where ``row`` is None."""

    table: str
    row: str | None
    cause: str
    trial: int | None = None

    def __str__(self) -> str:
        which = "not all rows" if self.row is None else f"row {self.row}"
        return f"{which} of the table {self.table}: {self.cause}"
