"""Makes records for tests through the real writer: three systems with plausible frames and samples.

Everything is drawn from one seed, so two runs made with the same arguments hold the same numbers.
"""

from __future__ import annotations

import json
import random
from dataclasses import dataclass, field, replace
from itertools import product
from typing import TYPE_CHECKING, Any

from tests.support.accounts import account_of
from tests.support.loads import with_values

from seatrial._engine import Histogram
from seatrial.discovery.facts import CallFigures, QueueSample, StepFacts
from seatrial.generator.frames import Frame, PhasePart
from seatrial.generator.prober import Answers
from seatrial.observe.prometheus.series import Observed
from seatrial.observe.samples import HostSample, NetworkSample, NodeSample, ProcessSample, SystemSample
from seatrial.preflight.capacity import Capacity, Figure
from seatrial.record import events
from seatrial.record.facts import TrialCounts, TrialFacts
from seatrial.record.writer import RunWriter

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from seatrial.generator.account import LoadAccount

PLAN_TEXT = """\
name: made-run
question: Does the proxy add more than a millisecond at the 99th percentile?
systems: [direct, envoy, nginx]
origin: {body: 600 B}
vary:
  connections: [200, 500]
  rate: [1k/s, 2k/s]
load: {active: 50, connect_rate: 2k/s, arrival: uniform, timeout: 2 s}
phases: {stable_for: 1 s, warmup: 2 s, measure: 6 s}
repeat: 2
objectives: [p99 < 5 ms, errors == 0]
"""
SECOND_NS = 1_000_000_000
ZERO_S = 5_000.0
RAMP_S, WARMUP_S, MEASURE_S, COOL_S, TRIAL_S = 2, 2, 6, 1, 15
WORKERS = 2
ACTIVE = 50
# Of each system: median service time in us, the spread of its logarithm, CPU-us per request, resident MB.
SYSTEMS = {"direct": (110, 0.25, 0, 0), "envoy": (260, 0.35, 95, 48), "nginx": (190, 0.3, 55, 14)}


@dataclass(frozen=True, slots=True)
class Twist:
    """What goes wrong in one trial."""

    lateness_us: int = 3
    died: bool = False
    errors: Mapping[str, int] = field(default_factory=dict)
    held_lost: int = 0
    generator_cores: float = 0.25
    counts_off: int = 0
    drained: bool = True
    lost_frame: int | None = None
    slow: float = 1.0
    driver: str = "epoll"
    busy: bool = False
    disturbed_s: float | None = None
    changed_s: float | None = None
    beside: tuple[str, ...] = ()
    of_pods: bool = False
    observed: tuple[Observed, ...] = ()
    discovered_s: float | None = None


CAPACITY = Capacity(
    "loopback",
    (Figure("seatrial", "responses", 8, 1e9), Figure("seatrial", "requests", 8, 1e9)),
    90_000.0,
    ("no iperf3 is installed",),
)


def make_run(
    parent: Path,
    *,
    twists: Mapping[int, Twist] | None = None,
    trials: int | None = None,
    end: bool = True,
    systems: tuple[str, ...] = tuple(SYSTEMS),
    again: tuple[int, ...] = (),
    discovers: bool = False,
) -> Path:
    """Write a run, or its first ``trials``; return its directory. ``end`` False leaves it cut off.

    Where it ``discovers``, its systems are discoverers, whatever they are called, and each carries three services.
    ``again`` are cases, by their number in the plan from 0, that are run once more at the end, each time it is there.
    """
    compiled = compiled_plan(systems)
    if discovers:
        for system in compiled["plan"]["systems"]:
            system["kind"] = "seatrial-discoverer"
        for case in compiled["cases"]:
            case["discovery"] = {"source": "openstack", "services": 3}
    planned = list(product(range(1, 3), compiled["cases"]))
    order = planned + [(3 + again[:at].count(case), compiled["cases"][case]) for at, case in enumerate(again)]
    with RunWriter.create(parent, "made-run", PLAN_TEXT, json.dumps(compiled)) as writer:
        writer.append(events.RunStarted(writer.path.name, "made-run", len(planned)))
        writer.environment(ENVIRONMENT)
        writer.append(events.CapacityMeasured(1, CAPACITY))
        change = writer.will_start("process", {"pid": 4242, "name": "envoy"})
        for number, (repeat, case) in enumerate(order[:trials], start=1):
            twist = (twists or {}).get(number, Twist(discovered_s=1.0 if discovers else None))
            for event in trial_events(number, repeat, case, len(order), twist):
                writer.append(event)
        if end:
            writer.undone(change)
            writer.append(events.Noted("person", "The machine was quiet; nothing else ran."))
            writer.append(events.RunEnded("finished"))
    return writer.path


