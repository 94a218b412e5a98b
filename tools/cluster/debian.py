"""The programs that Debian has built: containerd, runc, network plugins, iptables and busybox.

Those that the system has are used. What it lacks is unpacked into the cache, and nothing of the system changes.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

from seatrial.errors import EnvironmentFault
from tools.cluster import layout
from tools.cluster.programs import DEBIAN

if TYPE_CHECKING:
    from collections.abc import Callable

UNPACK = Path(__file__).parents[1] / "unpack-debian"
UNPACK_LIMIT_S = 600.0
_SYSTEM = ("/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin")
_PLUGINS = ("/usr/lib/cni", "/opt/cni/bin")
# What a package's installation would have linked by Debian's system of alternatives.
_IPTABLES = (
    "iptables",
    "iptables-save",
    "iptables-restore",
    "ip6tables",
    "ip6tables-save",
    "ip6tables-restore",
)


def find(name: str) -> Path | None:
    """Return a program of one of the packages, or None."""
    found = shutil.which(name, path=os.pathsep.join(map(str, _folders())))
    return Path(found) if found else None


def need(name: str) -> Path:
    """Return a program; raises ``EnvironmentFault`` where there is none."""
    found = find(name)
    if found is None:
        raise _lacking([name])
    return found


def missing() -> list[str]:
    """Return the programs that are neither installed nor unpacked."""
    return [name for name in DEBIAN if find(name) is None]


def provide(report: Callable[[str], None]) -> None:
    """Unpack what is missing. Raises ``EnvironmentFault`` where something is missing even so."""
    if lacking := missing():
        packages = sorted({DEBIAN[name] for name in lacking})
        report(f"unpacking {', '.join(packages)} from Debian into {_unpacked()}")
        done = subprocess.run(
            [UNPACK, _unpacked(), _links(), *packages],
            stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=UNPACK_LIMIT_S, check=False,
        )  # fmt: skip
        _link_iptables()
        if lacking := missing():
            raise _lacking(lacking, done.stderr.strip())


def plugins() -> Path:
    """Return the folder of the network plugins."""
    return need("ptp").parent


def environment() -> dict[str, str]:
    """Return what a program of the cluster is started with: what it starts itself is found, and so are libraries."""
    found = {"PATH": os.pathsep.join((str(_links()), *_SYSTEM)), "HOME": "/root", "LANG": "C.UTF-8"}
    libraries = sorted(str(folder) for folder in _unpacked().glob("usr/lib/*-linux-gnu"))
    if libraries:
        found["LD_LIBRARY_PATH"] = os.pathsep.join(libraries)
        found["XTABLES_LIBDIR"] = os.pathsep.join(f"{folder}/xtables" for folder in libraries)
    return found


def _folders() -> tuple[str | Path, ...]:
    unpacked = (_links(), _unpacked() / "bin", *(_unpacked() / folder[1:] for folder in _PLUGINS))
    return (*_SYSTEM, *_PLUGINS, *unpacked)


def _unpacked() -> Path:
    return layout.cache() / "debian"


def _links() -> Path:
    return layout.cache() / "debian" / "linked"


def _link_iptables() -> None:
    program = _unpacked() / "usr/sbin/xtables-nft-multi"
    if program.exists():
        for name in _IPTABLES:
            (_links() / name).unlink(missing_ok=True)
            (_links() / name).symlink_to(program)


def _lacking(names: list[str], why: str = "") -> EnvironmentFault:
    packages = sorted({DEBIAN[name] for name in names})
    return EnvironmentFault(
        f"there is no {', no '.join(names)}",
        cause=why or "it is neither installed nor unpacked",
        next_step=f"apt-get install --no-install-recommends {' '.join(packages)}",
    )
