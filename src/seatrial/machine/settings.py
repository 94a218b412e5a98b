"""Kernel settings (sysctls): read, written and read back, and whether they are of this network namespace.

What is below ``net`` belongs, with few exceptions, to a network namespace: each container has its own, ``/proc/sys``
shows those of the reading process, and a setting that only the machine has is absent in all namespaces but the first.
"""

from __future__ import annotations

import errno
import os
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from seatrial.machine import proc

if TYPE_CHECKING:
    from collections.abc import Sequence

Values = tuple[int, ...]
ROOT = Path("/")
DEFAULT_PORTS = 28_232
"""How many ports the kernel's own range for outgoing connections has (net.ipv4.ip_local_port_range)."""
_OWN_NAMESPACE = Path("/proc/self/ns/net")
# Where `ip netns add` keeps them, with or without a process in them.
_NAMED = Path("/run/netns")
# PROC_PID_INIT_INO (include/linux/proc_ns.h): who is in it sees every process of the machine.
_FIRST_PID_NAMESPACE = "pid:[4026531836]"
_BECAUSE = {
    errno.EROFS: "/proc/sys is mounted read-only here",
    errno.EACCES: "it may not be written from here",
    errno.EPERM: "it may not be written from here",
    errno.ENOENT: "it is absent here",
    errno.EINVAL: "the kernel refuses this value",
}


@dataclass(frozen=True, slots=True)
class Reading:
    """What a setting is; ``values`` is None, and ``problem`` says why, where that cannot be known."""

    values: Values | None
    problem: str = ""


def read_setting(name: str, root: Path = ROOT) -> Reading:
    """Read one, such as ``net.core.somaxconn``; ``root`` is where ``/proc`` is."""
    try:
        text = setting_path(name, root).read_text(encoding="ascii", errors="replace")
    except OSError as error:
        return Reading(None, _because(error))
    try:
        values = parse_values(text)
    except ValueError:
        return Reading(None, f"it holds {text.strip()!r}, which is no number")
    return Reading(values) if values else Reading(None, "it is empty")


def write_setting(name: str, values: Sequence[int], root: Path = ROOT) -> str | None:
    """Set it and read it back; return why that failed, or None where the kernel now has this very value."""
    try:
        # Not created where it is absent, and one write: the kernel takes a setting as a whole.
        descriptor = os.open(setting_path(name, root), os.O_WRONLY | os.O_TRUNC | os.O_CLOEXEC)
    except OSError as error:
        return _because(error)
    try:
        os.write(descriptor, f"{format_values(values)}\n".encode())
    except OSError as error:
        return _because(error)
    finally:
        os.close(descriptor)
    found = read_setting(name, root)
    if found.values == tuple(values):
        return None
    return f"the kernel made {format_values(found.values)} of it" if found.values else found.problem


def why_not_writable(name: str, root: Path = ROOT) -> str | None:
    """Return why it cannot be set from here, or None; changes nothing."""
    try:
        # The kernel looks at permission when it is opened, and changes nothing before something is written.
        os.close(os.open(setting_path(name, root), os.O_WRONLY | os.O_CLOEXEC))
    except OSError as error:
        return _because(error)
    return None


def local_ports(root: Path = ROOT) -> int:
    """Return how many ports outgoing connections of one address to another have, in this network namespace."""
    values = read_setting("net.ipv4.ip_local_port_range", root).values
    return values[1] - values[0] + 1 if values is not None and len(values) == 2 else DEFAULT_PORTS


def setting_path(name: str, root: Path = ROOT) -> Path:
    """Return where a setting is."""
    return root / "proc/sys" / name.replace(".", "/")


def parse_values(text: str) -> Values:
    """Return the numbers of a setting as the kernel prints them; raises ``ValueError``."""
    return tuple(int(word) for word in text.split())


def format_values(values: Sequence[int]) -> str:
    """Return a setting's numbers as they are written into it."""
    return " ".join(map(str, values))


def network_namespace() -> str:
    """Return the kernel's name for this process's network namespace, such as ``net:[4026531840]``; empty if denied."""
    return _link(_OWN_NAMESPACE)


def way_into(namespace: str) -> str | None:
    """Return the command to run another one with in a network namespace; None where it is not seen from here."""
    with suppress(OSError):
        for named in _NAMED.iterdir():
            if f"net:[{named.stat().st_ino}]" == namespace:
                return f"ip netns exec {named.name}"
    within = (pid for pid in proc.all_pids() if _link(Path(f"/proc/{pid}/ns/net")) == namespace)
    holder = next(within, None)
    return None if holder is None else f"nsenter --net=/proc/{holder}/ns/net"


def sees_every_process() -> bool:
    """Return whether no process is hidden from this one: a namespace that is not seen is gone then."""
    return os.geteuid() == 0 and _link(Path("/proc/self/ns/pid")) == _FIRST_PID_NAMESPACE


def _link(path: Path) -> str:
    with suppress(OSError):
        return str(path.readlink())
    return ""


def _because(error: OSError) -> str:
    return _BECAUSE.get(error.errno or 0, error.strerror or str(error))