def compiled_plan(systems: tuple[str, ...] = tuple(SYSTEMS)) -> dict[str, Any]:
    """Return what ``compile_document`` gives for :data:`PLAN_TEXT`."""
    objectives = [
        {"text": "p99 < 5 ms", "metric": "p99", "comparison": "<", "threshold": 5_000},
        {"text": "errors == 0", "metric": "errors", "comparison": "==", "threshold": 0},
    ]
    plan = {
        "name": "made-run",
        "question": "Does the proxy add more than a millisecond at the 99th percentile?",
        "repeat": 2,
        "systems": [{"kind": system, "label": system} for system in systems],
        "phases": {"stable_for_s": 1, "warmup_s": WARMUP_S, "measure_s": MEASURE_S, "cooldown_s": COOL_S},
        "objectives": objectives,
    }
    cases = [_case(*parts) for parts in product(systems, (200, 500), (1_000, 2_000))]
    return {"schema": "seatrial.plan/1", "plan": plan, "cases": cases}


def _case(system: str, connections: int, rate: int) -> dict[str, Any]:
    load = {
        "connections": connections,
        "active": ACTIVE,
        "rate_per_s": rate,
        "profile": None,
        "loop": "open",
        "arrival": "uniform",
        "timeout_s": 2,
    }
    return {
        "id": f"{system}-connections={connections}-rate={rate}",
        "system": system,
        "variables": {"connections": connections, "rate": rate},
        "load": load,
    }


def trial_events(
    number: int, repeat: int, case: dict[str, Any], of: int, twist: Twist
) -> Iterator[events.Event]:
    """Yield everything that happens in one trial."""
    start_s = ZERO_S + number * TRIAL_S
    system = case["system"]
    yield events.TrialStarted(number, case["id"], system, repeat, number, of, start_s)
    for phase, at_s in _phases(start_s):
        yield events.PhaseStarted(number, phase, at_s)
    frames = _frames_once(number, case, twist)
    account = made_account(number, case, twist.driver)
    assert account.driven is not None
    yield events.LoadStarted(number, account.asked, account.hellos)
    for frame in frames:
        yield events.FrameRecorded(number, frame)
    yield from _samples(number, case, twist)
    if twist.disturbed_s is not None:
        at_s = measure_start_s(start_s) + twist.disturbed_s
        yield events.NetworkSampled(number, NetworkSample(at_s, "1", ("system",), {"tcp_in_segments": 5.0}))
        yield events.NodeSampled(number, NodeSample(at_s, "node", ("system",), at_s, 1 << 30, 4))
        yield events.DisturbanceStarted(number, 1, "reload", at_s)
        yield events.DisturbanceEnded(number, 1, at_s + 0.4, 0)
    if twist.changed_s is not None:
        yield from _made_change(number, measure_start_s(start_s) + twist.changed_s)
    if twist.discovered_s is not None:
        yield from _discovered(number, measure_start_s(start_s) + twist.discovered_s)
    yield events.LoadEnded(number, account.driven, account.cost)
    for one in twist.observed:
        yield events.QueryObserved(number, one)
    yield _end(number, case, twist, frames)


