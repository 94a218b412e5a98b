"""How many connections a worker pod holds: the arithmetic, by hand."""

from __future__ import annotations

import dataclasses

import pytest
from tests.unit.test_preflight import LARGE

from seatrial.cluster.nodes import NodeFacts
from seatrial.plan.cases import compile_cases
from seatrial.plan.read import parse_plan
from seatrial.preflight.needs import Needs
from seatrial.preflight.places.cluster import ROLES, check_nodes, check_workers, workers_of
from seatrial.preflight.places.pods import Pod, check_pods, pods_needed, room_of
from seatrial.preflight.tuning.node import descriptors_of, node_notes
from seatrial.probe.facts import Facts
from seatrial.systems.installed.manifests.objects import ROLE

GIB = 1 << 30
SETTINGS = {
    "net.ipv4.ip_local_port_range": (1024, 65_535),
    "net.ipv4.tcp_tw_reuse": (2,),
    "net.ipv4.tcp_max_tw_buckets": (131_072,),
    "net.ipv4.tcp_wmem": (4_096, 16_384, 4_194_304),
    "net.ipv4.tcp_rmem": (4_096, 131_072, 6_291_456),
    "net.netfilter.nf_conntrack_max": (65_536,),
    # Not to be seen in a pod.
    "net.netfilter.nf_conntrack_buckets": None,
    # Of who listens: no worker does.
    "net.core.somaxconn": (1,),
}
PLAN = """
name: a
systems: [contour: {proxies: 2}]
place: kubernetes
load: {rate: 10k/s, active: 600, connections: HELD, workers: 8}
phases: {measure: 1 s}
"""
POD = Pod(memory_bytes=GIB, ports=64_512, descriptors=1_048_576)


def test_the_least_of_ports_memory_and_open_files_holds() -> None:
    assert room_of(POD, Needs()).by_ports == 64_512
    # 80 % of a GiB without the process, over half a pair of sockets and a worker's own state of it.
    assert room_of(POD, Needs()).by_memory == int((0.8 * GIB - 40e6) / (4_800 + 256)) == 161_984
    few = Pod(GIB, 64_512, 20_000)
    assert (room_of(POD, Needs()).bound_by, room_of(few, Needs()).bound_by) == ("ports", "open files")
    assert room_of(few, Needs()).connections == 20_000 - 66
    wide = room_of(POD, Needs(destinations=4))
    assert (wide.connections, wide.bound_by) == (161_984, "memory")


@pytest.mark.parametrize(("held", "pods"), [(1, 1), (64_512, 1), (64_513, 2), (10_000_000, 156)])
def test_so_many_pods_are_needed(held: int, pods: int) -> None:
    assert pods_needed(POD, Needs(held=held)) == pods


def test_connections_that_are_opened_anew_keep_their_ports_for_a_second() -> None:
    assert pods_needed(POD, Needs(held=64_000, reopened_per_s=1_000)) == 2


def test_tls_takes_more_memory() -> None:
    small = Pod(256 << 20, 64_512, 1_048_576)
    assert room_of(small, Needs(tls=True)).by_memory < room_of(small, Needs()).by_memory / 1.5


def test_too_few_pods_are_refused_with_the_number_that_is_needed() -> None:
    (finding,) = check_pods(Needs(held=200_000), POD, 3)
    assert finding.severity == "refuse"
    assert "200000 connections need 4 pods, asked for: 3" in finding.text
    assert finding.remedy == "`workers: 4` or more, or more destination addresses"
    (fine,) = check_pods(Needs(held=200_000), POD, 4)
    assert fine.severity == "ok"


def test_a_pod_too_small_for_its_program_is_refused() -> None:
    (finding,) = check_pods(Needs(held=10), Pod(32 << 20, 64_512, 1_024), 5)
    assert (finding.severity, finding.remedy) == ("refuse", "give each pod more memory, or more open files")


def test_workers_with_too_little_memory_are_refused_before_anything_is_made() -> None:
    little = PLAN.replace("HELD", "20") + "kubernetes: {worker_memory: 32 MiB}\n"
    refused, *_ = check_workers(compile_cases(parse_plan(little, "plan.yaml")))
    assert (refused.code, refused.severity) == ("pods", "refuse")
    assert "each worker pod holds 0 connections (bound by memory" in refused.text
    enough = little.replace("32 MiB", "128 MiB")
    assert all(one.severity == "ok" for one in check_workers(compile_cases(parse_plan(enough, "plan.yaml"))))


def on_node(held: str, nodes: int) -> tuple[str, ...]:
    cases = compile_cases(parse_plan(PLAN.replace("HELD", held), "a.yaml"))
    seen = dataclasses.replace(LARGE, conntrack_max=65_536, conntrack_count=10)
    return tuple(node_notes(cases, Facts(seen, SETTINGS, "6.8.0", "boot"), "big-1", nodes))


