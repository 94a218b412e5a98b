"""The CPU of a role between two moments, from the looks at its processes."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from seatrial.machine.members import Role
    from seatrial.observe.samples import ProcessSample


def cores_between(
    samples: Iterable[ProcessSample], role: Role, from_s: float, to_s: float, member: str | None = None
) -> float | None:
    """Return the mean cores that the processes of a role, or of one member, used then.

    None where there are not two looks at any.
    """
    by_process: dict[tuple[str, str, str], list[ProcessSample]] = {}
    for sample in samples:
        if sample.role == role and member in {None, sample.member} and from_s <= sample.at_s <= to_s:
            by_process.setdefault(sample.key, []).append(sample)
    spans = [looks for looks in by_process.values() if looks[-1].at_s > looks[0].at_s]
    if not spans:
        return None
    return sum((_cpu_s(looks[-1]) - _cpu_s(looks[0])) / (looks[-1].at_s - looks[0].at_s) for looks in spans)


def _cpu_s(sample: ProcessSample) -> float:
    return sample.cpu_user_s + sample.cpu_system_s