def _discovered(number: int, at_s: float) -> Iterator[events.Event]:
    """Yield what becomes of a discoverer that has three services to carry."""
    yield events.StepStarted(number, "all", "", at_s)
    services = [(number, f"ns/service-{service}", "all", 1) for service in range(3)]
    for of in services:
        yield events.MilestoneReached(*of, "asked", "source", at_s, at_s)
    for after_s, of in enumerate(services):
        seen_s = at_s + 0.5 + after_s
        yield events.MilestoneReached(*of, "replicated", "destination", seen_s, seen_s - 0.01)
    yield events.QueueSampled(number, QueueSample(at_s + 0.5, 4.0, 6.0, 2.0, 0.0, 1.0))
    yield events.QueueSampled(number, QueueSample(at_s + 2.5, 0.0, 6.0, 6.0, 0.0, 1.0))
    yield events.QueueSampled(number, QueueSample(at_s + 2.8, 0.0, 6.0, 6.0, 0.0, 1.0))
    calls = CallFigures(
        {"create services": 15, "create endpointslices": 15}, {"409": 1}, 0.2, 1.0, 0.006, 0.001
    )
    yield events.StepEnded(number, StepFacts("all", at_s, at_s + 2.6, 3, calls=calls, lag_s=(0.004, 0.006)))
    yield events.StepStarted(number, "end", "", at_s + 2.6)
    yield events.StepEnded(number, StepFacts("end", at_s + 2.6, at_s + 3.0, 3))


def _made_change(number: int, at_s: float) -> Iterator[events.Event]:
    """Yield what becomes of one route that is created."""
    of = (number, "change-0", "create", 1)
    yield events.MilestoneReached(*of, "asked", "", at_s, at_s)
    yield events.MilestoneReached(*of, "live", "one", at_s + 0.2, at_s + 0.19, "kept")
    answers = {"404": 3, "503": 1, "served": 5}
    lost = Answers(1, at_s + 0.1, at_s + 0.12)
    yield events.MilestoneReached(
        *of,
        "stable",
        "one",
        at_s + 0.2,
        at_s + 0.19,
        "kept",
        0,
        answers,
        lost,
        Answers(1, at_s + 0.21, at_s + 0.25),
    )


def _frames_once(number: int, case: dict[str, Any], twist: Twist) -> list[Frame]:
    """Return the frames of a trial, drawn once for all runs that this process makes: samples are most of the work."""
    lengths = (RAMP_S, WARMUP_S, MEASURE_S, TRIAL_S, WORKERS)
    key = repr((number, case["system"], case["load"], twist, lengths))
    if key not in _FRAMES:
        while len(_FRAMES) >= FRAMES_KEPT_LIMIT:
            del _FRAMES[next(iter(_FRAMES))]
        _FRAMES[key] = list(made_frames(number, case, twist))
    return _FRAMES[key]


_FRAMES: dict[str, list[Frame]] = {}
# Those of a trial are 60 KB.
FRAMES_KEPT_LIMIT = 200


def _phases(start_s: float) -> Iterator[tuple[events.Phase, float]]:
    yield "set up", start_s
    yield "ramp", start_s + 1
    yield "warm up", start_s + 1 + RAMP_S
    yield "measure", measure_start_s(start_s)
    yield "cool down", measure_start_s(start_s) + MEASURE_S


def measure_start_s(start_s: float) -> float:
    return start_s + 1 + RAMP_S + WARMUP_S


def made_frames(number: int, case: dict[str, Any], twist: Twist) -> Iterator[Frame]:
    """Yield the frames of both workers: one a second from the start of the ramp."""
    random_source = random.Random(number)
    for second, worker in product(range(RAMP_S + WARMUP_S + MEASURE_S), range(WORKERS)):
        frame = _frame(random_source, number, case, twist, (second, worker))
        if twist.lost_frame != second or worker != 0:
            yield frame


