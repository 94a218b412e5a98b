"""The samplers against real processes and the real /proc."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
import sys
from contextlib import suppress
from typing import TYPE_CHECKING

import psutil
import pytest
from tests.support.members import processes_of
from tests.support.systems import single

from seatrial.machine import proc
from seatrial.machine import throttling as cgroup
from seatrial.machine.address import Endpoint
from seatrial.machine.members import Member
from seatrial.machine.place import ThisMachine
from seatrial.machine.proc import ProcessRef
from seatrial.observe import processes
from seatrial.observe.host import HostSampler
from seatrial.observe.network import NetworkSampler
from seatrial.observe.sampler import Sampler
from seatrial.observe.samples import HostSample, ProcessGone, ProcessSample, Sample, SystemSample
from seatrial.observe.system import COUNTED_BY_KERNEL
from seatrial.systems.base import Launch
from seatrial.systems.direct import DirectSystem
from seatrial.systems.envoy.system import EnvoyOptions

if TYPE_CHECKING:
    from pathlib import Path

BURN = """
import time
ballast = bytearray(32 << 20)
files = [open("/dev/null") for _ in range(50)]
end = time.process_time() + 0.5
while time.process_time() < end: pass
print("done", flush=True)
time.sleep(300)
"""


def member(pid: int, role="system", name="it") -> Member:
    found = Member.alone(role, name, pid)
    assert found is not None
    return found


@pytest.fixture
def burner():
    with subprocess.Popen([sys.executable, "-c", BURN], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "done\n"
        yield process
        process.kill()


def test_a_process_is_measured_as_psutil_measures_it(burner) -> None:
    (sample,) = processes.ProcessSampler().sample([member(burner.pid)], 1.0)
    assert isinstance(sample, ProcessSample)
    oracle = psutil.Process(burner.pid)
    times = oracle.cpu_times()
    assert sample.cpu_user_s + sample.cpu_system_s >= 0.45
    assert sample.cpu_user_s == pytest.approx(times.user, abs=0.03)
    assert sample.cpu_system_s == pytest.approx(times.system, abs=0.03)
    assert sample.rss_bytes == pytest.approx(oracle.memory_info().rss, rel=0.05)
    assert sample.pss_bytes == pytest.approx(oracle.memory_full_info().pss, rel=0.05)
    assert sample.fds == oracle.num_fds()
    assert sample.fds >= 53
    assert sample.threads == 1


def test_a_process_that_goes_away_is_reported_once(burner) -> None:
    sampler = processes.ProcessSampler()
    members = [member(burner.pid), member(os.getpid(), "seatrial", "seatrial")]
    assert len(sampler.sample(members, 1.0)) == 2
    burner.kill()
    burner.wait()
    second = sampler.sample(members, 2.0)
    assert [sample for sample in second if isinstance(sample, ProcessGone)] == [
        ProcessGone(2.0, "system", "it", members[0].processes[0])
    ]
    assert len(second) == 2
    assert len(sampler.sample(members, 3.0)) == 1


def test_a_process_whose_owner_has_dropped_it_is_reported_too(burner) -> None:
    sampler = processes.ProcessSampler()
    watched = member(burner.pid)
    sampler.sample([watched], 1.0)
    burner.kill()
    burner.wait()
    assert sampler.sample([], 2.0) == [ProcessGone(2.0, "system", "it", watched.processes[0])]


def test_a_live_process_that_is_no_longer_asked_for_is_forgotten(burner) -> None:
    sampler = processes.ProcessSampler()
    sampler.sample([member(burner.pid)], 1.0)
    assert sampler.sample([], 2.0) == []


def test_another_process_with_the_same_id_is_not_taken_for_it(burner) -> None:
    (real,) = member(burner.pid).processes
    earlier = ProcessRef(real.name, real.pid, real.started_ticks - 1)
    assert earlier.incarnation != real.incarnation
    assert processes.ProcessSampler().sample([Member("system", "it", (earlier,))], 1.0) == []


def test_a_member_of_several_processes_is_looked_at_process_by_process(burner) -> None:
    own, other = member(os.getpid()).processes[0], member(burner.pid).processes[0]
    found = processes.ProcessSampler().sample([Member("system", "it", (own, other))], 1.0)
    assert [sample.key for sample in found if isinstance(sample, ProcessSample)] == [
        ("system", "it", own.incarnation),
        ("system", "it", other.incarnation),
    ]


def test_the_pss_of_a_large_process_is_taken_seldom(burner, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processes, "PSS_LARGE_BYTES", 1 << 20)
    sampler = processes.ProcessSampler()
    seen = [sampler.sample([member(burner.pid)], float(look))[0] for look in range(21)]
    taken = [
        look for look, sample in enumerate(seen) if isinstance(sample, ProcessSample) and sample.pss_bytes
    ]
    assert taken == [0, 10, 20]


def test_the_machine_is_measured_as_psutil_measures_it() -> None:
    values = HostSampler().sample(1.0).values
    assert values["cpu_idle_s"] == pytest.approx(psutil.cpu_times().idle, abs=2.0)
    assert values["cpu_busy_s"] > 0
    assert values["memory_available_bytes"] == pytest.approx(psutil.virtual_memory().available, rel=0.1)
    assert {
        "cpu_steal_s",
        "cpu_softirq_s",
        "softnet_processed",
        "softnet_squeezes",
        "oom_kills",
    } <= values.keys()
    (network,) = NetworkSampler().sample([member(os.getpid())], 1.0)
    expected = {"tcp_in_use", "tcp_time_wait", "tcp_retransmitted_segments", "tcp_memory_bytes"}
    expected |= {"tcp_listen_overflows", "tcp_listen_drops", "tcp_timeouts", "tcp_syn_retransmits"}
    assert expected <= network.values.keys()
    counted = psutil.net_io_counters(pernic=True)["lo"]
    assert network.interfaces["lo"].sent_bytes == pytest.approx(counted.bytes_sent, rel=0.01)
    assert network.interfaces["lo"].received_drops == counted.dropin


def test_threads_are_asked_for_their_switches_as_psutil_asks_them(burner) -> None:
    before = psutil.Process(burner.pid).num_ctx_switches()
    (sample,) = processes.ProcessSampler().sample([member(burner.pid)], 1.0, threads=True)
    after = psutil.Process(burner.pid).num_ctx_switches()
    assert isinstance(sample, ProcessSample)
    assert sample.voluntary_switches is not None
    assert sample.involuntary_switches is not None
    # It goes on running meanwhile.
    assert before.voluntary <= sample.voluntary_switches <= after.voluntary
    assert before.involuntary <= sample.involuntary_switches <= after.involuntary
    assert sample.cpu_wait_s is not None
    assert sample.cpu_wait_s >= 0


def test_the_switches_of_all_threads_are_counted() -> None:
    # The first thread only waits for the others, of which each sleeps 50 times.
    script = """
