"""The checks' arithmetic, on made-up machines and on this one."""

from __future__ import annotations

import dataclasses
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from seatrial.errors import EnvironmentFault, ExitCode
from seatrial.machine.facts import Machine, probe_machine
from seatrial.plan.cases import compile_cases
from seatrial.plan.read import parse_plan, read_plan
from seatrial.preflight.checks import check_cases
from seatrial.preflight.descriptors import workers_needed
from seatrial.preflight.findings import Finding, require
from seatrial.preflight.load import check_needs
from seatrial.preflight.needs import Needs
from seatrial.preflight.ports import sources_needed
from seatrial.systems.traefik import TraefikOptions

PLANS = Path(__file__).parents[2] / "plans"

LARGE = Machine(
    nofile_soft=1 << 20, nofile_hard=1 << 20, nr_open=1 << 20, file_max=1 << 40, files_open=1000, port_low=32_768,
    port_high=60_999, port_window=True, somaxconn=65_535, syn_backlog=65_535, memory_available_bytes=64 * 10**9,
    memory_limit_bytes=None, tcp_mem_pages=(300_000, 400_000, 600_000), page_bytes=4096, cpus=16, cpu_quota_cores=None,
    conntrack_max=None, conntrack_count=None, listening=frozenset(), clocksource="tsc",
)  # fmt: skip
SMALL = dataclasses.replace(LARGE, nofile_soft=1024, nofile_hard=20_000)
ENVOY = Needs(held=100_000, active=600, rate_per_s=10_000, proxied=True, proxy_bytes_per_connection=8192)


def find(code: str, needs: Needs, machine: Machine) -> Finding:
    return next(finding for finding in check_needs(needs, machine) if finding.code == code)


def test_a_large_machine_takes_it_all():
    assert {finding.severity for finding in check_needs(ENVOY, LARGE)} == {"ok"}


RESTARTED = """
name: a
load: {{rate: 1k/s}}
phases: {{measure: 20 s}}
systems: [{system}]
during: [{during}]
"""


@pytest.mark.parametrize(
    ("system", "during", "severity", "said"),
    [
        ("nginx", "{at: 12 s, do: restart}", "ok", "takes up to 1 s, and at 20 s the measure phase ends"),
        ("traefik", "{at: 12 s, do: restart}", "ok", "takes up to SLOW s, and at 20 s the measure phase ends"),
        ("traefik", "{at: 14 s, do: restart}", "warn", "may not be seen"),
        ("traefik", "{at: 2 s, do: restart}, {at: 8 s, do: restart}", "warn", "at 8 s the next begins"),
        ("nginx: {proxies: 4}", "{at: 16 s, do: restart}", "warn", "up to 1 s for each of 4 proxies in turn"),
        ("nginx: {proxies: 4}", "{at: 16 s, do: restart, member: 1}", "ok", "takes up to 1 s"),
    ],
)  # fmt: skip
def test_a_restart_has_to_leave_some_of_the_measure_phase(system, during, severity, said):
    plan = parse_plan(RESTARTED.format(system=system, during=during), "a.yaml")
    (found,) = [one for one in check_cases(compile_cases(plan), LARGE) if one.code == "restart"]
    assert found.severity == severity
    assert said.replace("SLOW", f"{TraefikOptions.restart_s:g}") in found.text


def test_workers_split_by_the_descriptor_limit():
    assert workers_needed(1_000_000, SMALL) == 51
    finding = find("descriptors-workers", ENVOY, SMALL)
    assert finding.severity == "ok"
    assert "100000 held + 600 active connections over 20000 descriptors - 66 reserved" in finding.text
    assert finding.text.endswith("needed: 6")
    assert find("descriptors-workers", dataclasses.replace(ENVOY, workers=5), SMALL).severity == "refuse"


@pytest.mark.parametrize(
    ("capabilities", "missing"),
    [(0x1FFFFFFFFFF, ""), (0, "NET_ADMIN and SYS_ADMIN"), (1 << 12, "SYS_ADMIN"), (1 << 21, "NET_ADMIN"),
     (0x3000, "SYS_ADMIN")],
)  # fmt: skip
def test_namespaces_take_two_capabilities(capabilities: int, missing: str) -> None:
    machine = dataclasses.replace(LARGE, capabilities=capabilities)
    finding = find("namespaces", Needs(namespaces=True), machine)
    assert finding.severity == ("refuse" if missing else "ok")
    assert finding.text.endswith(f"it lacks {missing}" if missing else "of its own")
    assert "namespaces" not in {other.code for other in check_needs(Needs(), machine)}