def _frame(
    source: random.Random, number: int, case: dict[str, Any], twist: Twist, at: tuple[int, int]
) -> Frame:
    second, worker = at
    start_ns = int((ZERO_S + number * TRIAL_S + 1 + second) * SECOND_NS)
    measuring = second >= RAMP_S + WARMUP_S
    ramped = min(1.0, (second + 1) / RAMP_S)
    held = int(case["load"]["connections"] / WORKERS * ramped) - (twist.held_lost if measuring else 0)
    parts = (
        () if second < RAMP_S else (_part(source, case, twist, phase="measure" if measuring else "warmup"),)
    )
    connects = Histogram()
    opened = (case["load"]["connections"] + ACTIVE) // WORKERS // RAMP_S if second < RAMP_S else 0
    for _ in range(opened):
        connects.record(int(source.lognormvariate(3.8, 0.3)) + 1)
    cpu_ns = int((second + 1) * twist.generator_cores * SECOND_NS)
    return Frame(
        worker=worker,
        seq=second,
        start_ns=start_ns,
        end_ns=start_ns + SECOND_NS,
        held=held,
        held_min=held,
        held_lost=0,
        active=int(ACTIVE / WORKERS * ramped),
        active_min=int(ACTIVE / WORKERS * ramped),
        active_missing_ns=0,
        in_flight=0,
        backlog=0,
        opened=opened,
        reconnected=0,
        churned=0,
        closed_by_peer=0,
        reset_by_peer=0,
        syn_retransmissions=0,
        held_requests=0,
        held_answers={},
        held_unanswered=0,
        held_lifetime="",
        receive_wait="",
        receive_wait_ns_max=0,
        stall_ns_max=0,
        errors=dict(twist.errors) if measuring else {},
        connect=connects.encode(),
        tls_handshake="",
        tls_versions={},
        tls_resumed=0,
        cpu_user_ns=cpu_ns // 3,
        cpu_system_ns=cpu_ns - cpu_ns // 3,
        cpu_frames_ns=0,
        parts=parts,
    )


def _part(source: random.Random, case: dict[str, Any], twist: Twist, *, phase: str) -> PhasePart:
    sent = case["load"]["rate_per_s"] // WORKERS
    median_us, sigma, *_ = SYSTEMS[case["system"]]
    failed = sum(twist.errors.values()) if phase == "measure" else 0
    latency, service, lateness = Histogram(), Histogram(), Histogram()
    busy = (1 + case["load"]["rate_per_s"] / 10_000) * twist.slow
    for _ in range(sent):
        late_us = max(1, int(source.expovariate(1 / twist.lateness_us)))
        service_us = int(median_us * busy * source.lognormvariate(0, sigma))
        lateness.record(late_us)
        service.record(max(1, service_us))
        latency.record(service_us + late_us)
    return PhasePart(
        phase="measure" if phase == "measure" else "warmup",
        sent=sent,
        completed=sent - failed,
        completed_in_window=sent - failed if phase == "measure" else 0,
        completed_late=0,
        timed_out=0,
        failed=failed,
        unsent=0,
        in_flight=0,
        bytes_sent=sent * 80,
        bytes_received=sent * 760,
        bytes_received_in_window=sent * 760 if phase == "measure" else 0,
        status={"200": sent - failed},
        unexpected={},
        latency=latency.encode(),
        service_time=service.encode(),
        lateness=lateness.encode(),
        errors=dict(twist.errors) if phase == "measure" else {},
    )


def _samples(number: int, case: dict[str, Any], twist: Twist) -> Iterator[events.Event]:
    _, _, cpu_us, resident_mb = SYSTEMS[case["system"]]
    start_s = ZERO_S + number * TRIAL_S
    rate, held = case["load"]["rate_per_s"], case["load"]["connections"]
    for second in range(1 + RAMP_S + WARMUP_S + MEASURE_S + 1):
        at_s = start_s + second + 0.3
        requests = rate * max(0.0, min(WARMUP_S + MEASURE_S, second + 0.3 - 1 - RAMP_S))
        connections = held * max(0.0, min(1.0, (second + 0.3 - 1) / RAMP_S))
        roles: list[tuple[Any, str, int, float, int]] = [
            ("generator", "worker-0", 11, requests * 6e-5, 9_000_000),
            ("generator", "worker-1", 12, requests * 6e-5, 9_000_000),
            ("origin", "origin", 13, requests * 3e-5, 12_000_000),
        ]
        if resident_mb:
            memory = int(resident_mb * 1e6 + connections * 21_000)
            roles.append(("system", case["system"], 14, requests * cpu_us * 1e-6, memory))
        for role, name, pid, cpu_s, memory in roles:
            pss = int(memory * 0.9)
            process = ProcessSample(
                at_s, role, name, f"{pid}@1", name, cpu_s * 0.4, cpu_s * 0.6, memory, pss, 40 + held, 2, 0.0,
                cpus_allowed="0-1",
            )  # fmt: skip
            if twist.of_pods:
                process = replace(process, rss_bytes=None, pss_bytes=None, working_set_bytes=memory)
            yield events.ProcessSampled(number, process)
        yield events.HostSampled(number, HostSample(at_s, _host(at_s, twist)))
        carrying = case["load"]["active"] * max(0.0, min(1.0, (second + 0.3 - 1) / RAMP_S))
        counters = {"connections_active": round(connections + carrying), "requests": requests}
        yield events.SystemSampled(
            number, SystemSample(at_s, case["system"], case["system"], "14@1", counters)
        )


