"""What the samplers read from the kernel, from files of several kernels and from made messages."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from seatrial.machine.counters.network import conntrack, interfaces, sockets, tcp_values
from seatrial.observe.host import HostSampler
from seatrial.observe.kernel_log import KINDS, KernelLog, message_of
from seatrial.observe.pressure import pressure
from seatrial.observe.samples import Interface, KernelMessage

KERNELS = Path(__file__).parent / "kernels"
PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")


def proc(version: str) -> Path:
    return KERNELS / f"linux-{version}" / "proc"


@pytest.mark.parametrize(
    ("version", "expected"),
    [
        # Read with awk from the files, column by name.
        ("6.18", {"tcp_listen_overflows": 852_391, "tcp_syncookies_sent": 752, "tcp_memory_pressures": 0}),
        ("4.4", {"tcp_listen_overflows": 41, "tcp_listen_drops": 43, "tcp_syncookies_sent": 17,
                 "tcp_memory_pressures": 6, "tcp_aborts_for_memory": 2, "tcp_time_wait_overflows": 4}),
        ("3.10", {"tcp_listen_overflows": 5, "tcp_listen_drops": 6, "tcp_timeouts": 9, "tcp_memory_pressures": 0}),
    ],
)  # fmt: skip
def test_tcp_counters_are_found_by_name_whatever_the_kernel_lists(
    version: str, expected: dict[str, int]
) -> None:
    values = tcp_values(proc(version) / "net")
    assert {name: values[name] for name in expected} == expected


def test_what_a_kernel_does_not_count_is_absent_and_not_zero() -> None:
    old, new = (tcp_values(proc(version) / "net") for version in ("3.10", "6.18"))
    assert "tcp_memory_pressure_ms" not in old
    assert new["tcp_memory_pressure_ms"] == 0
    assert tcp_values(Path("/nowhere")) == {}


def test_snmp_has_discards_and_segments() -> None:
    values = tcp_values(proc("4.4") / "net")
    expected = {
        "ip_received_discards": 1, "ip_sent_discards": 3, "tcp_active_opens": 9_301, "tcp_passive_opens": 9_120,
        "tcp_failed_attempts": 12, "tcp_connection_resets": 88, "tcp_established": 26,
        "tcp_received_segments": 2_100_112, "tcp_sent_segments": 2_099_004, "tcp_retransmitted_segments": 91,
        "tcp_sent_resets": 133,
    }  # fmt: skip
    assert expected.items() <= values.items()


def test_sockets_memory_is_in_bytes() -> None:
    values = sockets(proc("4.4") / "net")
    expected = {"sockets_used": 312, "tcp_in_use": 29, "tcp_orphans": 1, "tcp_time_wait": 14}
    assert values == {**expected, "tcp_memory_bytes": 9 * PAGE_BYTES}


def test_packets_are_summed_over_cpus_and_are_hexadecimal() -> None:
    values = HostSampler(KERNELS / "linux-4.4").sample(1.0).values
    assert values["softnet_processed"] == 0xA1F0 + 0x8010
    assert (values["softnet_drops"], values["softnet_squeezes"]) == (12, 32)
    old = HostSampler(KERNELS / "linux-3.10").sample(1.0).values
    assert (old["softnet_processed"], old["softnet_squeezes"]) == (4_096, 1)


def test_kills_and_pressure_are_absent_where_the_kernel_does_not_know_them() -> None:
    new, old = (HostSampler(KERNELS / f"linux-{version}").sample(1.0).values for version in ("6.18", "4.4"))
    assert new["oom_kills"] == 0
    assert not [name for name in old if "oom" in name or "pressure" in name]
    assert new["cpu_pressure_some_s"] == pytest.approx(24_771.16548)
    assert new["cpu_pressure_full_s"] == 0
    assert pressure(proc("4.4")) == {}
    assert "memory_available_bytes" not in HostSampler(KERNELS / "linux-3.10").sample(1.0).values


def test_tracked_connections_are_no_sum_and_drops_are_one() -> None:
    # Each CPU's line repeats the number of entries.
    assert conntrack(proc("4.4") / "net") == {
        "conntrack_entries": 410, "conntrack_drops": 7, "conntrack_early_drops": 1, "conntrack_insert_failures": 2,
    }  # fmt: skip
    assert set(conntrack(proc("6.18") / "net").values()) == {0}
    assert conntrack(proc("3.10") / "net") == {}


def test_interfaces_that_carry_nothing_are_left_out() -> None:
    found = interfaces(proc("4.4") / "net", None)
    assert found == {
        "lo": Interface(8_120_411, 9_021, 0, 0, 8_120_411, 9_021, 0, 0),
        "eth0": Interface(711_001_230, 2_091_120, 2, 7, 793_012_200, 2_090_011, 1, 3),
    }


def test_the_speed_of_an_interface_is_in_bits(tmp_path: Path) -> None:
    (tmp_path / "eth0").mkdir()
    (tmp_path / "eth0/speed").write_text("10000\n")
    (tmp_path / "lo").mkdir()
    (tmp_path / "lo/speed").write_text("-1\n")
    found = interfaces(proc("4.4") / "net", tmp_path)
    assert (found["eth0"][-1], found["lo"][-1]) == (10**10, 0)


def test_the_busiest_cpu_shows_beside_an_idle_one(tmp_path: Path) -> None:
    def stat(*softirqs: int) -> None:
        (tmp_path / "proc").mkdir(exist_ok=True)
        lines = [f"cpu{index} 0 0 0 0 0 0 {ticks} 0 0 0" for index, ticks in enumerate(softirqs)]
        text = "\n".join([f"cpu  0 0 0 0 0 0 {sum(softirqs)} 0 0 0", *lines])
        (tmp_path / "proc/stat").write_text(f"{text}\n")

    stat(1_000, 7)
    sampler = HostSampler(tmp_path)
    assert "softirq_busiest" not in sampler.sample(10.0).values
    stat(1_095, 8)
    # 0.95 s of a second: the mean of both CPUs would be 48 %.
    assert sampler.sample(11.0).values["softirq_busiest"] == 0.95
    stat(1_096, 8)
    # One tick in 5 ms would be two CPUs; the last that is known stands.
    assert sampler.sample(11.005).values["softirq_busiest"] == 0.95


def test_kills_are_those_of_the_own_groups_where_the_machine_does_not_tell(tmp_path: Path) -> None:
    for name, text in {
        "proc/self/cgroup": "4:memory:/pods/mine\n",
        "proc/self/mountinfo": "31 23 0:28 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n",
        "sys/fs/cgroup/memory/memory.oom_control": "oom_kill_disable 0\nunder_oom 0\noom_kill 1\n",
        "sys/fs/cgroup/memory/pods/memory.oom_control": "oom_kill_disable 0\nunder_oom 0\noom_kill 2\n",
        "sys/fs/cgroup/memory/pods/mine/memory.oom_control": "oom_kill_disable 0\nunder_oom 0\noom_kill 3\n",
        "proc/stat": "cpu  0 0 0 0\n",
    }.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    values = HostSampler(tmp_path).sample(1.0).values
    assert values["group_oom_kills"] == 3
    assert "oom_kills" not in values


# As the kernel says them: from the sources of the versions that they are of, and from the log of this machine.
SAID = {
    "TCP: request_sock_TCP: Possible SYN flooding on port 127.0.0.1:8080. Sending cookies.": "syn_flood",
    "TCP: request_sock_TCP: Possible SYN flooding on port 80. Dropping request.  Check SNMP counters.": "syn_flood",
    "nf_conntrack: nf_conntrack: table full, dropping packet": "conntrack_full",
    "nf_conntrack: table full, dropping packet": "conntrack_full",
    "TCP: out of memory -- consider tuning tcp_mem": "tcp_memory",
    "TCP: too many orphaned sockets": "tcp_memory",
    "Out of memory: Killed process 4242 (envoy) total-vm:1kB, anon-rss:1kB": "oom_kill",
    "Out of memory: Kill process 4242 (envoy) score 900 or sacrifice child": "oom_kill",
    "Memory cgroup out of memory: Killed process 7 (nginx) total-vm:1kB": "oom_kill",
    "oom-kill:constraint=CONSTRAINT_MEMCG,nodemask=(null),task=nginx,pid=7,uid=0": "oom_kill",
    "neighbour: arp_cache: neighbor table overflow!": "neighbours_full",
    "VFS: file-max limit 100000 reached": "files_full",
    "envoy: page allocation failure: order:4, mode:0x40dc0(GFP_KERNEL)": "allocation_failed",
    "NETDEV WATCHDOG: eth0 (ixgbe): transmit queue 3 timed out": "link",
    "mlx5_core 0000:03:00.0 eth1: Link is Down": "link",
    "watchdog: BUG: soft lockup - CPU#1 stuck for 23s! [envoy:4242]": "stuck",
    "rcu: INFO: rcu_preempt detected stalls on CPUs/tasks:": "stuck",
    "rcu: INFO: rcu_sched self-detected stall on CPU": "stuck",
    "INFO: task jbd2/vda-8:210 blocked for more than 120 seconds.": "stuck",
    "sched: RT throttling activated": "real_time_throttled",
    "clocksource: timekeeping watchdog on CPU0: Marking clocksource 'tsc' as unstable": "clock",
    "mce: CPU3: Core temperature above threshold, cpu clock throttled (total events = 1)": "hardware",
    "I/O error, dev vda, sector 2048 op 0x1:(WRITE) flags 0x800": "hardware",
    "EXT4-fs error (device vda): ext4_find_entry:1455: inode #2: comm python": "hardware",
    "BUG: unable to handle page fault for address: 0000000000001000": "bug",
}
UNSAID = (
    # Of a virtual machine that took its time once: it says microseconds.
    "hrtimer: interrupt took 14367 ns",
    "eth0: renamed from veth1a2b3c",
    "idle-reclaim (89): drop_caches: 1",
    "docker0: port 1(veth1) entered blocking state",
    "IPv6: ADDRCONF(NETDEV_CHANGE): veth0: link becomes ready",
    "random: crng init done",
    'audit: type=1400 audit(1.2:3): apparmor="STATUS" operation="profile_load"',
)  # fmt: skip


@pytest.mark.parametrize(("text", "kind"), SAID.items())
def test_what_matters_is_told_by_kind(text: str, kind: str) -> None:
    assert message_of(f"4,1234,5000000,-;{text}", 1.0, 9.0) == KernelMessage(5.0, kind, text)


def test_every_kind_has_a_message_here() -> None:
    assert set(SAID.values()) == KINDS.keys()


@pytest.mark.parametrize("text", UNSAID)
def test_what_does_not_matter_is_not_told(text: str) -> None:
    assert message_of(f"6,1234,5000000,-;{text}", 1.0, 9.0) is None


@pytest.mark.parametrize("record", ["", "garbage", " SUBSYSTEM=block", "4,1;nf_conntrack: table full", ";"])
def test_what_is_no_record_is_not_told(record: str) -> None:
    assert message_of(record, 1.0, 9.0) is None


@pytest.mark.parametrize(("stamp", "at_s"), [("5000000", 5.0), ("100", 1.0), ("99000000", 9.0), ("x", 9.0)])
def test_a_message_was_said_between_two_looks_whatever_its_clock_says(stamp: str, at_s: float) -> None:
    message = message_of(f"4,1234,{stamp},-;nf_conntrack: table full", 1.0, 9.0)
    assert message is not None
    assert message.at_s == at_s


def test_a_log_is_followed_from_where_it_was_opened(tmp_path: Path) -> None:
    kmsg = tmp_path / "kmsg"
    kmsg.write_text("4,1,1000000,-;nf_conntrack: table full, dropping packet\n")
    log = KernelLog(kmsg)
    assert log.read(2.0) == []
    with kmsg.open("a") as said:
        said.write("6,2,2500000,-;eth0: renamed from veth1\n")
        said.write(
            "4,3,2600000,-;TCP: out of memory -- consider tuning tcp_mem\n SUBSYSTEM=net\n DEVICE=n3\n"
        )
    assert log.read(3.0) == [
        KernelMessage(2.6, "tcp_memory", "TCP: out of memory -- consider tuning tcp_mem")
    ]
    assert log.read(4.0) == []
    log.close()
    assert log.read(5.0) == []
    assert log.unreadable is None


def test_a_log_that_cannot_be_read_says_why(tmp_path: Path) -> None:
    log = KernelLog(tmp_path / "kmsg")
    assert log.unreadable == f"{tmp_path}/kmsg: No such file or directory"
    assert log.read(1.0) == []


def test_messages_that_were_overwritten_are_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "kmsg").touch()
    log = KernelLog(tmp_path / "kmsg")
    answers: list[bytes | OSError] = [
        BrokenPipeError(32, "Broken pipe"),
        b"4,9,1000000,-;nf_conntrack: table full\n",
        BlockingIOError(11, "again"),
    ]

    def read(_descriptor: int, _size: int) -> bytes:
        answer = answers.pop(0)
        if isinstance(answer, OSError):
            raise answer
        return answer

    monkeypatch.setattr(os, "read", read)
    assert [message.kind for message in log.read(2.0)] == ["conntrack_full"]
    assert log.lost == 1