def test_one_proxy_process_is_held_to_its_own_limit():
    finding = find("descriptors-proxy", ENVOY, SMALL)
    assert finding.severity == "refuse"
    assert "100000 held + 2 x 600 active" in finding.text
    assert "= 101456 descriptors, but its hard limit is 20000" in finding.text
    assert "worker_processes: 7`" in finding.remedy
    assert "19744 connections at most" in finding.remedy
    assert find("descriptors-proxy", dataclasses.replace(ENVOY, proxy_processes=7), SMALL).severity == "ok"


def test_without_a_proxy_the_origin_holds_the_connections():
    direct = dataclasses.replace(ENVOY, proxied=False)
    codes = {finding.code for finding in check_needs(direct, SMALL) if finding.severity == "refuse"}
    assert codes == {"descriptors-origin"}
    assert "`origin: {processes: 7}`" in find("descriptors-origin", direct, SMALL).remedy


def test_a_limit_above_nr_open_needs_the_kernel_first():
    machine = dataclasses.replace(SMALL, nr_open=50_000)
    assert find("descriptors-proxy", ENVOY, machine).remedy.startswith("sysctl -w fs.nr_open=101456, then")
    full = dataclasses.replace(LARGE, file_max=100_000)
    assert find("descriptors-machine", ENVOY, full).remedy == "sysctl -w fs.file-max=203400"


def test_source_addresses_come_from_the_port_range():
    kernel_chooses = dataclasses.replace(LARGE, port_window=False, port_low=1024, port_high=65_535)
    assert sources_needed(100_600, 1, kernel_chooses) == 4
    assert sources_needed(100_600, 4, kernel_chooses) == 1
    two = dataclasses.replace(ENVOY, sources=2)
    finding = find("ports", two, kernel_chooses)
    assert finding.severity == "refuse"
    assert "over 28000 ports" in finding.text
    assert finding.text.endswith("needed: 4, given: 2")
    assert find("ports", two, dataclasses.replace(kernel_chooses, port_window=True)).severity == "ok"


def test_elsewhere_than_loopback_there_is_one_address():
    remote = dataclasses.replace(ENVOY, loopback=False)
    assert find("ports", remote, LARGE).severity == "refuse"
    assert find("ports", ENVOY, LARGE).text.endswith("chosen automatically")


def test_the_proxy_has_one_way_to_the_origin():
    assert find("ports-upstream", dataclasses.replace(ENVOY, active=30_000), LARGE).severity == "refuse"


def test_memory_counts_the_second_pair_of_active_connections_only():
    text = find("memory", ENVOY, LARGE).text
    assert text.startswith("101200 pairs of sockets x 9600 B + 100600 connections x 8448 B")
    small = dataclasses.replace(LARGE, memory_available_bytes=10**9)
    assert find("memory", ENVOY, small).severity == "refuse"
    assert (
        find("memory", ENVOY, dataclasses.replace(LARGE, memory_available_bytes=2_200_000_000)).severity
        == "warn"
    )


def test_large_bodies_may_fill_tcp_memory():
    assert find("tcp-memory", dataclasses.replace(ENVOY, body_bytes=4 << 20), LARGE).severity == "warn"


def test_a_short_backlog_limits_the_connect_rate():
    short = dataclasses.replace(LARGE, somaxconn=128)
    finding = find("backlog", ENVOY, short)
    assert finding.severity == "warn"
    assert "takes 64 ms of connects at 2k/s" in finding.text
    assert "`connect_rate: 1280/s` at most" in finding.remedy


@pytest.mark.parametrize(
    ("listening", "asked", "severity"),
    [
        (("127.0.0.1", 8080), ("127.0.0.1", 8080), "refuse"),
        (("0.0.0.0", 8080), ("127.0.0.1", 8080), "refuse"),
        (("127.0.0.2", 8080), ("127.0.0.1", 8080), "ok"),
        (("127.0.0.2", 8080), ("127.0.0.1", 40_000), "warn"),
    ],
)
def test_listening_ports(listening, asked, severity):
    machine = dataclasses.replace(LARGE, listening=frozenset({listening}))
    assert find("listen", Needs(listen=(asked,)), machine).severity == severity


def test_connection_tracking_is_certain_only_beyond_loopback():
    tracked = dataclasses.replace(LARGE, conntrack_max=65_536, conntrack_count=10)
    assert find("conntrack", ENVOY, tracked).severity == "warn"
    assert (
        find("conntrack", dataclasses.replace(ENVOY, loopback=False, sources=9), tracked).severity == "refuse"
    )


