"""Everything that the reports show, as frozen values: a run, its systems, its cases, their trials."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from seatrial.analysis.control.controllers import ControllerSummary
from seatrial.analysis.control.planned import slow_text, unmade_text
from seatrial.analysis.control.said import said_of
from seatrial.analysis.cpus import RoleCpus
from seatrial.analysis.discovery.use import Curve, DiscoveryUse
from seatrial.analysis.kernel import KernelUse
from seatrial.analysis.limits import throttled_text
from seatrial.analysis.load.answered import findings_of
from seatrial.analysis.load.disturbed import DisturbedLoad
from seatrial.analysis.load.result import LoadResult
from seatrial.analysis.members import MemberUse, OwnGauge
from seatrial.analysis.objects import ChangeUse
from seatrial.analysis.pods import NodeUse, PodThrottled
from seatrial.analysis.reasons import Validity
from seatrial.analysis.resources import RoleCurve, TrialResources
from seatrial.analysis.run.labels import variables_text
from seatrial.analysis.run.sanity import Outcome as SanityOutcome
from seatrial.analysis.run.sanity import outcome_of
from seatrial.errors import ExitCode
from seatrial.observe.prometheus.series import Observed
from seatrial.record.events import ending_text
from seatrial.record.facts import TrialCounts, TrialFacts
from seatrial.record.tables.rows import RecordedPhase

if TYPE_CHECKING:
    from collections.abc import Mapping

    from seatrial.analysis.fit import Fit
    from seatrial.analysis.load.distribution import Distribution, Percentiles
    from seatrial.analysis.memory import Measure
    from seatrial.analysis.reasons import Reason
    from seatrial.analysis.run.environments import EnvironmentChange
    from seatrial.analysis.run.objectives import Verdict
    from seatrial.analysis.run.spread import Spread
    from seatrial.preflight.capacity import Capacity
    from seatrial.record.tables.rows import Change, JournalEntry, RecordedCase, RecordedObjective, RunInfo


@dataclass(frozen=True, slots=True)
class SeriesPoint:
    """One step of a trial, all workers merged; ``start_s`` and ``end_s`` count from the start of the trial.

    Rates are counts over the length of the step: rate x length, added up over all steps, is what was counted. They
    are None where frames are missing.
    """

    start_s: float
    end_s: float
    phase: str
    requested_per_s: float | None
    sent_per_s: float | None
    completed_per_s: float | None
    latency_us_p50: int | None
    latency_us_p99: int | None
    latency_us_max: int | None
    errors: int
    held: int
    active: int


@dataclass(frozen=True, slots=True)
class TrialSeries:
    """A trial over time: the load's points and each role's curve (times from the start of the trial too)."""

    points: tuple[SeriesPoint, ...]
    roles: tuple[RoleCurve, ...]
    discovery: Curve | None = None

    def read(self) -> TrialSeries:
        """Return it as it is in memory: once for all that is asked of it, where it is kept as text."""
        return self


@dataclass(frozen=True, slots=True)
class TrialSummary:
    """One trial; ``phases`` count from its start. ``load`` is None where nothing was recorded.

    ``throttled`` are the containers of its system that their CPU limit held back for long enough to show. ``changes``
    is how soon what was changed beside the load was live, ``observed`` what a Prometheus was asked.
    """

    trial: int
    repeat: int
    order: int
    state: str
    started_utc: str
    validity: Validity
    remarks: tuple[str, ...]
    load: LoadResult | None
    counts: TrialCounts
    resources: TrialResources
    phases: tuple[RecordedPhase, ...]
    series: TrialSeries
    failure: str | None = None
    members: tuple[MemberUse, ...] = ()
    disturbed: DisturbedLoad | None = None
    kernel: KernelUse | None = None
    facts: TrialFacts = field(default_factory=TrialFacts)
    own_gauge: OwnGauge | None = None
    upstream_gauge: OwnGauge | None = None
    cpus: tuple[RoleCpus, ...] = ()
    nodes: tuple[NodeUse, ...] = ()
    throttled: tuple[PodThrottled, ...] = ()
    changes: tuple[ChangeUse, ...] = ()
    controllers: tuple[ControllerSummary, ...] | None = None
    observed: tuple[Observed, ...] = ()
    discovery: DiscoveryUse | None = None

    @property
    def ending(self) -> str:
        """How it ended, as a person reads it."""
        return ending_text(self.state, self.failure)


@dataclass(frozen=True, slots=True)
class CaseSummary:
    """One case: its merged percentiles (None where nothing was measured) and how far its repeats lie apart.

    ``spreads`` has the keys of ``latency_us``, ``achieved_per_s`` and the resources; see ``analysis.cases``.
    ``repeats`` is how many trials were planned. ``latency_ours_us`` is how much of each percentile can be the
    generator's at most; None where it is not known. ``trials`` are those that it is judged from, ``set_aside`` the
    attempts that others stand in for.
    """

    case: RecordedCase
    validity: Validity
    verdict: Verdict
    trials: tuple[TrialSummary, ...]
    latency_us: Distribution | None
    service_time_us: Distribution | None
    spectrum: tuple[tuple[float, int], ...]
    spreads: Mapping[str, Spread]
    repeats: int = 0
    latency_ours_us: Percentiles | None = None
    service_time_ours_us: Percentiles | None = None
    set_aside: tuple[TrialSummary, ...] = ()

    @property
    def attempts(self) -> tuple[TrialSummary, ...]:
        """Every trial of the case, in order of execution."""
        return tuple(sorted((*self.trials, *self.set_aside), key=lambda trial: trial.order))

    @property
    def memory_measures(self) -> frozenset[Measure]:
        """What the memory of its system is, in its trials."""
        systems = (trial.resources.role("system") for trial in self.trials)
        return frozenset(system.memory_measure for system in systems if system is not None)

    @property
    def label(self) -> str:
        """The variables of the case, such as ``connections=200 rate=1k/s``; different ones have different labels."""
        return variables_text(self.case.variables)

    @property
    def at_most(self) -> bool:
        """Whether its latencies are upper bounds: it is doubted, and all doubts only inflate."""
        return self.validity.direction == "inflates"

    @property
    def own_causes(self) -> tuple[Reason, ...]:
        """Why it has no verdict for what no trial of it alone is in doubt for: too few samples, drivers that differ."""
        of_trials = {reason.code for trial in self.trials for reason in trial.validity.reasons}
        return tuple(cause for cause in self.validity.causes if cause.code not in of_trials)

    @property
    def sanity_outcome(self) -> SanityOutcome:
        """What came of it where it is a sanity cell."""
        return outcome_of(self.state, self.trials[-1].state if self.trials else None, self.validity)

    @property
    def findings(self) -> tuple[str, ...]:
        """What a reader must know before any figure: answers not as asked for, and limits of its own that it met."""
        answered = findings_of(trial.load for trial in self.trials if trial.load is not None)
        said = said_of([trial.facts for trial in self.trials])
        throttled = throttled_text(trial.throttled for trial in self.trials)
        changes = [trial.changes for trial in self.trials]
        late = unmade_text(changes, self.case.planned_changes), slow_text(changes, self.case.changes_per_s)
        return (*answered, *said, *(text for text in (throttled, *late) if text is not None))

    @property
    def state(self) -> str:
        """One word for tables: PASS, FAIL, VALID (nothing was asked), INVALID, "not run" or "unfinished".

        PASS stands where it holds whatever the doubts are: see ``at_most``.
        """
        if self.validity.reasons:
            return self.verdict.state or "INVALID"
        if not self.trials:
            return "not run"
        if len(self.trials) < self.repeats and self.verdict.state is None:
            return "unfinished"
        return self.verdict.state or "VALID"


@dataclass(frozen=True, slots=True)
class SystemSummary:
    """One system over all its cases; ``state`` is the worst of theirs, ``sentence`` says it with figures."""

    label: str
    kind: str
    state: str
    sentence: str


@dataclass(frozen=True, slots=True)
class Growth:
    """One figure of one system over all trials that can be believed; ``straight_to`` is of a plan with one variable."""

    system: str
    figure: str
    unit: str
    fit: Fit
    straight_to: float | None
    sentence: str


@dataclass(frozen=True, slots=True)
class RunSummary:
    """A whole run."""

    run: RunInfo
    question: str | None
    plan_text: str
    objectives: tuple[RecordedObjective, ...]
    systems: tuple[SystemSummary, ...]
    cases: tuple[CaseSummary, ...]
    environment: Mapping[str, Any]
    journal: tuple[JournalEntry, ...]
    changes: tuple[Change, ...]
    answers: tuple[str, ...] = ()
    """What the run answers, in a few sentences made from its figures."""
    growth: tuple[Growth, ...] = ()
    """How its figures grow with the variables: a straight line, or from where not."""
    sanity: tuple[CaseSummary, ...] = ()
    """What had to hold before the first case, each judged by its last attempt."""
    sanity_sentences: tuple[str, ...] = ()
    """The result of each of them."""
    environment_changes: tuple[EnvironmentChange, ...] = ()
    """Where it was resumed in another environment."""
    capacities: tuple[Capacity, ...] = ()
    """What the network between the roles carries; empty where that was not measured."""
    isolation: tuple[str, ...] = ()
    """On which CPUs each role was and who shared them: one sentence, or one for each part of the run."""
    uneven: str | None = None
    """What is to be said where one system's attempts could not be believed more often than the others'."""

    @property
    def invalid(self) -> tuple[tuple[CaseSummary, TrialSummary], ...]:
        """Every trial that may not be believed and was not set aside, with its case."""
        return tuple((case, trial) for case in self.cases for trial in case.trials if trial.validity.reasons)

    @property
    def unjudged(self) -> tuple[CaseSummary, ...]:
        """Every case that has no verdict for a cause of its own, whatever its trials are."""
        return tuple(case for case in self.cases if case.own_causes)

    @property
    def findings(self) -> tuple[str, ...]:
        """What a reader must know first: what was beside it or changed, where answers were not as expected or few."""
        return (
            *self._sanity("failed", "doubted"),
            *filter(None, [self.beside]),
            *(change.sentence for change in self.environment_changes),
            *(
                f"{case.case.system}, {case.label}: {'; '.join(case.findings)}"
                for case in self.cases
                if case.findings
            ),
        )

    @property
    def beside(self) -> str:
        """Which other measurements of Seatrial went on on this machine, and during how many trials; empty if none."""
        trials = [trial for case in self.cases for trial in case.attempts if trial.facts.beside]
        if not trials:
            return ""
        others = dict.fromkeys(other for trial in trials for other in trial.facts.beside)
        return (
            f"{len(trials)} of {self.trials} trials had another measurement of Seatrial beside them on this machine, "
            f"so each took CPU from the other: {'; '.join(others)}"
        )

    @property
    def in_order(self) -> tuple[str, ...]:
        """The sanity cells that are no finding: those that hold, and those that were not run."""
        return self._sanity("passed", "not run")

    def _sanity(self, *outcomes: SanityOutcome) -> tuple[str, ...]:
        results = zip(self.sanity, self.sanity_sentences, strict=True)
        return tuple(sentence for cell, sentence in results if cell.sanity_outcome in outcomes)

    @property
    def trials(self) -> int:
        """How many trials began, those set aside too."""
        return sum(len(case.attempts) for case in self.cases)

    @property
    def set_aside(self) -> int:
        """How many attempts were set aside."""
        return sum(len(case.set_aside) for case in self.cases)

    @property
    def is_whole(self) -> bool:
        """Whether every planned trial was run and nothing cut the run off, as far as is known while it lives."""
        lacking = any(len(case.trials) < case.repeats for case in self.cases)
        return bool(self.trials) and not lacking and self.run.state in {"finished", "running"}

    @property
    def exit_code(self) -> ExitCode:
        """3 where a doubt leaves a case without a verdict or a trial is missing, 1 where an objective fails, else 0.

        A sanity cell that failed decides: 1 where the system is to blame, 4 where its environment is.
        """
        outcomes = [cell.sanity_outcome for cell in self.sanity]
        if "failed" in outcomes:
            causes = self.sanity[outcomes.index("failed")].validity.causes
            is_system = not causes or causes[0].code.startswith("system.")
            return ExitCode.OBJECTIVE_FAILED if is_system else ExitCode.ENVIRONMENT
        doubted = "doubted" in outcomes or any(case.state == "INVALID" for case in self.cases)
        if doubted or not self.is_whole:
            return ExitCode.INVALID_MEASUREMENT
        failed = any(case.verdict.state == "FAIL" for case in self.cases)
        return ExitCode.OBJECTIVE_FAILED if failed else ExitCode.PASS
