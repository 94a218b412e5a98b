"""The rule of validity that is about the CPUs which roles were kept to."""

from __future__ import annotations

from typing import TYPE_CHECKING

from seatrial.analysis.reasons import Reason
from seatrial.machine.cpus.lists import parse_cpus
from seatrial.machine.cpus.words import NAMES

if TYPE_CHECKING:
    from seatrial.analysis.validity.evidence import TrialEvidence


def elsewhere(evidence: TrialEvidence) -> Reason | None:
    """Doubt a trial in which a process might use other CPUs than its role was given.

    Such a one takes time from another role, or has more than the others of its own: the numbers may move either way. A
    program that keeps itself to some of the CPUs which it was given stays where it should be.
    """
    strays = []
    for found in evidence.cpus:
        asked = evidence.facts.cpus.by_role.get(found.role)
        if asked is None:
            continue
        outside = [one for one in found.processes if not parse_cpus(one.cpus) <= parse_cpus(asked)]
        if outside:
            others = f" and {len(outside) - 1} more" if len(outside) > 1 else ""
            strays.append(
                f"{_who(found.role, outside[0].process)}{others} on {outside[0].cpus}, to be on {asked}"
            )
    if not strays:
        return None
    return Reason(
        "environment.cpus",
        f"processes were found on other CPUs than those that they were given: {'; '.join(strays)}",
        "find out who moves them (taskset, a cpuset, a daemon that balances, the system's own `config`), or use"
        " `cpus: shared`",
    )


def _who(role: str, process: str) -> str:
    return NAMES.get(role, f"the {role}" if process == role else f"{role} {process}")