def test_cores_quota_rate_and_clock():
    one = dataclasses.replace(LARGE, cpu_quota_cores=1.5, clocksource="hpet")
    assert find("cpu", ENVOY, one).text.startswith("1.5 cores (a quota of 1.5)")
    assert find("cpu", ENVOY, one).severity == "warn"
    assert find("cpu-rate", dataclasses.replace(ENVOY, rate_per_s=100_000), one).severity == "warn"
    assert find("clocksource", ENVOY, one).severity == "warn"


def test_every_refusal_is_raised_at_once():
    needs = dataclasses.replace(ENVOY, workers=1, sources=1)
    with pytest.raises(EnvironmentFault) as caught:
        require(check_needs(needs, SMALL))
    for code in ("descriptors-workers", "descriptors-proxy", "ports"):
        assert f"{code}: " in caught.value.what
    assert caught.value.what.count("remedy: ") == 3
    assert caught.value.exit_code == ExitCode.ENVIRONMENT
    require(check_needs(ENVOY, LARGE))


def test_a_plan_is_judged_by_its_worst_case():
    text = (PLANS / "macro" / "connections-x-rate.yaml").read_text()
    fleet, findings = (
        {finding.code: finding for finding in check_cases(compile_cases(parse_plan(words, "a.yaml")), SMALL)}
        for words in (text, text.replace("envoy: {proxies: 20}", "envoy"))
    )
    # Connections are dealt to a fleet in turns: the room for chance is for processes behind one port.
    assert fleet["descriptors-proxy"].severity == "ok"
    assert "uneven" not in fleet["descriptors-proxy"].text
    proxy = findings["descriptors-proxy"]
    assert proxy.severity == "refuse"
    assert proxy.text.startswith("9 of 9 cases, the largest envoy-connections=300000-rate=30000: ")
    assert findings["cpu"].text.startswith("16 cores")


def test_sources_of_a_plan_are_counted():
    text = "name: a\nsystems: [direct]\nload: {rate: 1k/s, connections: 100k, sources: [127.0.1.0/31, 127.0.2.1]}\n"
    plan = parse_plan(text + "phases: {measure: 1 s}\n", "a.yaml")
    ports = next(finding for finding in check_cases(compile_cases(plan), LARGE) if finding.code == "ports")
    assert ports.text.endswith("needed: 4, given: 3")


def test_the_quick_plan_fits_on_this_machine():
    findings = check_cases(compile_cases(read_plan(PLANS / "quick.yaml")), probe_machine())
    assert [finding for finding in findings if finding.severity == "refuse"] == []


def test_the_facts_of_this_machine():
    with socket.create_server(("127.0.0.1", 0)) as server:
        machine = probe_machine()
        assert server.getsockname() in machine.listening
    assert 0 < machine.nofile_soft <= machine.nofile_hard
    assert 0 < machine.cores <= machine.cpus
    assert machine.memory_available_bytes > 0
    assert 0 < machine.port_low < machine.port_high < 65_536
    assert machine.file_max > machine.files_open > 0


def test_checking_a_load_imports_no_models():
    program = "import sys, seatrial.preflight.load, seatrial.preflight.needs, seatrial.machine.facts\n"
    program += "sys.exit(bool({'pydantic', 'pydantic_core', 'yaml', 'numpy'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0


def test_each_proxy_keeps_a_connection_to_each_service_and_the_origin_listens_on_every_endpoint():
    text = """
name: a
systems: [envoy: {proxies: 4, concurrency: 2}]
topology: {routes: 3000, endpoints: 2}
origin: {processes: PROCESSES}
load: {rate: 1k/s, active: 600}
phases: {measure: 1 s}
"""
    machine = dataclasses.replace(LARGE, nofile_hard=20_000)

    def found(processes: int):
        plan = parse_plan(text.replace("PROCESSES", str(processes)), "a.yaml")
        return {finding.code: finding for finding in check_cases(compile_cases(plan), machine)}

    # 3,000 services x 4 proxies x 2 threads = 24,000 connections are kept, beside the 600.
    origin = found(1)["descriptors-origin"]
    assert origin.severity == "refuse"
    assert "600 active + 24000 kept to the services + 6255 reserved = 30855 descriptors" in origin.text
    assert "`origin: {processes: 3}`" in origin.remedy
    assert found(3)["descriptors-origin"].severity == "ok"
    assert "2 x 600 active (each goes on to the origin) + 24000 kept" in found(3)["descriptors-proxy"].text
