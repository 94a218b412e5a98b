"""What is known of a discoverer in a trial: its queue over time, and each step of what it was asked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal, Self, TypeAlias

GATE = "gate"
"""What the gate before the destination is called among the generator's members."""

Step: TypeAlias = Literal["all", "new", "update", "delete", "idle", "storm", "fault", "end"]
"""``all``: what was there when it began. ``new``, ``update``, ``delete``: one service at a time. ``idle``: nothing
changes. ``storm``: many are deleted and one is added elsewhere. ``fault``: changes while something goes wrong, and what
comes of them once it does not. ``end``: nothing is left to do."""


@dataclass(frozen=True, slots=True)
class QueueSample:
    """One look at a discoverer's own page; None is "it does not say". All but ``depth`` count from its start."""

    at_s: float
    depth: float | None = None
    enqueued: float | None = None
    done: float | None = None
    dropped: float | None = None
    retries: float | None = None


@dataclass(frozen=True, slots=True)
class CallFigures:
    """The calls of a discoverer to an API server in a step, watches apart, from the moments of each.

    ``by_verb`` counts them by verb and resource (``create services``), ``refused`` those by status that were 400 or
    above. ``busy_s`` is how long any was under way, ``in_flight_mean`` how many were while any was; ``took_s_p50`` is
    the median from a call's beginning to its end, ``own_s_p50`` of the part of that which was the gate's own. The first
    write began at ``first_write_s`` (CLOCK_MONOTONIC); those before it are not in ``busy_s`` and what follows. ``lost``
    are those that were no longer known when they were asked for.
    """

    by_verb: Mapping[str, int] = field(default_factory=dict)
    refused: Mapping[str, int] = field(default_factory=dict)
    busy_s: float = 0.0
    in_flight_mean: float | None = None
    took_s_p50: float | None = None
    own_s_p50: float | None = None
    first_write_s: float | None = None
    lost: int = 0

    @property
    def total(self) -> int:
        """All of them."""
        return sum(self.by_verb.values())

    @property
    def writes(self) -> int:
        """Those that change something of what is replicated, or try to."""
        return sum(count for call, count in self.by_verb.items() if is_write(call))


def is_write(call: str) -> bool:
    """Return whether a call, such as ``create services``, may change something of what is replicated."""
    verb, resource = call.split()
    return verb not in _READS and not resource.endswith(_ASIDE)


_READS = frozenset({"get", "list", "watch", "other"})
# What a program writes of itself (who leads, what happened), and questions that are asked with POST.
_ASIDE = ("leases", "events", "reviews")


@dataclass(frozen=True, slots=True)
class StepFacts:
    """One step, from ``began_s`` to ``ended_s`` (CLOCK_MONOTONIC); ``words`` are of a fault.

    ``asked`` is how many services were changed at the source for it, of which ``missing`` were not as they should be
    when it ended. ``relapses`` is how often one of all was so, and then was not, though nothing changed at the source.
    ``changed`` is how many objects of the destination were seen to change, ``source_calls`` how many calls the source
    counted (None: it does not), ``missed`` how often the watch had to read a list anew. ``lag_s`` are the looks at how
    long after it was sent a write of Seatrial's own was seen. ``befallen`` is how many calls a fault has befallen.
    Where it was ``cut_off`` its time was over before that of the services: what was counted is the least it can be.
    ``promised`` are the figures of its queue that the discoverer's page should have, by its kind.
    """

    step: Step
    began_s: float
    ended_s: float
    asked: int = 0
    missing: int = 0
    words: str = ""
    changed: int = 0
    relapses: int = 0
    calls: CallFigures = field(default_factory=CallFigures)
    source_calls: int | None = None
    lag_s: tuple[float, ...] = ()
    periods: int = 0
    lifted_s: float | None = None
    befallen: int | None = None
    missed: int = 0
    cut_off: bool = False
    promised: tuple[str, ...] = ()

    def document(self) -> dict[str, Any]:
        """Return it as the record keeps it."""
        return asdict(self)

    @classmethod
    def from_document(cls, document: Mapping[str, Any]) -> Self:
        """Return what the record has kept."""
        calls = CallFigures(**document["calls"])
        return cls(
            **{
                **document,
                "calls": calls,
                "lag_s": tuple(document["lag_s"]),
                "promised": tuple(document.get("promised", ())),
            }
        )
