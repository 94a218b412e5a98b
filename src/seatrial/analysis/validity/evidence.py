"""What the judgement of a trial rests on, gathered from the record into one frozen value."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING

from seatrial.analysis.control.controllers import ControllerSummary, controllers_in
from seatrial.analysis.cpus import RoleCpus, cpus_in
from seatrial.analysis.discovery.recorded import discovery_in
from seatrial.analysis.discovery.use import DiscoveryUse
from seatrial.analysis.kernel import KernelUse, kernel_use
from seatrial.analysis.load.disturbed import DisturbedLoad, disturbed
from seatrial.analysis.load.histograms import merge
from seatrial.analysis.load.summarise import summarise
from seatrial.analysis.load.window import (
    NANOSECONDS,
    Gauge,
    Window,
    by_worker,
    cpu_cores_in,
    gauge_in,
    throttled_s_in,
)
from seatrial.analysis.members import MemberUse, OwnGauge, members_in, own_gauge
from seatrial.analysis.objects import ChangeUse, Probes, changes_in, probes_of
from seatrial.analysis.pods import NodeUse, PodsUse, away_in, nodes_in, pods_in
from seatrial.analysis.reasons import Reason
from seatrial.analysis.validity.doubts import doubts_of
from seatrial.analysis.validity.shares import cpu_shares, looks_at_machine, steal_fraction
from seatrial.generator.frames import answered, answered_other, unanswered
from seatrial.machine.cpus.shares import CpuShares
from seatrial.preflight.capacity import narrowest, ways_crossed
from seatrial.record.facts import TrialCounts, TrialFacts

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from seatrial.analysis.load.histograms import Merge
    from seatrial.analysis.load.result import LoadResult
    from seatrial.generator.account import LoadAccount
    from seatrial.generator.frames import Frame
    from seatrial.observe.samples import NodeAway
    from seatrial.preflight.capacity import Capacity, Direction
    from seatrial.record.reader import RunReader
    from seatrial.record.tables.rows import RecordedCase, RecordedPhase, RecordedTrial


@dataclass(frozen=True, slots=True)
class WorkerEvidence:
    """One worker: mean CPU in the measure phase (None is unknown), lost frames, the longest hole between two.

    ``throttled_s`` is for how long of that phase the quota of its own container held it back.
    """

    worker: int
    cpu_cores: float | None = None
    missing_frames: int = 0
    longest_gap_s: float = 0.0
    throttled_s: float = 0.0


@dataclass(frozen=True, slots=True)
class CapacityUse:
    """Bytes per second that the network carried in the window, by direction, and what it carries at least.

    On one machine all ways of it count together; between nodes each carries as much.

    ``carries`` is None where that was not measured.
    """

    carried: Mapping[Direction, float] = field(default_factory=dict)
    carries: Mapping[Direction, float | None] = field(default_factory=dict)


def capacity_use(
    load: LoadResult | None, capacities: Sequence[Capacity], *, proxied: bool, on_nodes: bool = False
) -> CapacityUse:
    """Return what a load had the network carry, beside what was measured of the network."""
    if load is None or load.window_s <= 0:
        return CapacityUse()
    ways = ways_crossed(proxied=proxied, on_nodes=on_nodes)
    carried: dict[Direction, int] = {
        "responses": load.bytes.received_in_window,
        "requests": load.bytes.sent,
    }
    narrow = {direction: narrowest(capacities, direction) for direction in carried}
    return CapacityUse(
        {direction: ways * count / load.window_s for direction, count in carried.items()},
        {direction: None if figure is None else figure.bytes_per_s for direction, figure in narrow.items()},
    )


@dataclass(frozen=True, slots=True)
class TrialEvidence:
    """All that the rules look at.

    Of the whole trial: ``unfinished`` is requests that were sent and never completed, ``answers_other`` are the answers
    of another class than 2xx. ``own_gauge`` and ``members`` are of the system's own counters, ``upstream_gauge`` of
    those towards its origin; its members should have like parts of the requests where those ``are_spread`` over the
    connections. ``kernel`` is what the kernel counted over the window, ``capacity`` what the network carried in it, and
    ``cpus`` are those that each role might use. ``pods`` are roles that are of pods, ``nodes`` what has them,
    ``nodes_away`` those that could not be reached in the window.

    What a system is like once it was ``disturbed`` on purpose is a result: ``held``, ``active``, the gauges and
    ``members`` are of the time before. ``asked_beside`` requests were made to see that a disturbance was done, which
    may or may not have been counted.
    """

    state: str
    load: LoadResult | None
    failure: str | None = None
    held: Gauge = field(default_factory=Gauge)
    active: Gauge = field(default_factory=Gauge)
    counts: TrialCounts = field(default_factory=TrialCounts)
    unfinished: int = 0
    answers_other: int = 0
    facts: TrialFacts = field(default_factory=TrialFacts)
    workers: tuple[WorkerEvidence, ...] = ()
    kernel: KernelUse | None = None
    own_gauge: OwnGauge | None = None
    upstream_gauge: OwnGauge | None = None
    members: tuple[MemberUse, ...] = ()
    requests_are_spread: bool = True
    disturbed: DisturbedLoad | None = None
    asked_beside: int = 0
    lost_workers: tuple[str, ...] = ()
    changes: tuple[ChangeUse, ...] = ()
    probes: Probes = field(default_factory=Probes)
    steal_fraction: float | None = None
    cpu: CpuShares | None = None
    drivers: tuple[str, ...] = ()
    capacity: CapacityUse = field(default_factory=CapacityUse)
    cpus: tuple[RoleCpus, ...] = ()
    pods: tuple[PodsUse, ...] = ()
    nodes: tuple[NodeUse, ...] = ()
    nodes_away: tuple[NodeAway, ...] = ()
    known_reasons: tuple[Reason, ...] = ()
    is_proxied: bool = True
    controllers: tuple[ControllerSummary, ...] | None = None
    discovery: DiscoveryUse | None = None

    @property
    def steady(self) -> LoadResult | None:
        """The load until anything was done to its system; None where there was no such time."""
        return self.load if self.disturbed is None else self.disturbed.steady


def evidence_of(
    reader: RunReader,
    case: RecordedCase,
    trial: RecordedTrial,
    frames: Sequence[Frame],
    window: Window | None,
    merge: Merge = merge,
) -> TrialEvidence:
    """Gather the evidence of one trial of a record; ``window`` is its measure window by its phases."""
    # `seatrial load` uses this file, too, and needs no models of systems.
    from seatrial.systems.registry import is_proxy

    account = reader.account(trial.trial)
    load = _load(account, frames, window, merge)
    hosts = reader.host_samples(trial.trial)
    looks = looks_at_machine(hosts, window)
    system_samples, processes = reader.system_samples(trial.trial), reader.process_samples(trial.trial)
    disturbances = reader.disturbances(trial.trial)
    parts = None
    if disturbances and account is not None and load is not None and window is not None:
        parts = disturbed(account, frames, window, disturbances, merge)
    calm = window if parts is None else parts.calm
    milestones = reader.milestones(trial.trial)
    changes = () if case.discovers else changes_in(milestones)
    if changes and window is not None:
        # What connections are lost to a change is a result.
        first_ns = round(min(one.at_s for one in milestones) * NANOSECONDS)
        calm = Window(window.start_ns, max(window.start_ns, min(first_ns, window.end_ns)))
    return TrialEvidence(
        state=trial.state,
        load=load,
        failure=trial.failure,
        held=gauge_in(frames, calm, "held", case.held),
        active=gauge_in(frames, calm, "active", case.active if case.sends else 0),
        counts=_counts(trial.counts, frames),
        unfinished=unanswered(frames) + _begun(account, frames),
        answers_other=answered_other(frames),
        facts=trial.facts,
        workers=tuple(worker_evidence(worker, own, window) for worker, own in by_worker(frames).items()),
        kernel=kernel_use(hosts, reader.network_samples(trial.trial), trial.facts.kernel, window),
        # The prober's connections are among those that the system counts.
        own_gauge=None if changes else own_gauge(system_samples, calm),
        upstream_gauge=own_gauge(system_samples, calm, "upstream_connections"),
        members=members_in(system_samples, calm),
        disturbed=parts,
        asked_beside=sum(one.asked for one in disturbances),
        changes=changes,
        probes=probes_of(changes),
        lost_workers=() if account is None or account.driven is None else account.driven.lost,
        requests_are_spread=case.document["load"].get("reuse") != "mru",
        steal_fraction=steal_fraction(looks),
        cpu=cpu_shares(processes, looks),
        cpus=cpus_in(processes, window),
        pods=pods_in(processes, window),
        nodes=nodes_in(reader.node_samples(trial.trial), window),
        nodes_away=away_in(trial.facts.nodes_away, window),
        drivers=() if account is None else account.drivers,
        capacity=_capacity(reader, trial.trial, load, proxied=is_proxy(case.kind)),
        is_proxied=is_proxy(case.kind),
        discovery=discovery_in(reader, trial.trial, milestones, processes) if case.discovers else None,
        controllers=controllers_in(trial.facts.controllers, system_samples, changes, window),
        # Last: what cannot be read is known once everything has been.
        known_reasons=(
            *(Reason(**item) for item in trial.reasons),
            *(() if account is None else doubts_of(account, {} if load is None else load.errors)),
            *_damage(reader, trial.trial),
        ),
    )


def _capacity(reader: RunReader, trial: int, load: LoadResult | None, *, proxied: bool) -> CapacityUse:
    capacities = reader.capacities(trial)
    # Not looked for where nothing was measured.
    on_nodes = bool(capacities) and reader.plan()["plan"].get("place") == "kubernetes"
    return capacity_use(load, capacities, proxied=proxied, on_nodes=on_nodes)


def _load(
    account: LoadAccount | None, frames: Sequence[Frame], window: Window | None, merge: Merge
) -> LoadResult | None:
    """Return what a load gave; None where it never began, or was cut before it measured anything."""
    if account is None:
        return None
    has_measured = any(part.phase == "measure" for frame in frames for part in frame.parts)
    if account.driven is None and (window is None or not has_measured):
        return None
    return summarise(account, frames, window, merge)


def _damage(reader: RunReader, trial: int) -> tuple[Reason, ...]:
    found = reader.damage_of(trial)
    if not found:
        return ()
    others = f", and {len(found) - 1} more" if len(found) > 1 else ""
    return (
        Reason(
            "environment.record",
            f"what was recorded of this trial cannot all be read: {found[0]}{others}",
            "run it again, and keep records on a disk that works; the journal names everything that is damaged",
        ),
    )


def measure_window(phases: Iterable[RecordedPhase], frames: Iterable[Frame]) -> Window | None:
    """Return when requests of the measure phase were sent; None where it never began.

    The recorded phase says it; the next one begins late where the conductor was busy, so the length that was
    expected is the limit. In a trial that was cut the phase has no end, so the last frame that every worker still
    wrote is it; its first frame is no beginning, for an interval may straddle the border.
    """
    measuring = [frame for frame in frames if any(part.phase == "measure" for part in frame.parts)]
    recorded = next((phase for phase in phases if phase.name == "measure"), None)
    last_ns = _last_ns(measuring)
    if recorded is not None:
        start_ns = int(recorded.start_s * NANOSECONDS)
        end_ns = int(recorded.end_s * NANOSECONDS) if recorded.end_s is not None else last_ns
        if end_ns is None:
            return None
        if recorded.expected_s is not None:
            end_ns = min(end_ns, start_ns + round(recorded.expected_s * NANOSECONDS))
        return Window(start_ns, max(start_ns, end_ns))
    if last_ns is None:
        return None
    return Window(min(frame.start_ns for frame in measuring), last_ns)


def _last_ns(measuring: Sequence[Frame]) -> int | None:
    # Workers do not write their last frames together; one that is behind by more than an interval was gone.
    ends = {frame.worker: (frame.end_ns, frame.end_ns - frame.start_ns) for frame in measuring}
    if not ends:
        return None
    latest = max(end_ns for end_ns, _ in ends.values())
    return min(end_ns for end_ns, length_ns in ends.values() if latest - end_ns <= length_ns)


def _begun(account: LoadAccount | None, frames: Sequence[Frame]) -> int:
    """Return how many requests of idle connections may have been begun and never been sent whole: one of each."""
    if account is None or account.asked.hold == "silent":
        return 0
    return account.asked.held + sum(frame.held_lost for frame in frames)


def _counts(counts: TrialCounts, frames: Sequence[Frame]) -> TrialCounts:
    # The conductor may leave the generator's own count to the frames, which hold it exactly.
    if counts.generator_completed is not None or not frames:
        return counts
    return TrialCounts(
        answered(frames), counts.system_requests, counts.system_upstream_requests, counts.origin_requests
    )


def worker_evidence(worker: int, frames: Sequence[Frame], window: Window | None) -> WorkerEvidence:
    """Return what the frames of one worker say of the worker itself."""
    expected = frames[-1].seq - frames[0].seq + 1
    gaps = [later.start_ns - earlier.end_ns for earlier, later in pairwise(frames)]
    return WorkerEvidence(
        worker=worker,
        cpu_cores=cpu_cores_in(frames, window),
        missing_frames=expected - len(frames),
        longest_gap_s=max(gaps, default=0) / NANOSECONDS,
        throttled_s=throttled_s_in(frames, window),
    )
