"""Every rule of validity, made to speak and made to keep silent."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from tests.support.loads import changed
from tests.support.made_run import Twist, compiled_plan, made_account, made_frames

from seatrial.analysis.cpus import ProcessCpus, RoleCpus
from seatrial.analysis.discovery.use import discovery_use
from seatrial.analysis.kernel import KernelUse, NetworkUse, QueueUse
from seatrial.analysis.load.summarise import summarise
from seatrial.analysis.load.window import Gauge
from seatrial.analysis.members import MemberUse, OwnGauge
from seatrial.analysis.reasons import Reason, Validity
from seatrial.analysis.validity.evidence import CapacityUse, TrialEvidence, WorkerEvidence, capacity_use
from seatrial.analysis.validity.judge import fault_of, judge_trial, remarks_on
from seatrial.analysis.validity.rules.table import RULES
from seatrial.discovery.facts import CallFigures, StepFacts
from seatrial.machine.cpus.pinning import CpusAsked
from seatrial.machine.cpus.shares import CpuShares
from seatrial.observe.samples import KernelMessage, LookingCost, NodeAway
from seatrial.preflight.capacity import Capacity, Figure
from seatrial.record.facts import Reached, TrialCounts, TrialFacts
from seatrial.systems.running import RunningConfiguration

CASE = compiled_plan(("envoy",))["cases"][0]
LOAD = summarise(made_account(1, CASE), list(made_frames(1, CASE, Twist())))
GOOD = TrialEvidence(
    state="completed",
    load=LOAD,
    held=Gauge(200, 200, 200),
    active=Gauge(50, 50, 50),
    counts=TrialCounts(8_000, 8_000, 8_000, 8_000),
    facts=TrialFacts(drained_before_start=True),
    workers=(WorkerEvidence(0, 0.3), WorkerEvidence(1, 0.3)),
    steal_fraction=0.0,
)


def load(**changes: Any) -> TrialEvidence:
    return replace(GOOD, load=changed(LOAD, **changes))


def late(p99_us: int, **changes: Any) -> TrialEvidence:
    return load(lateness_us=replace(LOAD.lateness_us, p99=p99_us), **changes)


def kernel(**changes: Any) -> TrialEvidence:
    """A trial of 6,000 requests, of whose kernel this is known."""
    return replace(GOOD, kernel=KernelUse(6.0, **changes))


def network(**changes: Any) -> TrialEvidence:
    changes = {"counted": {}, "highest": {}, **changes}
    return kernel(networks=(NetworkUse(("generator", "origin", "system"), **changes),))


def listeners(counted: dict[str, float] | None = None, **queues: QueueUse) -> TrialEvidence:
    return network(counted=counted or {}, listeners=queues)


STEP = StepFacts("all", 1.0, 9.0, 3)
BAD = {
    "environment.cpus": replace(
        GOOD,
        facts=TrialFacts(cpus=CpusAsked({"system": "1"})),
        cpus=(RoleCpus("system", "0-1", (ProcessCpus("envoy", "envoy", "0-1"),)),),
    ),
    "system.died": replace(GOOD, facts=TrialFacts(system_failure="envoy was killed by signal 9")),
    "system.restarted": replace(GOOD, facts=TrialFacts(processes_lost=("nginx worker 7",))),
    "environment.failed": replace(GOOD, state="failed", failure="no port was free"),
    "environment.cut_off": replace(GOOD, state="cut off"),
    "generator.no_data": replace(GOOD, load=None),
    "system.no_answers": load(
        requests__completed=0, answers__in_window=0, requests__sent=0, requests__unsent=LOAD.requests.intended
    ),
    "system.not_drained": replace(GOOD, facts=TrialFacts(drained_before_start=False)),
    "environment.exhausted": load(errors={"ports_exhausted": 1}),
    "system.held_connections": replace(GOOD, held=Gauge(200, 200, 199)),
    "system.active_connections": load(connections__active__established=49),
    "system.errors": load(errors_in_window={"connect_refused": 61}),
    "generator.late": late(1_001),
    "generator.stalled": load(generator__stall_us_max=100_001),
    "generator.unread": load(generator__receive_wait_us_p99=1_001),
    "generator.gate": replace(GOOD, discovery=discovery_use([STEP], (), (), gate_cores=0.9)),
    "generator.calls_lost": replace(
        GOOD, discovery=discovery_use([replace(STEP, calls=CallFigures(lost=4))], (), ())
    ),
    "environment.watch_late": replace(
        GOOD, discovery=discovery_use([replace(STEP, lag_s=(0.004, 1.2))], (), ())
    ),
    "environment.watch": replace(GOOD, discovery=discovery_use([replace(STEP, missed=1)], (), ())),
    "generator.drivers": replace(GOOD, drivers=("epoll", "io_uring")),
    "generator.rate": load(requests__intended=5_939),
    "generator.cpu": replace(GOOD, workers=(WorkerEvidence(0, 0.91), WorkerEvidence(1, 0.1))),
    "environment.throttled": load(generator__throttled_s=0.07),
    "environment.steal": replace(GOOD, steal_fraction=0.06),
    "environment.busy": replace(GOOD, cpu=CpuShares(others=0.11, idle=0.49)),
    # 700 MB/s are allowed of 1 GB/s.
    "environment.network": replace(
        GOOD, capacity=CapacityUse({"responses": 700_000_001}, {"responses": 1e9})
    ),
    "environment.node_away": replace(
        load(errors_in_window={"connect_refused": 1}),
        nodes_away=(NodeAway("node-1", ("generator",), 5_001.0, 5_003.0),),
    ),
    "environment.run_beside": replace(GOOD, facts=TrialFacts(runs_beside=("first-1f0c22ab on node-1",))),
    "system.counts": replace(GOOD, counts=TrialCounts(8_000, 8_000, 8_001, 8_000)),
    "system.gauge": replace(GOOD, own_gauge=OwnGauge(249, 250)),
    "system.unbalanced": replace(
        GOOD, members=(MemberUse("envoy-1", 170, 170, 4_000), MemberUse("envoy-2", 80, 80, 1_900))
    ),
    "system.routes": replace(GOOD, facts=TrialFacts(reached=Reached(100, 99, 1, 1))),
    "system.endpoints": replace(GOOD, facts=TrialFacts(reached=Reached(1, 1, 80, 79))),
    "plan.routes": replace(GOOD, facts=TrialFacts(reached=Reached(9_000, 8_000, 1, 1))),
    "system.uncounted": replace(
        GOOD, facts=TrialFacts(uncounted=("the origin's requests: it did not answer",))
    ),
    "environment.oom_kill": kernel(counted={"oom_kills": 1.0}),
    "environment.listen_queue": listeners(origin=QueueUse(1, 5, 128, 4_096)),
    "environment.syn_cookies": listeners(
        system=QueueUse(0, 5, 128, 128), counted={"tcp_syncookies_sent": 1.0}
    ),
    "environment.conntrack": network(counted={"conntrack_drops": 1.0}, highest={"conntrack_max": 65_536.0}),
    "environment.tcp_memory": network(counted={"tcp_memory_pressures": 1.0}),
    "environment.packets_dropped": kernel(counted={"softnet_drops": 1.0}),
    "environment.softirq": kernel(softirq_busiest=0.9),
    "environment.kernel_log": kernel(messages=(KernelMessage(5_001.0, "stuck", "BUG: soft lockup"),)),
    "generator.looking": replace(GOOD, facts=TrialFacts(looking=LookingCost(10, 0.51, 10.0, 0.0))),
    "system.reconfigured": replace(
        GOOD, facts=TrialFacts(configurations=(RunningConfiguration("envoy", {"a": "1"}, {"a": "2"}),))
    ),
    "generator.frames": replace(GOOD, workers=(WorkerEvidence(0, 0.3, missing_frames=1),)),
}


def test_the_network_is_held_against_what_was_measured_of_it():
    figure = Figure("seatrial", "responses", 8, 5e6)
    measured = (Capacity("loopback", (figure,), 1.0),)
    window_s, received = LOAD.window_s, LOAD.bytes.received_in_window
    use = capacity_use(LOAD, measured, proxied=True)
    assert use.carried == {"responses": 2 * received / window_s, "requests": 2 * LOAD.bytes.sent / window_s}
    assert use.carries == {"responses": 5e6, "requests": None}
    between_nodes = capacity_use(LOAD, measured, proxied=True, on_nodes=True)
    assert between_nodes.carried["responses"] == received / window_s
    for use in (CapacityUse({"responses": 7e8}, {"responses": 1e9}), CapacityUse({"responses": 7e8}, {})):
        assert judge_trial(replace(GOOD, capacity=use)) == Validity()


def test_a_good_trial_is_valid():
    assert judge_trial(GOOD) == Validity()
    assert judge_trial(GOOD).state == "VALID"


@pytest.mark.parametrize("code", BAD)
def test_each_rule_can_speak(code):
    validity = judge_trial(BAD[code])
    assert validity.state == "INVALID"
    assert code in [reason.code for reason in validity.reasons]
    for reason in validity.reasons:
        assert reason.text
        assert reason.remedy
        assert fault_of(reason) in {"generator", "environment", "system", "plan"}


def test_no_rule_is_without_a_case_here():
    spoken = {rule.__name__ for rule in RULES for evidence in BAD.values() if rule(evidence) is not None}
    assert spoken == {rule.__name__ for rule in RULES}


@pytest.mark.parametrize(
    "evidence",
    [
        pytest.param(late(1_000), id="late by the bound"),
        pytest.param(replace(GOOD, own_gauge=OwnGauge(250, 250)), id="the system's own count"),
        pytest.param(
            replace(GOOD, counts=TrialCounts(0, 0, 0, 0), facts=TrialFacts(reached=Reached(9, 0, 9, 0))),
            id="nothing that asks for a route",
        ),
        # A hundred threads may each begin at the first of them; and who asks them himself takes a few.
        pytest.param(
            replace(GOOD, facts=TrialFacts(reached=Reached(1, 1, 81, 80))),
            id="few requests for each endpoint",
        ),
        pytest.param(
            replace(GOOD, facts=TrialFacts(reached=Reached(1, 1, 80, 4)), is_proxied=False), id="no proxy"
        ),
        pytest.param(
            replace(load(connections__churned=5), own_gauge=OwnGauge(240, 270)), id="connections on their way"
        ),
        pytest.param(
            replace(
                GOOD, members=(MemberUse("envoy-1", 125, 125, 4_000), MemberUse("envoy-2", 125, 125, 2_100))
            ),
            id="shares that are even enough",
        ),
        pytest.param(
            replace(
                GOOD,
                members=(MemberUse("a", 125, 125, 4_000), MemberUse("b", 125, 125, 10)),
                requests_are_spread=False,
            ),
            id="requests that are meant to crowd",
        ),
        pytest.param(
            replace(GOOD, members=(MemberUse("a", 3, 3, 90), MemberUse("b", 1, 1, 10))),
            id="too few to be even",
        ),
        pytest.param(
            replace(GOOD, counts=TrialCounts(8_000, 8_000, 7_990, 7_990), answers_other=10),
            id="a proxy refuses by itself",
        ),
        pytest.param(late(1_900, resolution_us=1_000), id="late by less than two steps of a coarse grid"),
        pytest.param(late(90_000, loop="closed"), id="a closed loop has no schedule"),
        pytest.param(load(generator__stall_us_max=100_000), id="a stall that makes no hole in the frames"),
        pytest.param(
            load(generator__receive_wait_us_p99=1_900, resolution_us=1_000),
            id="answers are read at each step",
        ),
        pytest.param(
            load(generator__receive_wait_us_p99=9_000, loop="closed"),
            id="a closed loop works on one at a time",
        ),
        pytest.param(load(requests__intended=5_941), id="within one percent of the rate"),
        pytest.param(load(requests__intended=6_300, arrival="poisson"), id="a Poisson count scatters"),
        pytest.param(
            load(requests__sent=1_000, requests__unsent=5_000, requests__completed=1_000),
            id="a system that cannot keep up",
        ),
        pytest.param(load(errors_in_window={"timeout": 6_000}), id="time-outs are an answer of the system"),
        pytest.param(load(errors_in_window={"read_reset": 60}), id="errors at the bound"),
        pytest.param(replace(GOOD, counts=TrialCounts(8_000)), id="a system that cannot count"),
        pytest.param(
            replace(GOOD, counts=TrialCounts(8_000, 8_003, 8_003, 8_003), unfinished=3),
            id="unfinished requests",
        ),
        pytest.param(replace(GOOD, steal_fraction=None), id="a machine that does not count steal"),
        pytest.param(replace(GOOD, cpu=CpuShares(others=0.1, idle=0.0)), id="others that take little"),
        pytest.param(replace(GOOD, cpu=CpuShares(others=0.4, idle=0.5)), id="a machine with room for others"),
        pytest.param(replace(GOOD, facts=TrialFacts()), id="draining was not looked at"),
    ],
)
def test_a_true_result_is_not_doubted(evidence):
    assert judge_trial(evidence).reasons == ()


def test_only_connections_that_carry_requests_may_be_on_their_way_to_being_renewed():
    renewing = load(
        connections__churned=500, connections__reconnected=500, connections__active__established=48
    )
    assert judge_trial(renewing).reasons == ()
    (reason,) = judge_trial(replace(renewing, held=Gauge(200, 191, 191))).reasons
    assert reason.code == "system.held_connections"


def test_missing_connections_for_want_of_ports_are_the_environments_fault():
    evidence = replace(load(errors={"ports_exhausted": 100}), held=Gauge(200, 100, 100))
    codes = [reason.code for reason in judge_trial(evidence).reasons]
    assert "environment.held_connections" in codes
    assert not any(code.startswith("system.held") for code in codes)


@pytest.mark.parametrize(
    "counts",
    [
        pytest.param(TrialCounts(8_000, 8_000, 7_989, 7_989), id="more than was refused"),
        pytest.param(TrialCounts(8_000, 7_990, 7_990, 7_990), id="a proxy counts what it refuses"),
        pytest.param(TrialCounts(8_000, None, None, 7_990), id="an origin counts what it refuses"),
    ],
)
def test_only_a_proxy_answers_in_place_of_its_origin(counts: TrialCounts) -> None:
    evidence = replace(GOOD, counts=counts, answers_other=10)
    assert [reason.code for reason in judge_trial(evidence).reasons] == ["system.counts"]


def test_a_dead_system_is_not_also_blamed_for_its_counts():
    evidence = replace(BAD["system.died"], counts=TrialCounts(8_000, 5, 5, 5))
    assert [reason.code for reason in judge_trial(evidence).reasons] == ["system.died"]


def test_reasons_that_were_known_before_are_kept_once():
    known = Reason("generator.slow_disk", "the disk was slow", "get another")
    evidence = replace(GOOD, known_reasons=(known, known), load=changed(LOAD, validity=Validity((known,))))
    assert judge_trial(evidence).reasons == (known,)
    assert fault_of(Reason("worker_died", "", "")) == "generator"


def test_backlog_is_a_remark_and_says_whose_it_is():
    (remark,) = remarks_on(load(requests__unsent=1_234))
    assert "1,234 of 6,000" in remark
    assert "system" in remark


def test_a_count_that_could_not_be_made_is_a_reason_and_no_remark():
    facts = TrialFacts(uncounted=("the origin did not answer",), missing=("it has no counters of its own",))
    evidence = replace(GOOD, facts=facts)
    (reason,) = judge_trial(evidence).reasons
    assert "the origin did not answer" in reason.text
    assert remarks_on(evidence) == ("not known: it has no counters of its own",)


def test_others_that_a_machine_has_room_for_are_remarked():
    (remark,) = remarks_on(replace(GOOD, cpu=CpuShares(others=0.2, idle=0.7)))
    assert "20%" in remark
    assert remarks_on(replace(GOOD, facts=TrialFacts(remarks=("another load ran",)))) == ("another load ran",)
