"""Who was on which CPUs, or on which nodes of a cluster, and shared them with whom, over a whole run.

One sentence wherever that says it all.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, get_args

from seatrial.analysis.cpus import cpus_text
from seatrial.analysis.wording import listed
from seatrial.machine.cpus.lists import format_cpus
from seatrial.machine.members import Role

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from seatrial.analysis.cpus import RoleCpus
    from seatrial.analysis.run.model import CaseSummary
    from seatrial.machine.cpus.pinning import CpusAsked


NAMED = 4


@dataclass(slots=True)
class _Alike:
    """Trials in which no role was anywhere else; a role that some of them have not is where the others have it."""

    asked: CpusAsked
    roles: dict[str, RoleCpus] = field(default_factory=dict)
    trials: dict[str, list[int]] = field(default_factory=dict)

    def takes(self, found: Iterable[RoleCpus], asked: CpusAsked) -> bool:
        return asked == self.asked and all(
            one.role not in self.roles or self.roles[one.role].cpus == one.cpus for one in found
        )


def isolation_sentences(cases: Iterable[CaseSummary]) -> tuple[str, ...]:
    """Return it, with the systems and trials in front where it was not the same throughout; nothing if not known."""
    cases = tuple(cases)
    if nodes := _nodes_sentence(cases):
        return (nodes,)
    groups: list[_Alike] = []
    # Where only Seatrial itself is here, the roles are on other machines.
    attempts = [
        (case.case.system, trial)
        for case in cases
        for trial in case.attempts
        if any(one.role != "seatrial" for one in trial.cpus)
    ]
    for system, trial in sorted(attempts, key=lambda pair: pair[1].order):
        asked = trial.facts.cpus
        group = next((one for one in groups if one.takes(trial.cpus, asked)), None)
        if group is None:
            group = _Alike(asked)
            groups.append(group)
        for one in trial.cpus:
            group.roles.setdefault(one.role, one)
        group.trials.setdefault(system, []).append(trial.order)
    if not groups:
        return ()
    if len(groups) == 1:
        return (cpus_text(tuple(groups[0].roles.values()), groups[0].asked),)
    return tuple(f"{_of(group)}: {cpus_text(tuple(group.roles.values()), group.asked)}" for group in groups)


def _nodes_sentence(cases: Iterable[CaseSummary]) -> str:
    """Return which role was on which nodes of a cluster, and on which of them several were; empty if none was."""
    on: defaultdict[str, set[str]] = defaultdict(set)
    for node in (node for case in cases for trial in case.attempts for node in trial.nodes):
        for role in node.roles:
            on[role].add(node.node)
    roles = [role for role in get_args(Role) if role in on]
    shared = sorted(node for node in set().union(*on.values()) if sum(node in of for of in on.values()) > 1)
    parts = [f"{role} on {_first(sorted(on[role]))}" for role in roles]
    if shared:
        parts.append(f"several share {_first(shared)}")
    return f"pods on nodes of a Kubernetes cluster: {', '.join(parts)}" if parts else ""


def _first(names: Sequence[str]) -> str:
    more = [f"{len(names) - NAMED} more"] if len(names) > NAMED else []
    return listed([*names[:NAMED], *more])


def _of(group: _Alike) -> str:
    # Numbers in a row are written as those of CPUs are.
    return "; ".join(
        f"{system}, {'trial' if len(trials) == 1 else 'trials'} {format_cpus(trials)}"
        for system, trials in group.trials.items()
    )
