"""Load, proxy and origin each in a network namespace of its own, joined two by two: made, and removed again.

Every two roles have a veth pair of their own, from one namespace straight to the other. With a bridge in a fourth each
packet would cross two of them and the bridge: measured on 2 cores of Linux 6.18, with 600 B answers in a closed loop,
that makes 17 to 25 % fewer requests per second than loopback, where a pair of their own makes 4 to 8 % fewer.

Nothing of it reaches this machine's own network: the links are made inside, no namespace has a way out, and each run
has its own three. So every run uses the same addresses, and they collide with nothing; the range is the one for
benchmarks (RFC 2544, section C.2.2). Whatever load goes wrong in there stays in there.

A namespace begins with the kernel's defaults. Those settings of this machine that decide what a load meets are copied
into it: what is tuned here counts there, and two places of one machine differ in their network only.
"""

from __future__ import annotations

import asyncio
import itertools
import re
import secrets
import subprocess
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Self

from seatrial.errors import EnvironmentFault
from seatrial.machine import proc
from seatrial.machine.cpus.pinning import Pinning
from seatrial.machine.namespace import Namespace, entered
from seatrial.machine.place import InNamespace, Places
from seatrial.machine.processes import leftovers
from seatrial.machine.processes.programs import Program, find
from seatrial.machine.waiting import to_its_end

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from seatrial.machine.members import Role
    from seatrial.machine.processes.changes import ChangeLog

IP = Program(
    ("ip",),
    ("-V",),
    r"iproute2-(\S+?),",
    "install iproute2, which every distribution has, or use `place: machine`",
)
NSENTER = Program(
    ("nsenter",),
    ("--version",),
    r"util-linux (\S+)",
    "install util-linux, which every distribution has, or use `place: machine`",
)
BLOCKS = {"load": "198.18.0.0/17", "proxy": "198.18.128.0/17", "origin": "198.19.0.0/17"}
"""The addresses of each role, 32,767 of them: sources for 10 million connections, and every endpoint that a plan may
have."""
_ROLES: dict[str, Role] = {"load": "generator", "proxy": "system", "origin": "origin"}
COPIED = (
    "core/somaxconn",
    "ipv4/ip_local_port_range",
    "ipv4/ip_local_reserved_ports",
    "ipv4/tcp_congestion_control",
    "ipv4/tcp_fin_timeout",
    "ipv4/tcp_max_syn_backlog",
    "ipv4/tcp_max_tw_buckets",
    "ipv4/tcp_rmem",
    "ipv4/tcp_slow_start_after_idle",
    "ipv4/tcp_syncookies",
    "ipv4/tcp_tw_reuse",
    "ipv4/tcp_wmem",
)
REMEDY = "run as root, in a container with the capabilities SYS_ADMIN and NET_ADMIN, or use `place: machine`"
_SETTINGS = Path("/proc/sys/net")
_NAME = re.compile(r"seatrial-[0-9a-f]{12}-(load|proxy|origin)", re.ASCII)
_IP_LIMIT_S = 60.0
"""`ip` takes milliseconds; this is for a machine that is loaded to the brim."""


@dataclass(slots=True)
class Namespaces:
    """The three of one run; a context manager, in which they stand.

    ``not_copied`` are the settings that could not be given to one of them, as where /proc/sys is read-only.
    """

    changes: ChangeLog
    not_copied: dict[str, None] = field(default_factory=dict)
    _token: str = field(default_factory=lambda: secrets.token_hex(6))
    _made: list[tuple[Namespace, int]] = field(default_factory=list)

    @property
    def by_role(self) -> dict[str, Namespace]:
        """The namespace of each role, whether it stands or not."""
        return {role: Namespace(f"seatrial-{self._token}-{role}") for role in BLOCKS}

    async def __aenter__(self) -> Self:
        """Write them down, make and join them.

        Raises ``EnvironmentFault`` where that is not allowed or a program is missing, with nothing left behind.
        """
        try:
            # Called off meanwhile, it is waited for: what a thread is making cannot be removed before.
            await _in_thread(self._make)
        except BaseException:
            await _in_thread(self._remove)
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        """End what is still in them, and remove them."""
        await _in_thread(self._remove)

    def places(self, pinning: Pinning | None = None) -> Places:
        """Return where the roles of one trial are, each on its CPUs; nothing has been handed out yet."""
        pinning = pinning or Pinning()
        made = {
            role: InNamespace(named, _host(role), pinning.of(_ROLES[role]))
            for role, named in self.by_role.items()
        }
        return Places(made["load"], made["proxy"], made["origin"], pinning)

    def _make(self) -> None:
        find(NSENTER)
        for namespace in self.by_role.values():
            detail = {"name": namespace.name, "boot_id": proc.boot_id()}
            self._made.append((namespace, self.changes.will_start("namespace", detail)))
            _ip("netns", "add", namespace.name)
        _ip("-batch", "-", given="\n".join(_links(self.by_role)))
        for role, namespace in self.by_role.items():
            _ip("-netns", namespace.name, "-batch", "-", given="\n".join(_addresses(role)))
            self.not_copied |= dict.fromkeys(copy_settings(namespace))

    def _remove(self) -> None:
        while self._made:
            namespace, change_id = self._made[-1]
            remove(namespace)
            self.changes.undone(change_id)
            self._made.pop()