def _host(at_s: float, twist: Twist) -> dict[str, float]:
    values = {"cpu_busy_s": at_s * 0.8, "cpu_steal_s": 0.0}
    if twist.busy:
        values |= {"cpu_user_s": at_s * 1.8, "cpu_nice_s": 0.0, "cpu_system_s": 0.0, "cpu_idle_s": at_s * 0.2}
    return values


def _end(number: int, case: dict[str, Any], twist: Twist, frames: list[Frame]) -> events.TrialEnded:
    system = case["system"]
    completed = sum(part.completed for frame in frames for part in frame.parts)
    proxied = None if system == "direct" else completed + twist.counts_off
    failure = "envoy (process 14) was killed by signal 9" if twist.died else None
    return events.TrialEnded(
        trial=number,
        state=events.COMPLETED if failure is None else events.FAILED,
        failure=failure,
        at_s=measure_start_s(ZERO_S + number * TRIAL_S) + MEASURE_S + 2 * COOL_S,
        counts=TrialCounts(completed, proxied, proxied, completed + twist.counts_off),
        facts=TrialFacts(
            beside=twist.beside,
            drained_before_start=twist.drained,
            system_failure=failure,
            processes_lost=("envoy (process 14)",) if failure else (),
            missing=("it has no counters of its own",) if system == "direct" else (),
        ),
    )


def made_account(number: int, case: dict[str, Any], driver: str = "epoll") -> LoadAccount:
    """Return the account of a made trial's load."""
    start_ns = round(measure_start_s(ZERO_S + number * TRIAL_S) * SECOND_NS)
    account = account_of(
        start_ns=start_ns,
        measured_s=MEASURE_S,
        workers=WORKERS,
        rate_per_s=case["load"]["rate_per_s"],
        asked__url="http://127.0.0.1:18080/",
        asked__active=ACTIVE,
        asked__held=case["load"]["connections"],
        asked__seed=7,
        cost__pss_bytes=16_200_000,
    )
    hellos = tuple(
        with_values(hello, driver=driver, timestamps="program", resolution_ns=50_000)
        for hello in account.hellos
    )
    made: LoadAccount = with_values(account, hellos=hellos)
    return made


ENVIRONMENT = {
    "host": "bench-1",
    "kernel": "Linux 6.1.0",
    "machine": "x86_64",
    "distribution": "Debian GNU/Linux 12 (bookworm)",
    "virtualisation": None,
    "clocksource": "tsc",
    "cpu": {"model": "Example CPU", "online": 2, "usable": 2, "governor": None, "mitigations": None},
    "memory": {"total_bytes": 8_000_000_000, "available_bytes": 6_000_000_000, "swap_bytes": 0},
    "limits": {"open_files": {"soft": 20_000, "hard": 20_000}},
    "cgroup": {"cpu.max": None},
    "sysctls": {"net.core.somaxconn": "4096", "net.ipv4.ip_local_port_range": "32768 60999"},
    "seatrial": {"version": "0.1.0", "engine_sha256": "ab" * 32, "python": "3.11.2"},
    "binaries": {"envoy": {"path": "/opt/envoy", "version": "1.36.0", "sha256": "cd" * 32}},
}
