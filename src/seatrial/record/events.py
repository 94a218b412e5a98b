"""The event stream of a run: what happened, in order. The record writes it down and the views read along.

Times named ``at_s`` are CLOCK_MONOTONIC seconds of the host that runs the program.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Literal

from seatrial.record.facts import TrialCounts, TrialFacts

if TYPE_CHECKING:
    from collections.abc import Mapping

    from seatrial.discovery.facts import QueueSample, Step, StepFacts
    from seatrial.generator.account import Asked, Driven, WorkersCost
    from seatrial.generator.frames import Frame
    from seatrial.generator.messages import Hello
    from seatrial.generator.prober import Answers
    from seatrial.observe.prometheus.series import Observed
    from seatrial.observe.samples import (
        HostSample,
        NetworkSample,
        NodeSample,
        ProcessSample,
        SystemSample,
    )
    from seatrial.preflight.capacity import Capacity

Phase = Literal["set up", "ramp", "warm up", "measure", "cool down"]
RunEnd = Literal["finished", "interrupted", "failed", "stopped"]
"""``stopped``: a sanity cell did not hold, so that nothing else was run."""

Milestone = Literal["asked", "accepted", "status", "live", "stable", "not seen", "replicated"]
"""``asked``: the change was begun. ``accepted``: whoever keeps it has it. ``status``: the system says that it serves
it. ``live``: the first answer that is as it should be. ``stable``: the first of a row of them. ``not seen``: there was
none. ``replicated``: the destination of a discoverer is as its source, where the service is, or is gone."""

Author = Literal["seatrial", "person"]

TrialEnd = Literal["completed", "cut off", "failed"]

COMPLETED: Final = "completed"
CUT_OFF: Final = "cut off"
FAILED: Final = "failed"


@dataclass(frozen=True, slots=True)
class RunStarted:
    """The run begins; ``trials`` is how many are planned."""

    run_id: str
    plan_name: str
    trials: int


@dataclass(frozen=True, slots=True)
class TrialStarted:
    """Trial ``trial`` begins: the ``repeat``-th of its case, ``order``-th of ``of``; all count from 1."""

    trial: int
    case_id: str
    system: str
    repeat: int
    order: int
    of: int
    at_s: float


@dataclass(frozen=True, slots=True)
class PhaseStarted:
    """A phase of a trial begins; ``expected_s`` is None where its length depends on the system."""

    trial: int
    phase: Phase
    at_s: float
    expected_s: float | None = None


@dataclass(frozen=True, slots=True)
class LoadStarted:
    """The workers of a trial's load have started, and open connections from here on."""

    trial: int
    asked: Asked
    hellos: tuple[Hello, ...]


@dataclass(frozen=True, slots=True)
class LoadEnded:
    """The workers of a trial's load have ended."""

    trial: int
    driven: Driven
    cost: WorkersCost


@dataclass(frozen=True, slots=True)
class FrameRecorded:
    """One interval of one worker."""

    trial: int
    frame: Frame


@dataclass(frozen=True, slots=True)
class ProcessSampled:
    """One look at one process."""

    trial: int
    sample: ProcessSample


@dataclass(frozen=True, slots=True)
class HostSampled:
    """One look at the machine."""

    trial: int
    sample: HostSample


@dataclass(frozen=True, slots=True)
class NetworkSampled:
    """One look at a network namespace."""

    trial: int
    sample: NetworkSample


@dataclass(frozen=True, slots=True)
class NodeSampled:
    """One look at a node of a cluster."""

    trial: int
    sample: NodeSample


@dataclass(frozen=True, slots=True)
class SystemSampled:
    """One look at the system's own counters."""

    trial: int
    sample: SystemSample


@dataclass(frozen=True, slots=True)
class DisturbanceStarted:
    """A trial's system is disturbed, for the ``number``-th time, counting from 1; ``words`` say how."""

    trial: int
    number: int
    words: str
    at_s: float


@dataclass(frozen=True, slots=True)
class DisturbanceEnded:
    """What was to be done is done; ``asked`` requests were made for it beside the load."""

    trial: int
    number: int
    at_s: float
    asked: int


@dataclass(frozen=True, slots=True)
class MilestoneReached:
    """A thing that happened to a ``subject``, a route that changes, in its ``generation``, at a ``place``.

    Of a discoverer it is a service, and a step in place of the change.

    ``place`` is a proxy, over "kept" or "fresh" connections where it was probed; "" is the control plane. It came about
    after ``after_s`` and by ``at_s``. ``answers`` are those on the way, by what they were; ``relapses`` how often one
    that was not as it should be followed one that was. Of them those were ``lost`` that were neither as before the
    change nor as after it, and ``stale`` that were as before once one had been as after; None is none.
    """

    trial: int
    subject: str
    change: str
    generation: int
    milestone: Milestone
    place: str
    at_s: float
    after_s: float
    over: str = ""
    relapses: int = 0
    answers: Mapping[str, int] = field(default_factory=dict)
    lost: Answers | None = None
    stale: Answers | None = None


@dataclass(frozen=True, slots=True)
class QueueSampled:
    """One look at the queue of a discoverer."""

    trial: int
    sample: QueueSample


@dataclass(frozen=True, slots=True)
class StepStarted:
    """A discoverer begins to be taken through a step; ``words`` are of a fault, or of what only prepares it."""

    trial: int
    step: Step
    words: str
    at_s: float


@dataclass(frozen=True, slots=True)
class StepEnded:
    """A discoverer was taken through a step."""

    trial: int
    facts: StepFacts


@dataclass(frozen=True, slots=True)
class QueryObserved:
    """What one query of the plan to a Prometheus yielded over a trial's measure phase, asked once that was over."""

    trial: int
    observed: Observed


@dataclass(frozen=True, slots=True)
class TrialEnded:
    """A trial is over; ``failure`` is why, where it failed.

    ``reasons`` are reasons to doubt the trial that are known already, as mappings of ``code``, ``text`` and ``remedy``.
    """

    trial: int
    state: TrialEnd
    at_s: float
    counts: TrialCounts = field(default_factory=TrialCounts)
    facts: TrialFacts = field(default_factory=TrialFacts)
    reasons: tuple[Mapping[str, str], ...] = ()
    failure: str | None = None


def ending_text(state: str, failure: str | None) -> str:
    """Return how a trial ended, as a person reads it: ``completed``, ``failed: no port was free``."""
    return state if failure is None else f"{state}: {failure}"


@dataclass(frozen=True, slots=True)
class CapacityMeasured:
    """What the network carries on one of its ways, before ``first_trial``; measured anew where a run is resumed."""

    first_trial: int
    capacity: Capacity


@dataclass(frozen=True, slots=True)
class Noted:
    """An entry of the journal; ``at_utc`` is when it was made, once it is in the record."""

    author: Author
    text: str
    trial: int | None = None
    at_utc: str = field(default="", compare=False)


@dataclass(frozen=True, slots=True)
class RunEnded:
    """The run is over."""

    state: RunEnd


Event = (
    RunStarted
    | TrialStarted
    | PhaseStarted
    | LoadStarted
    | LoadEnded
    | FrameRecorded
    | ProcessSampled
    | HostSampled
    | NetworkSampled
    | NodeSampled
    | SystemSampled
    | DisturbanceStarted
    | DisturbanceEnded
    | MilestoneReached
    | QueueSampled
    | StepStarted
    | StepEnded
    | QueryObserved
    | TrialEnded
    | CapacityMeasured
    | Noted
    | RunEnded
)
