"""What the numbers were measured on: enough that a stranger can say why they differ from his own."""

from __future__ import annotations

import hashlib
import os
import platform
import resource
from pathlib import Path
from typing import TYPE_CHECKING, Any

from seatrial._version import __version__
from seatrial.machine.cpus.layout import read_layout
from seatrial.machine.cpus.lists import format_cpus
from seatrial.machine.settings import format_values

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from seatrial.machine.processes.programs import BinaryInfo
    from seatrial.probe.facts import Facts

# The settings that decide how many connections and ports there are, how listen queues fill and how buffers
# grow.
SYSCTLS = (
    "fs.file-max",
    "fs.nr_open",
    "net.core.netdev_max_backlog",
    "net.core.rmem_max",
    "net.core.somaxconn",
    "net.core.wmem_max",
    "net.ipv4.ip_local_port_range",
    "net.ipv4.ip_local_reserved_ports",
    "net.ipv4.tcp_fin_timeout",
    "net.ipv4.tcp_max_syn_backlog",
    "net.ipv4.tcp_mem",
    "net.ipv4.tcp_rmem",
    "net.ipv4.tcp_syncookies",
    "net.ipv4.tcp_tw_reuse",
    "net.ipv4.tcp_wmem",
    "net.netfilter.nf_conntrack_max",
    "vm.overcommit_memory",
)
_LIMITS = {
    "open_files": resource.RLIMIT_NOFILE,
    "processes": resource.RLIMIT_NPROC,
    "locked_memory_bytes": resource.RLIMIT_MEMLOCK,
}
_CGROUP_FILES = ("cpu.max", "cpu.weight", "memory.max", "memory.high", "pids.max")
LOAD_NODE = "load node"
"""Where a description has what a probe has read of a node of the load, which is known after the rest."""
_CLOCKSOURCE = "/sys/devices/system/clocksource/clocksource0/current_clocksource"


def describe(binaries: Mapping[str, BinaryInfo]) -> dict[str, Any]:
    """Return the environment as a JSON-ready document; what cannot be read is None, never an error.

    ``binaries`` are the programs of the run by name: path, version and sha256 go into the document.
    """
    return {
        "host": platform.node(),
        "kernel": f"{platform.system()} {platform.release()} {platform.version()}",
        "machine": platform.machine(),
        "distribution": _distribution(),
        "virtualisation": _virtualisation(),
        "clocksource": _read(Path(_CLOCKSOURCE)),
        "cpu": _cpu(),
        "memory": _memory(),
        "limits": {name: _limit(which) for name, which in _LIMITS.items()},
        "cgroup": _cgroup(),
        "sysctls": {name: _sysctl(name) for name in SYSCTLS},
        "seatrial": _seatrial(),
        "binaries": {
            name: {"path": str(binary.path), "version": binary.version, "sha256": binary.sha256}
            for name, binary in binaries.items()
        },
    }


def node_described(facts: Facts) -> dict[str, Any]:
    """Return what pods of ours find on a node, but for what is another at any moment."""
    machine = facts.machine
    return {
        "kernel": facts.kernel,
        "clocksource": machine.clocksource,
        "cpus": machine.cpus,
        "limits": {"open_files": {"soft": machine.nofile_soft, "hard": machine.nofile_hard}},
        "sysctls": {
            name: None if values is None else format_values(values) for name, values in facts.settings.items()
        },
    }


def sha256_of(path: Path) -> str | None:
    """Return the SHA-256 of a file in hex, or None where it cannot be read."""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError:
        return None


def _seatrial() -> dict[str, Any]:
    # The engine lies beside the package; its hash distinguishes two builds of one version.
    engines = sorted(Path(__file__).parents[1].glob("_engine*.so"))
    return {
        "version": __version__,
        "engine_sha256": sha256_of(engines[0]) if engines else None,
        "python": platform.python_version(),
    }


def _cpu() -> dict[str, Any]:
    info, layout = (_read(Path("/proc/cpuinfo")) or "").splitlines(), read_layout()
    return {
        "model": _field(info, "model name") or _field(info, "Model") or platform.processor() or None,
        "online": os.cpu_count(),
        "usable": len(layout.allowed),
        "allowed": format_cpus(layout.allowed),
        "cores": [format_cpus(core) for core in layout.cores],
        "governor": _read(Path("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor")),
        "mitigations": _read(Path("/sys/devices/system/cpu/vulnerabilities/spectre_v2")),
    }


def _memory() -> dict[str, int | None]:
    lines = (_read(Path("/proc/meminfo")) or "").splitlines()
    names = {"total_bytes": "MemTotal", "available_bytes": "MemAvailable", "swap_bytes": "SwapTotal"}
    return {name: _kibibytes(_field(lines, key)) for name, key in names.items()}


def _kibibytes(text: str | None) -> int | None:
    return int(text.removesuffix(" kB")) * 1024 if text else None


def _limit(which: int) -> dict[str, int | None]:
    soft, hard = (None if value == resource.RLIM_INFINITY else value for value in resource.getrlimit(which))
    return {"soft": soft, "hard": hard}


def _cgroup() -> dict[str, str | None]:
    # The unified hierarchy is the line that starts with "0::"; quotas may also sit on a parent that is not
    # visible.
    lines: Iterable[str] = (_read(Path("/proc/self/cgroup")) or "").splitlines()
    own = next((line.removeprefix("0::").strip("/") for line in lines if line.startswith("0::")), "")
    folder = Path("/sys/fs/cgroup") / own
    return {name: _read(folder / name) for name in _CGROUP_FILES}


def _sysctl(name: str) -> str | None:
    text = _read(Path("/proc/sys") / name.replace(".", "/"))
    return None if text is None else " ".join(text.split())


def _virtualisation() -> str | None:
    # A hypervisor hides itself or not; what it says of itself is a hint, its silence proves nothing.
    if Path("/.dockerenv").exists() or Path("/run/.containerenv").exists():
        return "container"
    flags = _field((_read(Path("/proc/cpuinfo")) or "").splitlines(), "flags") or ""
    product = _read(Path("/sys/class/dmi/id/product_name"))
    return (product or "hypervisor") if "hypervisor" in flags.split() else None


def _distribution() -> str | None:
    lines = (_read(Path("/etc/os-release")) or "").splitlines()
    return next(
        (line.partition("=")[2].strip('"') for line in lines if line.startswith("PRETTY_NAME=")), None
    )


def _field(lines: Iterable[str], name: str) -> str | None:
    pairs = (line.partition(":") for line in lines)
    return next((value.strip() for key, _, value in pairs if key.strip() == name), None)


def _read(path: Path) -> str | None:
    try:
        return path.read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return None
