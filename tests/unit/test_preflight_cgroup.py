"""Control group limits, from made-up file trees of both versions."""

from __future__ import annotations

from typing import TYPE_CHECKING

from seatrial.machine.cgroup import CgroupLimits, read_cgroup_limits

if TYPE_CHECKING:
    from pathlib import Path

MIB = 1 << 20


def write(root: Path, files: dict[str, str]) -> None:
    for name, content in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)


def test_version_2_takes_the_tightest_on_the_way_up(tmp_path):
    write(
        tmp_path,
        {
            "proc/self/cgroup": "0::/pods/mine\n",
            "proc/self/mountinfo": "31 23 0:28 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n",
            "sys/fs/cgroup/pods/mine/cpu.max": "max 100000\n",
            "sys/fs/cgroup/pods/mine/memory.max": f"{512 * MIB}\n",
            "sys/fs/cgroup/pods/mine/memory.current": f"{200 * MIB}\n",
            "sys/fs/cgroup/pods/mine/memory.stat": f"anon 5\ninactive_file {100 * MIB}\n",
            "sys/fs/cgroup/pods/cpu.max": "150000 100000\n",
            "sys/fs/cgroup/pods/memory.max": "max\n",
        },
    )
    assert read_cgroup_limits(tmp_path) == CgroupLimits(1.5, 512 * MIB, 412 * MIB)


def test_version_1_inside_a_container_has_its_group_mounted_as_the_root(tmp_path):
    write(
        tmp_path,
        {
            "proc/self/cgroup": "4:memory:/docker/abc\n2:cpu,cpuacct:/docker/abc\n0::/\n",
            "proc/self/mountinfo": (
                "32 31 0:30 / /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct\n"
                "35 31 0:32 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n"
            ),
            "sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us": "50000\n",
            "sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us": "100000\n",
            "sys/fs/cgroup/memory/memory.limit_in_bytes": f"{64 * MIB}\n",
            "sys/fs/cgroup/memory/memory.usage_in_bytes": f"{16 * MIB}\n",
        },
    )
    assert read_cgroup_limits(tmp_path) == CgroupLimits(0.5, 64 * MIB, 48 * MIB)


def test_no_limit_is_none(tmp_path):
    write(
        tmp_path,
        {
            "proc/self/cgroup": "4:memory:/\n2:cpu:/\n",
            "proc/self/mountinfo": (
                "32 31 0:30 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu\n"
                "35 31 0:32 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n"
            ),
            "sys/fs/cgroup/cpu/cpu.cfs_quota_us": "-1\n",
            "sys/fs/cgroup/cpu/cpu.cfs_period_us": "100000\n",
            "sys/fs/cgroup/memory/memory.limit_in_bytes": "9223372036854771712\n",
        },
    )
    assert read_cgroup_limits(tmp_path) == CgroupLimits()
    assert read_cgroup_limits(tmp_path / "nowhere") == CgroupLimits()
