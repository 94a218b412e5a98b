"""Pressure stall information: for how long something had to wait for a CPU, for memory, or for a disk.

Of the whole machine, cumulative, in seconds. Linux 4.20 and later, where it is not switched off (``psi=0``); see
Documentation/accounting/psi.rst.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

_RESOURCES = ("cpu", "memory", "io")
_MICROSECOND_S = 1e-6


def pressure(proc: Path) -> dict[str, float]:
    """Return ``cpu_pressure_some_s`` and its like; "full" is when nothing could work. Empty where there is none."""
    values = {}
    for resource in _RESOURCES:
        for line in _lines(proc / "pressure" / resource):
            kind, *fields = line.split()
            total = next((field for field in fields if field.startswith("total=")), None)
            if total is not None:
                values[f"{resource}_pressure_{kind}_s"] = int(total[6:]) * _MICROSECOND_S
    return values


def _lines(file: Path) -> list[str]:
    # A kernel with `psi=0` has the files and refuses to read them.
    try:
        return file.read_text().splitlines()
    except OSError:
        return []
