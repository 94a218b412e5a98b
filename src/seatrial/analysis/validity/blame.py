"""One cause, and what follows from it: which reasons of a trial are consequences of which."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from seatrial.analysis.reasons import Reason

_DELAYS = ("generator.late", "generator.stalled", "generator.unread")
_MISSING = (
    "system.held_connections",
    "system.active_connections",
    "environment.held_connections",
    "environment.active_connections",
    "system.gauge",
    "system.unbalanced",
)
_GAPS = ("generator.frames", "generator.rate", "generator.no_data")

# The surest causes first: a reason that could follow from several is put under the first of them.
CONSEQUENCES: Mapping[str, tuple[str, ...]] = {
    # Not that a system died: one that takes all memory is to blame itself, and is not to be tried again until it lives.
    "environment.oom_kill": ("generator.lost",),
    # Its workers are lost with it.
    "environment.node_away": (
        "generator.lost", *_GAPS, *_MISSING, *_DELAYS, "system.counts", "system.uncounted", "system.errors",
        "system.no_answers", "system.unstable",
    ),
    # What is gone was counted by nobody, and its connections with it. Its last requests have no answers.
    "generator.lost": (
        *_GAPS, *_MISSING, *_DELAYS, "system.counts", "system.errors", "system.no_answers", "system.unstable",
    ),
    "system.died": (
        *_GAPS, *_MISSING, "system.counts", "system.uncounted", "system.errors", "system.no_answers",
        "system.unstable", "system.reconfigured",
        # Its load was stopped for it.
        "environment.cut_off",
    ),
    "system.failed": (*_GAPS, *_MISSING, "system.counts"),
    "generator.failed": (*_GAPS, *_MISSING, "system.counts"),
    "environment.failed": (*_GAPS, *_MISSING, "system.counts"),
    "environment.cut_off": (*_GAPS, *_MISSING, "system.counts", "system.unstable"),
    "system.restarted": (*_MISSING, "system.counts", "system.uncounted", "system.errors", "system.reconfigured"),
    # What a change has removed is asked for all the same, and what it had counted is gone with it.
    "system.reconfigured": ("system.counts", "system.routes"),
    "environment.exhausted": (*_MISSING, "system.errors", "system.no_answers", "system.unstable"),
    "environment.listen_queue": (*_MISSING, "system.errors", "environment.syn_cookies"),
    "environment.conntrack": (*_MISSING, "system.errors", "environment.packets_dropped"),
    "environment.tcp_memory": (*_MISSING, "system.errors"),
    "environment.softirq": (*_DELAYS, *_GAPS, "environment.packets_dropped"),
    # Seen of the processes themselves; what it did to the numbers is not.
    "environment.cpus": (),
    "environment.throttled": (*_DELAYS, *_GAPS, "generator.cpu"),
    "environment.steal": (*_DELAYS, *_GAPS),
    "environment.busy": (*_DELAYS, *_GAPS),
    "environment.run_beside": (*_DELAYS, *_GAPS),
    "environment.network": (*_DELAYS, *_GAPS),
    "generator.late_start": (*_DELAYS, "generator.rate"),
    "generator.cpu": (*_DELAYS, *_GAPS),
    "generator.stalled": ("generator.late", "generator.unread", "generator.frames"),
    "generator.frames": ("generator.rate", "generator.no_data", "system.counts"),
    "system.errors": (*_MISSING, "system.unstable", "system.routes"),
    "system.no_answers": ("system.errors",),
    "system.held_connections": ("system.gauge",),
    "system.active_connections": ("system.gauge",),
    "environment.held_connections": ("system.gauge",),
    "environment.active_connections": ("system.gauge",),
    "system.unbalanced": ("system.gauge",),
}  # fmt: skip

# What says nothing of its own where its cause is known: of a lost worker's requests none was answered.
EMPTY = {("generator.lost", "system.no_answers"), ("generator.lost", "generator.rate")}


def grouped(reasons: Iterable[Reason]) -> tuple[Reason, ...]:
    """Return the reasons, one of each code, every cause followed by its consequences with the remedy of the cause."""
    found = {reason.code: reason for reason in reasons}
    causes = {code: cause for code in found if (cause := _cause_of(code, found)) is not None}
    ranks = {code: rank for rank, code in enumerate(CONSEQUENCES)}
    roots = [code for code in found if code not in causes]
    ordered: list[Reason] = []
    for root in sorted(roots, key=lambda code: ranks.get(code, len(ranks))):
        ordered.append(found[root])
        ordered += _consequences(root, found, causes)
    return tuple(ordered)


def _consequences(root: str, found: Mapping[str, Reason], causes: Mapping[str, str]) -> Iterator[Reason]:
    for code, reason in found.items():
        if causes.get(code) == root and (root, code) not in EMPTY:
            yield replace(reason, because=root, remedy=found[root].remedy)


def _cause_of(code: str, found: Mapping[str, Reason]) -> str | None:
    cause = next((cause for cause, then in CONSEQUENCES.items() if code in then and cause in found), None)
    # What causes the cause is the one to blame.
    return None if cause is None else _cause_of(cause, found) or cause