def remove(namespace: Namespace) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """End every process in a namespace and remove it, its links with it; harmless where there is none.

    Return the processes that were found in it, and those that could not be ended: as long as one lives the namespace
    does, without a name. Raises ``EnvironmentFault`` where it cannot be removed.
    """
    if not namespace.path.exists():
        return (), ()
    found: tuple[int, ...] = ()
    # Without a mount it is an empty file: whoever made it was killed half-way.
    with suppress(OSError):
        found = namespace.pids()
    left = leftovers.end(found)
    _ip("netns", "delete", namespace.name)
    return tuple(pid for pid in found if pid not in left), left


def named(name: str) -> Namespace:
    """Return the namespace of this name; raises ``ValueError`` where it is none that a run has made."""
    if not _NAME.fullmatch(name):
        raise ValueError(f"{name} is no namespace of a run")
    return Namespace(name)


def copy_settings(namespace: Namespace) -> tuple[str, ...]:
    """Give a namespace this machine's own settings; return the names of those that it could not be given.

    Those that the kernel keeps for all networks it has already.
    """
    not_copied = []
    own = {name: text for name in COPIED if (text := _setting(name)) is not None}
    with entered(namespace):
        for name, text in own.items():
            if _setting(name) in {None, text}:
                continue
            try:
                (_SETTINGS / name).write_text(text)
            except OSError:
                not_copied.append(name)
    return tuple(not_copied)


def _setting(name: str) -> str | None:
    try:
        return (_SETTINGS / name).read_text()
    except OSError:
        return None


def _host(role: str) -> str:
    network, _, _ = BLOCKS[role].rpartition("/")
    return network.removesuffix(".0") + ".1"


def _links(by_role: dict[str, Namespace]) -> Iterator[str]:
    """Yield what makes a link between every two roles; each end is named after what it leads to."""
    for one, other in itertools.combinations(by_role, 2):
        ends = f"{other} netns {by_role[one].name} type veth peer name {one} netns {by_role[other].name}"
        yield f"link add {ends}"


def _addresses(role: str) -> Iterator[str]:
    """Yield what gives a role its block of addresses, and leads to those of the others."""
    yield "link set lo up"
    # Every address of the block is its own, without a list of them that would have to be searched.
    yield f"route add local {BLOCKS[role]} dev lo"
    for other in (name for name in BLOCKS if name != role):
        yield f"address add {_host(role)} peer {_host(other)} dev {other}"
        yield f"link set {other} up"
        yield f"route add {BLOCKS[other]} via {_host(other)} dev {other} src {_host(role)}"


def _ip(*words: str, given: str = "") -> None:
    try:
        done = subprocess.run(
            [find(IP), *words], input=given, capture_output=True, text=True, timeout=_IP_LIMIT_S, check=False
        )
    except subprocess.TimeoutExpired:
        why = f"it did not end within {_IP_LIMIT_S:g} s"
    else:
        if done.returncode == 0:
            return
        why = " ".join(done.stderr.split()) or f"exit status {done.returncode}"
    raise EnvironmentFault(
        f"cannot make or remove a network namespace: ip {' '.join(words)}", cause=why, next_step=REMEDY
    )


async def _in_thread(work: Callable[[], None]) -> None:
    """Do blocking work in a thread; where that is called off meanwhile, be called off once it is done."""
    task = asyncio.ensure_future(asyncio.to_thread(work))
    await to_its_end(task)
    task.result()