def test_what_a_node_of_the_load_has_too_little_of_is_said_by_its_name() -> None:
    # 70,600 connections + 10 tracked now; on two nodes it is 4 of 8 pods, half of them.
    (note,) = on_node("70k", 1)
    assert note == (
        "node big-1, of the load: kernel settings fall short of what the plan needs: net.netfilter.nf_conntrack_max is"
        " 65536, needed: 70610; from here they are not to be set: who owns the nodes of the load does it on all of them"
    )
    assert on_node("70k", 2) == ()


def test_a_worker_pod_opens_as_many_files_as_the_node_lets_it() -> None:
    def found(nofile_hard: int) -> int:
        seen = dataclasses.replace(LARGE, nofile_hard=nofile_hard, nr_open=1 << 20)
        return descriptors_of(Facts(seen, {}, "6.8.0", "boot"))

    assert found(20_000) == 20_000
    # No limit is still that of the kernel.
    assert found((1 << 63) - 1) == 1 << 20
    # 200,000 connections over pods of 19,934 each, where their memory would hold 80,000.
    (case,) = compile_cases(parse_plan(PLAN.replace("HELD", "199.4k").replace(", workers: 8", ""), "a.yaml"))
    assert workers_of(case, 20_000) == 11
    assert workers_of(case, 1 << 20) == 3


def test_fewer_open_files_make_more_workers_which_need_room() -> None:
    cases = compile_cases(parse_plan(PLAN.replace("HELD", "70k"), "a.yaml"))
    nodes = [NodeFacts(role, {ROLE: role}, 16.0, 64 * GIB) for role in ROLES]
    found = {one.code: one for one in check_nodes(cases, nodes)}
    assert found["nodes-load"].severity == "ok"
    # 70,600 connections over pods of 2,000 - 66 are 37 pods of a CPU, and the probes have 0.3.
    found = {one.code: one for one in check_nodes(cases, nodes, 2_000)}
    assert found["nodes-load"].severity == "refuse"
    assert "load: 37.3 CPUs" in found["nodes-load"].text
    assert "node_probes" not in found["nodes-load"].remedy
    # They have room but for the 0.1 of what reads the kernel of the node.
    nodes = [NodeFacts(role, {ROLE: role}, 37.25, 64 * GIB) for role in ROLES]
    found = {one.code: one for one in check_nodes(cases, nodes, 2_000)}
    assert found["nodes-load"].severity == "refuse"
    assert "or `kubernetes: {node_probes: no}`" in found["nodes-load"].remedy


def test_pods_have_room_only_where_others_leave_it_and_each_on_one_node() -> None:
    cases = compile_cases(parse_plan(PLAN.replace("HELD", "70k"), "a.yaml"))
    others = [
        NodeFacts(role, {ROLE: role}, 16.0, 64 * GIB, reserved_cpus=9.0, reserved_memory_bytes=GIB)
        for role in ROLES
    ]
    found = {one.code: one for one in check_nodes(cases, others)}
    assert found["nodes-load"].severity == "refuse"
    assert (
        "load: 8.3 CPUs and 4.496 GB asked for, 7 and 63 GiB free of 16 and 64 GiB"
        in found["nodes-load"].text
    )
    assert "fewer pods of others there" in found["nodes-load"].remedy
    # 8.3 of 11.2 CPUs, but each node has room for one pod of a CPU.
    small = [
        NodeFacts(f"{role}-{number}", {ROLE: role}, 1.6, 64 * GIB) for role in ROLES for number in range(7)
    ]
    found = {one.code: one for one in check_nodes(cases, small)}
    assert found["nodes-load"].severity == "refuse"
    assert "but of 8 pods of 1 CPU and 512 MiB each only 7 have room on one" in found["nodes-load"].text


@pytest.mark.parametrize(
    ("system", "cpus", "memory"),
    [
        ("contour: {proxies: 2, cpus: 0.5, memory: 512 MiB, controller_cpus: 1}", 2.1, 2 * GIB),
        # Beside each Envoy of its own, Envoy Gateway puts a container that drains it.
        (
            "envoy-gateway: {proxies: 2, cpus: 0.5, memory: 512 MiB, controller_cpus: 1}",
            2.12,
            2 * GIB + (64 << 20),
        ),
    ],
)
def test_a_controller_has_to_fit_beside_its_proxies(system: str, cpus: float, memory: int) -> None:
    text = (
        f"name: a\nplace: kubernetes\nsystems: [{system}]\nload: {{connections: 8, rate: 10/s}}\n"
        "phases: {measure: 10 s}\n"
    )
    cases = compile_cases(parse_plan(text, "a.yaml"))
    probe = 64 << 20

    def verdict(cpus: float, memory: int) -> str:
        nodes = [NodeFacts(role, {ROLE: role}, cpus, memory) for role in ROLES]
        return {one.code: one for one in check_nodes(cases, nodes)}["nodes-proxy"].severity

    assert verdict(cpus, memory + probe) == "ok"
    assert verdict(cpus - 0.01, memory + probe) == "refuse"
    assert verdict(cpus, memory - 1) == "refuse"