import threading, time
def nap():
    for _ in range(50): time.sleep(0.001)
    done.release()
    time.sleep(300)
done = threading.Semaphore(0)
for _ in range(5): threading.Thread(target=nap, daemon=True).start()
for _ in range(5): done.acquire()
print("done", flush=True)
time.sleep(300)
"""
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "done\n"
        found = proc.scheduling(process.pid)
        assert found is not None
        assert found.voluntary_switches >= 5 * 50
        process.kill()
    assert proc.scheduling(process.pid) is None


@pytest.mark.parametrize(
    ("text", "expected_s"),
    [
        ("usage_usec 5\nnr_periods 3\nthrottled_usec 2500000\n", 2.5),
        ("nr_periods 3\nnr_throttled 1\nthrottled_time 1500000000\n", 1.5),
        ("usage_usec 5\n", None),
        ("nonsense", None),
    ],
)
def test_throttling_is_read_from_both_versions(tmp_path: Path, text: str, expected_s: float | None) -> None:
    file = tmp_path / "cpu.stat"
    file.write_text(text)
    assert cgroup.throttled_s([file]) == expected_s


def test_throttling_of_this_process_is_known_where_the_kernel_counts_it() -> None:
    assert (cgroup.throttled_s(cgroup.cpu_stat_files(os.getpid())) or 0.0) >= 0.0


async def run_for(sampler: Sampler, seconds: float) -> None:
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await sampler.run()


def test_the_sampler_looks_at_everything_every_interval(tmp_path: Path) -> None:
    seen: list[Sample] = []

    async def trial() -> None:
        with socket.create_server(("127.0.0.1", 0)) as listener:
            upstream = Endpoint("127.0.0.1", listener.getsockname()[1])
            system = DirectSystem()
            await system.start(Launch(tmp_path, tmp_path, single((upstream,)), 10, ThisMachine(), "direct"))
            with socket.create_connection((upstream.host, upstream.port)):
                sampler = Sampler(
                    seen.append, lambda: [member(os.getpid())], lambda: {"direct": system}, interval_s=0.05
                )
                await run_for(sampler, 1.0)
                assert sampler.cost().looks == len([s for s in seen if isinstance(s, HostSample)])

    asyncio.run(trial())
    for kind in (ProcessSample, HostSample, SystemSample):
        assert 3 <= len([sample for sample in seen if isinstance(sample, kind)]) <= 21
    systems = [sample for sample in seen if isinstance(sample, SystemSample)]
    assert systems[0].system == "direct"
    assert systems[0].values == {"active": 1.0, "connections_active": 1.0, COUNTED_BY_KERNEL: 1.0}


def test_a_system_that_does_not_answer_does_not_stop_the_sampler() -> None:
    seen: list[Sample] = []
    never_started = EnvoyOptions().create()
    sampler = Sampler(seen.append, list, lambda: {"envoy": never_started}, interval_s=0.05)
    asyncio.run(run_for(sampler, 0.5))
    assert len([sample for sample in seen if isinstance(sample, HostSample)]) >= 2
    assert not [sample for sample in seen if isinstance(sample, SystemSample)]


def test_what_the_record_raises_comes_out_as_it_is() -> None:
    def full(_: Sample) -> None:
        raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space left"):
        asyncio.run(Sampler(full, list).run())


def test_a_frozen_proxy_does_not_hold_up_the_samples_of_its_processes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("seatrial.systems.local.proxy.STOP_LIMIT_S", 0.5)
    seen: list[Sample] = []

    async def trial() -> None:
        system = EnvoyOptions().create()
        upstream = Endpoint("127.0.0.1", 9)
        await system.start(Launch(tmp_path, tmp_path, single((upstream,)), 10, ThisMachine(), "envoy"))
        try:
            os.kill(processes_of(system)[0].pid, signal.SIGSTOP)
            await run_for(
                Sampler(seen.append, system.members, lambda: {"envoy": system}, interval_s=0.1), 1.5
            )
        finally:
            await system.stop()

    asyncio.run(trial())
    assert len([sample for sample in seen if isinstance(sample, ProcessSample)]) >= 3
    assert not [sample for sample in seen if isinstance(sample, SystemSample)]


def test_looking_costs_little() -> None:
    members = [member(os.getpid(), name=f"process {number}") for number in range(20)]
    sampler = Sampler(lambda _: None, lambda: members)

    # Those of every second, not the closer ones before the ramp and after the hold, which walk every page.
    for _ in range(20):
        sampler.look_here()
    # Once a second: the CPU seconds of a look are the fraction of a core. The bound is for loaded machines.
    assert sampler.cost().cpu_s / 20 < 0.05
