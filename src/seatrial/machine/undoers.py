"""How each kind of change to this machine is put back after a crash: to add one is a line here.

A change is written down before it is made (:mod:`seatrial.machine.processes.changes`), so what is undone may never have
been done, or be gone.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from seatrial.errors import EnvironmentFault
from seatrial.machine import namespaces, proc, settings
from seatrial.machine.processes import leftovers


@dataclass(frozen=True, slots=True)
class Undone:
    """What was found of a change: the processes of it that were ended or could not be, by their ids.

    ``put_back`` says what else was put back, ``problem`` why it could not be and what to do.
    """

    name: str
    ended: tuple[int, ...] = ()
    left: tuple[int, ...] = ()
    put_back: str = ""
    problem: str = ""

    @property
    def is_done(self) -> bool:
        """Whether nothing of the change is left."""
        return not self.left and not self.problem


Undoer = Callable[[Mapping[str, Any], Path], Undone]
"""Puts a change of a run back, from its detail; raises ``KeyError``, ``TypeError`` or ``ValueError`` for a bad one."""


def _end_process(detail: Mapping[str, Any], run: Path) -> Undone:
    name, found = str(detail["name"]), leftovers.find(detail, run)
    left = leftovers.end(found)
    return Undone(name, tuple(pid for pid in found if pid not in left), left)


def _put_setting_back(detail: Mapping[str, Any], _run: Path) -> Undone:
    """Give a kernel setting the value that it had, unless it is gone, was never changed, or is another's by now."""
    name, namespace = str(detail["name"]), str(detail["namespace"])
    before, after = (settings.parse_values(str(detail[when])) for when in ("before", "after"))
    if detail["boot_id"] != proc.boot_id():
        # The kernel that had it is gone, and its settings with it.
        return Undone(name)
    if name.startswith("net.") and namespace != settings.network_namespace():
        return _elsewhere(name, namespace)
    return _reset(name, before, after)


def _reset(name: str, before: settings.Values, after: settings.Values) -> Undone:
    now, earlier = settings.read_setting(name), settings.format_values(before)
    if now.values == before:
        return Undone(name)
    problem: str | None = now.problem
    if now.values == after:
        problem = settings.write_setting(name, before)
    elif now.values is not None:
        problem = f"somebody else has set it to {settings.format_values(now.values)} since, so it stays"
    if problem is not None:
        return Undone(name, problem=f"{problem}; to have it as it was: sysctl -w {name}='{earlier}'")
    return Undone(name, put_back=f"{settings.format_values(after)} -> {earlier}")


def _elsewhere(name: str, namespace: str) -> Undone:
    way = settings.way_into(namespace)
    if way is None and settings.sees_every_process():
        return Undone(name)
    where = f"run `{way} seatrial clean`" if way else "run `seatrial clean` in there"
    return Undone(name, problem=f"it is of another network namespace, {namespace}: {where}")


def _remove_namespace(detail: Mapping[str, Any], _run: Path) -> Undone:
    """End what is in a network namespace, and remove it with its links."""
    namespace = namespaces.named(str(detail["name"]))
    name = f"namespace {namespace.name}"
    # No namespace outlives a boot, and its name is drawn anew for each run.
    if detail["boot_id"] != proc.boot_id() or not namespace.path.exists():
        return Undone(name)
    try:
        ended, left = namespaces.remove(namespace)
    except EnvironmentFault as fault:
        return Undone(name, problem=f"{fault.cause}; {fault.next_step}")
    return Undone(name, ended, left, put_back="removed")


UNDOERS: Mapping[str, Undoer] = {
    "process": _end_process,
    "namespace": _remove_namespace,
    "sysctl": _put_setting_back,
}
CHANGES_THE_GROUND = frozenset({"sysctl"})
"""What is not to be put back while something is measured on this machine: it would be measured on two kernels."""
