"""What a plan's ``objects`` cannot be: said with its place, for the systems and the topology of every case."""

from __future__ import annotations

from typing import TYPE_CHECKING

from seatrial.errors import PlanError
from seatrial.plan.model.objects import PROBE_TIMEOUT_S
from seatrial.plan.yaml.problems import Problem
from seatrial.systems.disturbance import OF_CONFIGURATION

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from seatrial.plan.cases import Case
    from seatrial.plan.model.plan import Plan
    from seatrial.plan.yaml.yaml12 import Map


def impossible_objects(plan: Plan, cases: Sequence[Case], root: Map) -> Iterator[Problem]:
    """Yield what cannot be done; ``cases`` are those of one system, with every value of what varies."""
    if plan.objects is None:
        return
    where = root.entries["objects"].key
    for text, allowed in _mistakes(plan, cases):
        yield Problem(where, text, allowed)


def require_possible_objects(plan: Plan, cases: Sequence[Case]) -> None:
    """Raise ``PlanError`` where what changes in a plan as it was written cannot at another size of it."""
    for text, allowed in _mistakes(plan, cases) if plan.objects is not None else ():
        raise PlanError(f"`objects` cannot be at this scale: {text}", next_step=allowed)


def _mistakes(plan: Plan, cases: Sequence[Case]) -> Iterator[tuple[str, str]]:
    proxied = [system for system in plan.systems if system.options.proxied]
    if not proxied:
        yield "`objects` are of a proxy, and this plan has none", "a proxy among the `systems`"
    for system in proxied:
        if "add routes" not in system.options.disturbances and not system.options.routes_are_objects:
            yield f"the routes of `{system.kind}` cannot be changed while it serves", "other `systems`"
            break
    if any(not case.topology.is_routed or case.topology.services_in_all < 2 for case in cases):
        yield (
            "what changes stands beside routes that stay, and leads to one service or another",
            "`topology: {routes: 2, services: 2}` or more of both",
        )
    yield from _of_origin(cases)
    if any(one.do in OF_CONFIGURATION for one in plan.during):
        yield "`during` changes the topology, too: what came of which nobody could tell", "one of the two"


def _of_origin(cases: Sequence[Case]) -> Iterator[tuple[str, str]]:
    """Yield where no probe would see a route live: those that change are asked of the same origin."""
    for case in cases:
        delay = case.origin.delay
        if max(delay.mean_s, delay.high_s) >= PROBE_TIMEOUT_S:
            yield (
                f"a probe of a changed route waits {PROBE_TIMEOUT_S:g} s for its answer, and the origin thinks longer",
                "a shorter `delay`",
            )
            return
        if not 200 <= case.origin.status < 300:
            yield (
                f"a changed route is live once it is answered by 2xx, and the origin answers {case.origin.status}",
                "no `status`",
            )
            return
