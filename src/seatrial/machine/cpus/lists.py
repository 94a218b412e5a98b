"""Sets of CPUs in the kernel's own notation: ``0-3,8`` (cpuset(7), "List format")."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

CPU_MAX = 8_191
"""The highest number that a kernel can be built for (NR_CPUS of x86 is 8,192 at most)."""
_PART = re.compile(r"([0-9]{1,9})(?:-([0-9]{1,9})(?::([0-9]{1,9})/([0-9]{1,9}))?)?", re.ASCII)


def parse_cpus(text: str) -> frozenset[int]:
    """Return the CPUs of a list: numbers and ranges with commas between, ``0-15:2/4`` is the first 2 of every 4.

    Raises ``ValueError`` saying what is wrong.
    """
    return frozenset(cpu for part in text.split(",") for cpu in _range(part.strip(), text))


def format_cpus(cpus: Iterable[int]) -> str:
    """Return a list as the kernel prints it, ascending: ``0-3,8``; empty for no CPU."""
    runs: list[list[int]] = []
    for cpu in sorted(set(cpus)):
        if runs and cpu == runs[-1][-1] + 1:
            runs[-1] = [runs[-1][0], cpu]
        else:
            runs.append([cpu])
    return ",".join("-".join(map(str, run)) for run in runs)


def _range(part: str, text: str) -> Iterable[int]:
    found = _PART.fullmatch(part)
    if found is None:
        raise ValueError(f"`{text[:64]}` is no list of CPUs such as `4`, `0-3` or `0-3,8`")
    first, last, used, group = (None if number is None else int(number) for number in found.groups())
    assert first is not None
    last = first if last is None else last
    if last < first:
        raise ValueError(f"`{part}` goes backwards: the lower number comes first")
    if last > CPU_MAX:
        raise ValueError(f"there is no CPU {last}: the highest number of any machine is {CPU_MAX}")
    if used is None or group is None:
        return range(first, last + 1)
    if not 1 <= used <= group:
        raise ValueError(f"`{part}` takes {used} CPUs of every {group}: 1 to {group} of them can be")
    return (cpu for cpu in range(first, last + 1) if (cpu - first) % group < used)
