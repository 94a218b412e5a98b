"""What a machine is to a load that leaves from here: its facts, and its settings as far as anybody may read them."""

from __future__ import annotations

import dataclasses
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

from seatrial.machine import proc
from seatrial.machine.facts import Machine, probe_machine
from seatrial.machine.settings import Values, read_setting

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_NOT_SENT = ("listening", "cpu_layout")


@dataclass(frozen=True, slots=True)
class Facts:
    """What programs of ours have here: ``machine`` with the limits of this process, its network and its control group.

    Of the machine neither who listens nor its CPUs' layout is known. ``settings`` are kernel settings by name; None is
    one that cannot be read from here.
    """

    machine: Machine
    settings: Mapping[str, Values | None]
    kernel: str
    boot_id: str

    @classmethod
    def read(cls, names: Iterable[str]) -> Self:
        """Read them, with the settings of these names."""
        settings = {name: read_setting(name).values for name in names}
        return cls(probe_machine(listeners=False), settings, os.uname().release, proc.boot_id())

    def document(self) -> dict[str, Any]:
        """Return them as JSON has them."""
        fields = (one.name for one in dataclasses.fields(Machine) if one.name not in _NOT_SENT)
        machine = {name: getattr(self.machine, name) for name in fields}
        return {
            "machine": machine,
            "settings": self.settings,
            "kernel": self.kernel,
            "boot_id": self.boot_id,
        }

    @classmethod
    def of(cls, document: Mapping[str, Any]) -> Self:
        """Return the facts of a document."""
        machine: dict[str, Any] = {
            name: tuple(at) if isinstance(at, list) else at for name, at in document["machine"].items()
        }
        settings = {name: None if at is None else tuple(at) for name, at in document["settings"].items()}
        return cls(
            Machine(**machine, listening=frozenset()), settings, document["kernel"], document["boot_id"]
        )
