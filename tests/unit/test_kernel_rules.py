"""The rules about the kernel: whose fault a loss is, in which direction it works, and where it is only remarked."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from tests.support.loads import changed
from tests.unit.test_analysis_validity import GOOD, LOAD, kernel, listeners, network

from seatrial.analysis.kernel import InterfaceUse, KernelUse, NetworkUse, QueueUse, kernel_use
from seatrial.analysis.load.disturbed import DisturbedLoad
from seatrial.analysis.load.window import Window
from seatrial.analysis.run.attempts import may_be_set_aside
from seatrial.analysis.validity.evidence import TrialEvidence
from seatrial.analysis.validity.judge import judge_trial, remarks_on
from seatrial.machine.members import Role
from seatrial.observe.samples import (
    HostSample,
    Interface,
    KernelMessage,
    KernelReport,
    ListenQueue,
    LookingCost,
    NetworkSample,
)
from seatrial.record.facts import TrialFacts
from seatrial.systems.running import RunningConfiguration

# The trial has 250 connections and 6,000 requests, which sent and received so many bytes.
CARRIED = LOAD.bytes.sent + LOAD.bytes.received
ALL = ("generator", "origin", "system")


def codes(evidence: TrialEvidence) -> list[str]:
    return [reason.code for reason in judge_trial(evidence).reasons]


def over_interface(name: str = "eth0", **changes: Any) -> TrialEvidence:
    use = InterfaceUse(CARRIED, CARRIED, 10_000, 10_000, 0, 0, None)
    return network(interfaces={name: replace(use, **changes)})


def of_pod(at_s: float, *, received: int, sent: int, drops: int = 0, pod: str = "a/envoy-1") -> NetworkSample:
    interface = Interface(received, received // 100, 0, drops, sent, sent // 100, 0, 0)
    return NetworkSample(at_s, f"uid of {pod}", ("system",), {}, {"eth0": interface}, pod=pod)


def of_node(at_s: float, drops: int, softnet_drops: int = 0) -> NetworkSample:
    values = {"conntrack_drops": drops, "conntrack_entries": 9_500, "conntrack_max": 10_000}
    uplink = Interface(int(CARRIED * (at_s - 50)), 1, 0, drops, 1, 1, 0, 0)
    of: tuple[Role, ...] = ("system",)
    return NetworkSample(
        at_s, "node proxy", of, {**values, "softnet_drops": softnet_drops}, {"eth0": uplink}, node="proxy"
    )


def test_what_the_kernel_of_a_node_drops_names_the_node():
    window = Window(100 * 10**9, 160 * 10**9)
    looks = [of_node(98.0, 5), of_node(120.0, 5), of_node(161.0, 5_005, 4_000), of_node(170.0, 9_999)]
    evidence = replace(GOOD, kernel=kernel_use([], looks, None, window))
    reasons = {reason.code: reason.text for reason in judge_trial(evidence).reasons}
    assert reasons["environment.conntrack"] == (
        "5,000 packets were dropped because the table of tracked connections of node proxy was full: it holds 10,000"
    )
    assert reasons["environment.packets_dropped"] == (
        "packets were dropped: 4,000 on node proxy before a CPU took them (softnet), 5,000 at eth0 of node proxy"
    )
    assert "9,500 connections were tracked on node proxy, and the table holds 10,000" in remarks_on(evidence)
    calm = replace(GOOD, kernel=kernel_use([], [of_node(98.0, 5), of_node(161.0, 5)], None, window))
    assert judge_trial(calm).is_valid


def test_each_node_is_named_and_one_that_is_known_of_late_is_remarked():
    window = Window(100 * 10**9, round((100 + LOAD.window_s) * 1e9))
    first = [of_node(98.0, 5), of_node(101 + LOAD.window_s, 5_005)]
    # It ran a second after the phase had begun, and counts ten squeezes a second from then on.
    second = [
        replace(
            look,
            at_s=at_s,
            network="node load",
            node="load",
            values={**look.values, "softnet_squeezes": count},
        )
        for look, at_s, count in zip(first, (101.0, 101.5), (0, 10), strict=True)
    ]
    evidence = replace(GOOD, kernel=kernel_use([], [*first, *second], None, window))
    texts = {reason.code: reason.text for reason in judge_trial(evidence).reasons}
    assert texts["environment.conntrack"] == (
        "10,000 packets were dropped because the table of tracked connections of nodes proxy and load was full: it"
        " holds 10,000"
    )
    said = [remark for remark in remarks_on(evidence) if "the kernel of node" in remark]
    assert said == [
        "the kernel of node load ran out of time for packets 10 times (softnet time_squeeze)",
        f"what the kernel of node load counts is known of 0.5 of the {LOAD.window_s:g} s of the measure phase",
    ]


def test_a_node_whose_kernel_does_not_count_what_its_table_drops_is_remarked():
    looks = [replace(of_node(at_s, 0), values={"conntrack_max": 10_000.0}) for at_s in (98.0, 161.0)]
    window = Window(100 * 10**9, 160 * 10**9)
    assert remarks_on(replace(GOOD, kernel=kernel_use([], looks, None, window))) == (
        "not known: whether connections were dropped at the table of tracked ones of node proxy",
    )
    # Where connections are not tracked there is none to be full.
    untracked = [replace(look, values={"softnet_drops": 0.0}) for look in looks]
    assert remarks_on(replace(GOOD, kernel=kernel_use([], untracked, None, window))) == ()


def test_of_pods_it_is_what_they_carried_between_the_looks_within_the_window():
    # 1 MB/s comes in and 3 MB/s go out from 100 s on, nothing before; a kubelet looks when it does.
    def moments(first_s: float, pod: str, drops: int) -> list[NetworkSample]:
        return [
            of_pod(
                at_s,
                received=int(max(0.0, at_s - 100) * 1e6),
                sent=int(max(0.0, at_s - 100) * 3e6),
                drops=drops if at_s > 155 else 0,
                pod=pod,
            )
            for at_s in (first_s + 13.0 * number for number in range(12))
        ]

    looks = [*moments(60.0, "a/envoy-1", 7), *moments(67.0, "a/envoy-2", 0)]
    found = kernel_use([], looks, None, Window(100 * 10**9, 160 * 10**9))
    assert found is not None
    assert found.pods_received_bytes_per_s("system") == pytest.approx(2e6)
    assert found.pods_sent_bytes_per_s("system") == pytest.approx(6e6)
    assert found.pods_sent_bytes_per_s("origin") is None
    first, _ = found.networks
    # From 112 to 151; the drops came before the look at 164, and may have been of the window.
    assert (first.covers_s, first.interfaces["eth0"].drops) == (39.0, 7)
    assert found.covers_s == max(one.covers_s for one in found.networks)
    assert kernel_use([], looks[:3], None, Window(100 * 10**9, 160 * 10**9)) is None


@pytest.mark.parametrize("at_s", [(86.0, 161.0), (86.0, 130.0, 161.0), (130.0,)])
def test_what_the_pods_of_a_role_carried_is_not_known_where_that_of_one_is_not(
    at_s: tuple[float, ...],
) -> None:
    known = [of_pod(moment_s, received=int(moment_s), sent=0) for moment_s in (99.0, 120.0, 150.0)]
    once = [
        of_pod(moment_s, received=5, sent=5, drops=7 if moment_s == at_s[-1] else 0, pod="a/envoy-2")
        for moment_s in at_s
    ]
    window = Window(100 * 10**9, 160 * 10**9)
    found = kernel_use([], [*known, *once], None, window)
    assert found is not None
    assert found.pods_received_bytes_per_s("system") is None
    alone = kernel_use([], known, None, window)
    assert alone is not None
    assert alone.pods_received_bytes_per_s("system") == pytest.approx(1.0)
    # What it dropped lies between the looks around the window all the same.
    _, other = found.networks
    assert (other.covers_s, other.interfaces["eth0"].drops) == (0.0, 7 if len(at_s) > 1 else 0)


def test_a_system_that_accepts_slowly_by_itself_is_slow_and_not_in_doubt() -> None:
    # Its queue is shorter than the machine allows: it, or who configures it, chose that.
    own = listeners(system=QueueUse(500, 128, 128, 4_096))
    assert codes(own) == []
    (remark,) = remarks_on(own)
    assert (
        "500 connections were dropped because the system's listen queue, which holds 128, was full" in remark
    )


def test_a_queue_that_the_machine_cuts_short_is_the_environments() -> None:
    cut = listeners(system=QueueUse(500, 128, 128, 128))
    (reason,) = judge_trial(cut).reasons
    assert (reason.code, reason.direction) == ("environment.listen_queue", "either")
    assert "somaxconn" in reason.remedy
    assert remarks_on(cut) == ()
    # It would be met again.
    assert not may_be_set_aside(judge_trial(cut))


def test_a_queue_that_holds_every_connection_is_not_too_short() -> None:
    assert codes(listeners(system=QueueUse(500, 250, 250, 250))) == []
    assert codes(listeners(system=QueueUse(500, 249, 249, 249))) == ["environment.listen_queue"]


def test_a_queue_as_long_as_the_procedures_is_never_too_short() -> None:
    many = replace(listeners(system=QueueUse(500, 65_535, 65_535, 65_535)), held=GOOD.held)
    many = replace(many, held=replace(many.held, requested=300_000))
    assert "environment.listen_queue" not in codes(many)
    fewer = replace(listeners(system=QueueUse(500, 65_534, 65_534, 65_534)), held=many.held)
    assert "environment.listen_queue" in codes(fewer)


def test_an_origin_that_accepts_slowly_is_the_testbeds() -> None:
    (reason,) = judge_trial(listeners(origin=QueueUse(7, 128, 128, 4_096))).reasons
    assert reason.code == "environment.listen_queue"
    assert "origin" in reason.remedy


def test_cookies_of_a_queue_that_is_the_systems_own_are_no_doubt() -> None:
    assert codes(listeners(system=QueueUse(0, 5, 128, 4_096), counted={"tcp_syncookies_sent": 90.0})) == []


@pytest.mark.parametrize(("drops", "is_doubt"), [(0, False), (1, True)])
def test_of_few_requests_one_loss_is_too_many(drops: int, is_doubt: bool) -> None:
    assert bool(codes(over_interface(drops=drops))) is is_doubt


def test_of_many_requests_a_few_losses_are_remarked() -> None:
    many = changed(LOAD, requests__intended=30_000, requests__completed=30_000, rate_per_s__requested=5_000)
    few = replace(over_interface(drops=2, errors=1), load=many)
    assert "environment.packets_dropped" not in codes(few)
    assert "packets were dropped: 3 at eth0, too few to show in the latencies" in remarks_on(few)
    more = replace(over_interface(drops=3, errors=1), load=many)
    assert "environment.packets_dropped" in codes(more)
    assert not [remark for remark in remarks_on(more) if "dropped" in remark]


def test_drops_at_an_interface_that_carries_something_else_are_not_of_the_load() -> None:
    assert codes(over_interface(received_bytes=CARRIED // 5, sent_bytes=CARRIED // 5, drops=900)) == []


def test_one_drop_that_two_counters_tell_is_one() -> None:
    use = InterfaceUse(CARRIED, CARRIED, 10_000, 10_000, 1, 0, None)
    found = NetworkUse(ALL, {}, {}, {"lo": use})
    (reason,) = judge_trial(kernel(counted={"softnet_drops": 1.0}, networks=(found,))).reasons
    assert reason.text == "packets were dropped: 1 before a CPU took them (softnet), 1 at lo"


def test_an_interface_is_told_by_the_roles_of_its_network_where_there_are_several() -> None:
    use = InterfaceUse(CARRIED, CARRIED, 10_000, 10_000, 1, 0, None)
    found = tuple(NetworkUse((role,), {}, {}, {"eth0": use}) for role in ("generator", "system"))
    (reason,) = judge_trial(kernel(networks=found)).reasons
    assert reason.text == "packets were dropped: 1 at eth0 of generator, 1 at eth0 of system"


def test_softirqs_take_time_and_so_can_only_make_a_system_look_worse() -> None:
    (reason,) = judge_trial(kernel(softirq_busiest=0.95)).reasons
    assert reason.direction == "inflates"
    assert codes(kernel(softirq_busiest=0.89)) == []


def test_a_process_that_was_killed_for_memory_is_named_where_the_kernel_names_it() -> None:
    said = KernelMessage(5_001.0, "oom_kill", "Out of memory: Killed process 7 (nginx)")
    (reason,) = judge_trial(kernel(counted={"oom_kills": 1.0}, messages=(said,))).reasons
    assert reason.text == (
        "the kernel killed 1 process because memory ran out: Out of memory: Killed process 7 (nginx)"
    )
    # Where the machine's count is known, that of the groups is a part of it.
    assert codes(kernel(counted={"oom_kills": 0.0, "group_oom_kills": 2.0})) == []
    assert codes(kernel(counted={"group_oom_kills": 2.0})) == ["environment.oom_kill"]


def test_a_system_that_was_killed_for_memory_stays_the_systems_failure() -> None:
    died = replace(kernel(counted={"oom_kills": 1.0}), facts=TrialFacts(system_failure="killed by signal 9"))
    assert {reason.code for reason in judge_trial(died).causes} == {"environment.oom_kill", "system.died"}
    assert not may_be_set_aside(judge_trial(died))


@pytest.mark.parametrize("kind", ["syn_flood", "conntrack_full", "tcp_memory", "oom_kill"])
def test_what_a_counter_tells_is_only_remarked_where_the_kernel_says_it(kind: str) -> None:
    said = kernel(messages=(KernelMessage(5_001.0, kind, "said"),))
    assert codes(said) == []
    assert remarks_on(said) == ("the kernel reported in the measure window: said",)


def test_a_log_that_could_not_be_read_is_remarked() -> None:
    facts = TrialFacts(kernel=KernelReport(unreadable="/dev/kmsg: Operation not permitted", lost=1))
    first, second = remarks_on(replace(GOOD, facts=facts))
    assert first.startswith("not known: what the kernel reported")
    assert "Operation not permitted" in first
    assert second.startswith("not known: all that the kernel reported")


@pytest.mark.parametrize(("cores", "is_remarked", "is_doubt"), [
    (0.019, False, False), (0.03, True, False), (0.05, True, False), (0.06, False, True),
])  # fmt: skip
def test_looking_that_costs_is_remarked_and_doubted_where_it_costs_much(
    cores: float, is_remarked: bool, is_doubt: bool
) -> None:  # fmt: skip
    looked = replace(GOOD, facts=TrialFacts(looking=LookingCost(100, cores * 100, 100.0, 0.0)))
    assert bool(remarks_on(looked)) is is_remarked
    assert codes(looked) == (["generator.looking"] if is_doubt else [])


def test_what_a_plan_changes_on_purpose_is_no_drift() -> None:
    changed_config = TrialFacts(
        configurations=(RunningConfiguration("envoy-2", {"a": "1", "b": "1"}, {"a": "2", "b": "1"}),)
    )
    (reason,) = judge_trial(replace(GOOD, facts=changed_config)).reasons
    assert "envoy-2 (a)" in reason.text
    assert codes(replace(GOOD, facts=changed_config, disturbed=DisturbedLoad(LOAD, Window(0, 1), ()))) == []


def test_a_member_that_does_not_say_what_it_runs_is_no_drift() -> None:
    silent = TrialFacts(configurations=(RunningConfiguration("envoy", {"a": "1"}, None),))
    assert codes(replace(GOOD, facts=silent)) == []


def test_a_restart_says_why_the_processes_are_others() -> None:
    facts = TrialFacts(
        processes_lost=("nginx worker (7)",),
        configurations=(RunningConfiguration("nginx", {"processes": "7@1"}, {"processes": "8@2"}),),
    )
    restarted, other = judge_trial(replace(GOOD, facts=facts)).reasons
    assert (restarted.code, other.code, other.because) == (
        "system.restarted", "system.reconfigured", "system.restarted",
    )  # fmt: skip


def test_little_time_for_packets_and_a_table_nearly_full_are_remarked() -> None:
    assert remarks_on(kernel(counted={"softnet_squeezes": 6.0})) == ()
    (remark,) = remarks_on(kernel(counted={"softnet_squeezes": 7.0}))
    assert "7 times" in remark
    (remark,) = remarks_on(network(highest={"conntrack_entries": 91.0, "conntrack_max": 100.0}))
    assert remark == "91 connections were tracked, and the table holds 100"


def test_drops_that_nobody_can_attribute_are_told_with_their_network() -> None:
    (remark,) = remarks_on(network(counted={"tcp_listen_drops": 12.0}))
    assert (
        remark == "12 connections were dropped at listeners in the network of generator and origin and system"
    )


def host(at_s: float, **values: float) -> HostSample:
    return HostSample(at_s, values)


def looked_at(at_s: float, drops: int, carried: int, network: str = "1", waiting: int = 0) -> NetworkSample:
    return NetworkSample(
        at_s,
        network,
        ("system",) if at_s < 5 else ("generator", "system"),
        {"tcp_listen_drops": float(drops), "tcp_established": float(waiting), "listen_queue_max": 4_096.0},
        {"lo": Interface(carried, carried, 0, drops, carried, carried, 0, 0)},
        {"system": ListenQueue(drops, waiting, 511)},
    )


def test_only_what_lies_between_the_looks_around_the_window_is_counted() -> None:
    # The window is from 10 s to 20 s; before and after it the counters move, too.
    window = Window(10 * 10**9, 20 * 10**9)
    hosts = [
        host(at_s, softnet_drops=at_s * 100, softirq_busiest=at_s / 100)
        for at_s in (5.0, 10.01, 15.0, 20.02, 25.0)
    ]
    networks = [
        looked_at(at_s, drops, carried, waiting=waiting)
        for at_s, drops, carried, waiting in (
            (4.0, 1, 0, 0), (10.01, 5, 7, 1), (15.0, 6, 8, 9), (20.02, 8, 107, 2), (25.0, 99, 999, 99),
        )
    ]  # fmt: skip
    said = [KernelMessage(at_s, "stuck", str(at_s)) for at_s in (9.0, 12.0, 21.0)]
    found = kernel_use(hosts, networks, KernelReport(tuple(said)), window)
    assert found is not None
    assert found.covers_s == 10.01
    assert found.counted == {"softnet_drops": pytest.approx(1_001)}
    assert found.softirq_busiest == pytest.approx((0.15 + 0.2002) / 2, abs=1e-3)
    (network,) = found.networks
    assert network.roles == ("generator", "system")
    assert network.counted == {"tcp_listen_drops": 3}
    assert network.highest == {"listen_queue_max": 4_096, "tcp_established": 9}
    assert network.interfaces == {"lo": InterfaceUse(100, 100, 100, 100, 3, 0, None)}
    assert network.listeners == {"system": QueueUse(3, 9, 511, 4_096)}
    assert [message.text for message in found.messages] == ["12.0"]


def test_looks_that_count_nothing_lie_between_those_that_do() -> None:
    window = Window(10 * 10**9, 20 * 10**9)
    hosts = [
        host(9.0, oom_kills=1.0),
        host(10.0, softirq_busiest=0.1),
        host(20.0, softirq_busiest=0.3),
        host(23.0, oom_kills=4.0),
    ]
    found = kernel_use(hosts, [], None, window)
    assert found is not None
    assert (found.covers_s, found.counted, found.softirq_busiest) == (14.0, {"oom_kills": 3.0}, 0.3)


def test_networks_are_counted_each_by_itself() -> None:
    window = Window(10 * 10**9, 20 * 10**9)
    hosts = [host(10.0), host(20.0)]
    looks = [
        looked_at(at_s, round(at_s) * times, 0, network=str(times))
        for at_s in (10.0, 20.0)
        for times in (1, 2)
    ]
    found = kernel_use(hosts, looks, None, window)
    assert found is not None
    assert [use.counted["tcp_listen_drops"] for use in found.networks] == [10, 20]


def test_a_counter_that_was_set_back_is_not_known() -> None:
    window = Window(10 * 10**9, 20 * 10**9)
    found = kernel_use([host(10.0, oom_kills=5.0), host(20.0, oom_kills=1.0)], [], None, window)
    assert found == KernelUse(10.0)


@pytest.mark.parametrize("hosts", [[], [host(12.0)]])
def test_a_machine_that_was_not_looked_at_is_not_known(hosts: list[HostSample]) -> None:
    assert kernel_use(hosts, [], None, Window(10 * 10**9, 20 * 10**9)) is None
    assert kernel_use([host(1.0), host(2.0)], [], None, None) is None
