"""Time throttled by the quotas of a process's groups, from made-up file trees of both versions."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from seatrial.machine.throttling import cpu_stat_files, throttled_s

if TYPE_CHECKING:
    from pathlib import Path

V1_MOUNT = "/sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct"
V2_MOUNT = "/sys/fs/cgroup rw - cgroup2 cgroup2 rw"


def write(root: Path, cgroup: str, mount: str, stats: dict[str, str]) -> None:
    files = {"proc/7/cgroup": cgroup, "proc/self/mountinfo": f"31 23 0:28 / {mount}\n"}
    for name, content in {**files, **{f"sys/fs/cgroup/{name}": text for name, text in stats.items()}}.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)


def test_version_2_counts_a_quota_that_is_above_the_own_group(tmp_path: Path) -> None:
    stats = {
        # The root has no quota, and its file no such field.
        "cpu.stat": "usage_usec 5\n",
        "pods/cpu.stat": "throttled_usec 2500000\n",
        "pods/other/cpu.stat": "throttled_usec 900000000\n",
        "pods/mine/cpu.stat": "throttled_usec 500000\n",
        "pods/mine/below/cpu.stat": "throttled_usec 900000000\n",
    }
    write(tmp_path, "0::/pods/mine\n", V2_MOUNT, stats)
    assert throttled_s(cpu_stat_files(7, tmp_path)) == pytest.approx(3.0)


def test_version_1_counts_a_quota_that_is_above_the_own_group(tmp_path: Path) -> None:
    stats = {
        "cpu,cpuacct/cpu.stat": "throttled_time 0\n",
        "cpu,cpuacct/pods/cpu.stat": "throttled_time 2500000000\n",
        "cpu,cpuacct/pods/mine/cpu.stat": "throttled_time 0\n",
    }
    write(tmp_path, "4:memory:/x\n2:cpu,cpuacct:/pods/mine\n0::/\n", V1_MOUNT, stats)
    assert throttled_s(cpu_stat_files(7, tmp_path)) == pytest.approx(2.5)


def test_a_group_that_grows_shows_beside_one_that_was_throttled_for_longer_before(tmp_path: Path) -> None:
    stats = {"pods/cpu.stat": "throttled_usec 60000000\n", "pods/mine/cpu.stat": "throttled_usec 0\n"}
    write(tmp_path, "0::/pods/mine\n", V2_MOUNT, stats)
    files = cpu_stat_files(7, tmp_path)
    before_s = throttled_s(files)
    (tmp_path / "sys/fs/cgroup/pods/mine/cpu.stat").write_text("throttled_usec 4000000\n")
    after_s = throttled_s(files)
    assert before_s is not None
    assert after_s is not None
    assert after_s - before_s == pytest.approx(4.0)


def test_a_container_whose_group_is_mounted_as_the_root_counts_that(tmp_path: Path) -> None:
    stats = {"cpu,cpuacct/cpu.stat": "throttled_time 1500000000\n"}
    write(tmp_path, "2:cpu,cpuacct:/docker/abc\n", V1_MOUNT, stats)
    assert throttled_s(cpu_stat_files(7, tmp_path)) == pytest.approx(1.5)


def test_a_hierarchy_that_is_mounted_twice_counts_once(tmp_path: Path) -> None:
    write(tmp_path, "0::/\n", V2_MOUNT, {"cpu.stat": "throttled_usec 2000000\n"})
    (tmp_path / "host").symlink_to(tmp_path / "sys/fs/cgroup")
    with (tmp_path / "proc/self/mountinfo").open("a") as file:
        file.write("32 23 0:28 / /host rw - cgroup2 cgroup2 rw\n")
    assert throttled_s(cpu_stat_files(7, tmp_path)) == pytest.approx(2.0)


def test_where_nothing_is_mounted_nothing_is_known(tmp_path: Path) -> None:
    assert cpu_stat_files(7, tmp_path) == ()
    assert throttled_s(()) is None
