"""What a plan's ``during`` cannot be: said with its place, for the systems and the topology of every case."""

from __future__ import annotations

from typing import TYPE_CHECKING

from seatrial.errors import PlanError
from seatrial.plan.model.during import topologies
from seatrial.plan.yaml.problems import Problem, Span, listed
from seatrial.plan.yaml.yaml12 import List, Map
from seatrial.systems.options import ProxyOptions
from seatrial.units import format_duration

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from seatrial.plan.cases import Case
    from seatrial.plan.model.during import DisturbancePlan
    from seatrial.plan.model.plan import Plan


def impossible_disturbances(plan: Plan, cases: Sequence[Case], root: Map) -> Iterator[Problem]:
    """Yield what cannot be done; ``cases`` are those of one system, with every value of what varies."""
    places = _places(root, len(plan.during))
    for number, (span, one) in enumerate(zip(places, plan.during, strict=True)):
        found = (
            _of_time(plan, cases, number)
            or _of_systems(plan, one)
            or _of_members(plan, one)
            or _of_those_that_are_up(plan, number)
            or _of_topology(plan, cases, number)
        )
        if found:
            yield Problem(span, *found)


def require_possible(plan: Plan, cases: Sequence[Case]) -> None:
    """Raise ``PlanError`` where what may be done to a plan as it was written cannot be at another size of it."""
    nowhere = Map(Span(1, 1), {})
    for problem in impossible_disturbances(plan, cases, nowhere):
        raise PlanError(f"`during` cannot be at this scale: {problem.text}", next_step=problem.allowed)


_Mistake = tuple[str, str]


def _places(root: Map, count: int) -> list[Span]:
    node = root.get("during")
    return [item.span for item in node.items] if isinstance(node, List) else [root.span] * count


def _of_time(plan: Plan, cases: Sequence[Case], number: int) -> _Mistake | None:
    """Each has a window of its own, of one step of the time series at least."""
    one, step_s = plan.during[number], max(case.load.interval_s for case in cases)
    shown, length = format_duration(one.at_s), format_duration(step_s)
    lasts = f" and {format_duration(one.lasts_s)}" if one.lasts_s else ""
    if one.at_s + one.lasts_s + step_s > plan.phases.measure_s:
        measured = format_duration(plan.phases.measure_s)
        return f"{shown}{lasts} leaves no step of {length} of a `measure` of {measured}", "an earlier `at`"
    before = plan.during[number - 1] if number else None
    if before is None or one.at_s >= before.at_s + max(step_s, before.lasts_s):
        return None
    why = (
        "which is not done by then" if before.lasts_s > step_s else f"of which each needs a step of {length}"
    )
    return f"{shown} is too soon after the one before it, {why}", "a later `at`, each after the other"


def _of_systems(plan: Plan, one: DisturbancePlan) -> _Mistake | None:
    proxied = [system for system in plan.systems if system.options.proxied]
    if not proxied:
        return f"`{one.do}` is of a proxy, and this plan has none", "a proxy among the `systems`"
    for system in proxied:
        if one.do not in system.options.disturbances:
            can = listed(sorted(system.options.disturbances))
            return f"`{one.do}` cannot be done to `{system.kind}`", f"of it: {can}"
    if one.do == "swap certificate" and plan.load.tls is None:
        return "without `tls` in `load` there is no certificate", "`tls: true`"
    return None


def _of_members(plan: Plan, one: DisturbancePlan) -> _Mistake | None:
    fewest = min(_fewest(plan))
    if one.member is not None and one.member > fewest:
        return f"there is no member {one.member} of {fewest}", f"1 to {fewest}"
    if one.do in {"kill", "drain"} and fewest > 1 and one.member is None:
        return f"`{one.do}` of every member leaves nothing", "`member: 1`"
    if one.do == "drain" and fewest == 1:
        return "`drain` of the only proxy leaves nothing", "`proxies: 2` or more, or `restart`"
    if one.do == "kill" and fewest == 1 and one.for_s is None:
        return "`kill` of the only proxy leaves nothing", "`for`, such as `for: 5 s`, or `proxies: 2` or more"
    return None


def _of_those_that_are_up(plan: Plan, number: int) -> _Mistake | None:
    """Return what is wrong with one that is done to what is down by then, or leaves nobody that serves."""
    fewest, one = min(_fewest(plan)), plan.during[number]
    down = {earlier.member or 1 for earlier in plan.during[:number] if earlier.leaves_it_down}
    if one.do == "pause origin" or not down:
        return None
    if one.member is None or one.member in down:
        which = min(down) if one.member is None else one.member
        return f"`{one.words}`: member {which} is down by then", "one that is up, or `for` where it is killed"
    if one.leaves_it_down and len(down | {one.member}) >= fewest:
        return f"`{one.words}` leaves nothing: the others are down by then", "`for`, or more `proxies`"
    return None


def _fewest(plan: Plan) -> Iterator[int]:
    varied = next((variable.values for variable in plan.vary if variable.name == "proxies"), None)
    for system in plan.systems:
        if isinstance(system.options, ProxyOptions):
            yield int(min(varied)) if varied else system.options.proxies


def _of_topology(plan: Plan, cases: Sequence[Case], number: int) -> _Mistake | None:
    one = plan.during[number]
    for case in cases:
        before, *after = topologies(case.topology, plan.during[: number + 1])
        try:
            after[-1].check()
        except ValueError as error:
            return f"`{one.words}`: {error}", "fewer"
        if one.do in {"add routes", "remove routes"} and not before.is_routed:
            return (
                "the one route takes whatever comes: it can have no other beside it",
                "`routes` of 2 or more",
            )
        if after[-1].routes < before.routes:
            return (
                "routes that the load asks for cannot be removed",
                "as many as were added before it, at most",
            )
        if after[-1].endpoints < 1:
            return "each service needs an endpoint", "fewer, or more `endpoints` in `topology`"
        if after[-1].services_in_all > after[-1].routes:
            return "some services would have no route", "fewer"
    return None
