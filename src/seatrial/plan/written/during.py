"""What a plan's ``during`` cannot be: said with its place, for the systems and the topology of every case."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from seatrial.errors import PlanError
from seatrial.plan.model.during import DisturbancePlan, topologies
from seatrial.plan.yaml.problems import Problem, Span, listed
from seatrial.plan.yaml.yaml12 import List, Map
from seatrial.systems.disturbance import OF_ORIGIN, Action, why_not
from seatrial.systems.options import ProxyOptions
from seatrial.units import format_duration

if TYPE_CHECKING:
    from collections.abc import Iterator

    from seatrial.plan.cases import Case
    from seatrial.plan.model.plan import Plan
    from seatrial.plan.model.target import SystemPlan
    from seatrial.topology.options import TopologyPlan


def impossible_disturbances(plan: Plan, cases: Sequence[Case], root: Map) -> Iterator[Problem]:
    """Yield what cannot be done; ``cases`` are those of one system, with every value of what varies."""
    places = _places(root, len(plan.during))
    for number, (span, one) in enumerate(zip(places, plan.during, strict=True), start=1):
        found = _of_nobody(plan, one)
        for system in plan.systems if found is None else ():
            if found is None and system.options.proxied and one.is_of(system.label):
                done = [each for each in plan.during[:number] if each.is_of(system.label)]
                found = _of_system(plan, cases, system, done)
        if found:
            yield Problem(span, *found)


def require_possible(plan: Plan, cases: Sequence[Case]) -> None:
    """Raise ``PlanError`` where what may be done to a plan as it was written cannot be at another size of it."""
    nowhere = Map(Span(1, 1), {})
    for problem in impossible_disturbances(plan, cases, nowhere):
        raise PlanError(f"`during` cannot be at this scale: {problem.text}", next_step=problem.allowed)


_Mistake = tuple[str, str]
Done = Sequence[DisturbancePlan]
"""What is done to one system, up to the one that is looked at."""


def _places(root: Map, count: int) -> list[Span]:
    node = root.get("during")
    return [item.span for item in node.items] if isinstance(node, List) else [root.span] * count


def _of_nobody(plan: Plan, one: DisturbancePlan) -> _Mistake | None:
    """Return what is wrong with the systems that it names, or with there being none."""
    proxied = [system.label for system in plan.systems if system.options.proxied]
    if not proxied:
        return f"`{one.do}` is of a proxy, and this plan has none", "a proxy among the `systems`"
    for label in one.systems or ():
        if label not in proxied:
            has = any(system.label == label for system in plan.systems)
            why = f"`{label}` has no proxy" if has else f"no system of this plan has the label `{label}`"
            return why, f"of the `systems`: {listed(proxied)}"
    return None


def _of_system(plan: Plan, cases: Sequence[Case], system: SystemPlan, done: Done) -> _Mistake | None:
    return (
        _of_time(plan, cases, done)
        or _of_kind(plan, system, done[-1])
        or _of_members(plan, system, done[-1])
        or _of_those_that_are_up(plan, system, done)
        or _of_topology(cases, done)
    )


def _of_time(plan: Plan, cases: Sequence[Case], done: Done) -> _Mistake | None:
    """Each has a window of its own, of one step of the time series at least."""
    *earlier, one = done
    step_s = max(case.load.interval_s for case in cases)
    shown, length = format_duration(one.at_s), format_duration(step_s)
    lasts = f" and {format_duration(one.lasts_s)}" if one.lasts_s else ""
    if one.at_s + one.lasts_s + step_s > plan.phases.measure_s:
        measured = format_duration(plan.phases.measure_s)
        return f"{shown}{lasts} leaves no step of {length} of a `measure` of {measured}", "an earlier `at`"
    if not earlier or one.at_s >= earlier[-1].at_s + max(step_s, earlier[-1].lasts_s):
        return None
    why = (
        "which is not done by then"
        if earlier[-1].lasts_s > step_s
        else f"of which each needs a step of {length}"
    )
    return f"{shown} is too soon after the one before it, {why}", "a later `at`, each after the other"


def _of_kind(plan: Plan, system: SystemPlan, one: DisturbancePlan) -> _Mistake | None:
    possible = _possible(plan, system)
    if one.do not in possible:
        can = [other.label for other in plan.systems if one.do in _possible(plan, other)]
        named = f"`systems: [{', '.join(can)}]` with it, or " if can else ""
        on_cluster = possible == system.options.disturbances_on_cluster
        which = f"`{system.kind}`{' on a cluster' if on_cluster else ''}"
        if not possible:
            return f"nothing can be done to {which} while it is measured", f"{named}no `during`"
        why = why_not(one.do, on_cluster=on_cluster)
        words = listed(sorted(possible))
        return (
            f"`{one.do}` cannot be done to {which}{f': {why}' if why else ''}",
            f"{named}of `{system.kind}`: {words}",
        )
    if one.do == "swap certificate" and plan.load.tls is None:
        return "without `tls` in `load` there is no certificate", "`tls: true`"
    if one.do == "pause endpoint" and plan.origin.kind != "seatrial":
        return (
            f"an origin of kind `{plan.origin.kind}` is one process for all of its endpoints",
            "`origin: {kind: seatrial}`, or `pause origin`",
        )
    return None


def _possible(plan: Plan, system: SystemPlan) -> frozenset[Action]:
    """Return what may be done to a system where the plan says that it runs; a run may say otherwise still."""
    options = system.options
    return options.disturbances_on_cluster if plan.place == "kubernetes" else options.disturbances


def _of_members(plan: Plan, system: SystemPlan, one: DisturbancePlan) -> _Mistake | None:
    fewest = _fewest(plan, system)
    if one.member is not None and one.member > fewest:
        return f"there is no member {one.member} of {fewest}", f"1 to {fewest}"
    if one.do in {"kill", "drain"} and fewest > 1 and one.member is None:
        return f"`{one.do}` of every member leaves nothing", "`member: 1`"
    if one.do == "drain" and fewest == 1:
        return "`drain` of the only proxy leaves nothing", "`proxies: 2` or more, or `restart`"
    if one.do == "kill" and fewest == 1 and one.for_s is None:
        return "`kill` of the only proxy leaves nothing", "`for`, such as `for: 5 s`, or `proxies: 2` or more"
    return None


def _of_those_that_are_up(plan: Plan, system: SystemPlan, done: Done) -> _Mistake | None:
    """Return what is wrong with one that is done to what is down by then, or leaves nobody that serves."""
    *before, one = done
    down = {earlier.member or 1 for earlier in before if earlier.leaves_it_down}
    if one.do in OF_ORIGIN or not down:
        return None
    if one.member is None or one.member in down:
        which = min(down) if one.member is None else one.member
        return f"`{one.words}`: member {which} is down by then", "one that is up, or `for` where it is killed"
    if one.leaves_it_down and len(down | {one.member}) >= _fewest(plan, system):
        return f"`{one.words}` leaves nothing: the others are down by then", "`for`, or more `proxies`"
    return None


def _fewest(plan: Plan, system: SystemPlan) -> int:
    """Return how many proxies it has, the fewest where their number varies."""
    varied = next((variable.values for variable in plan.vary if variable.name == "proxies"), None)
    if not isinstance(system.options, ProxyOptions):
        return 1
    return int(min(varied)) if varied else system.options.proxies


def _of_topology(cases: Sequence[Case], done: Done) -> _Mistake | None:
    for case in cases:
        *_, before, after = topologies(case.topology, done)
        if mistake := _of_endpoint(before, done[-1]) or _of_change(case.topology, before, after, done[-1]):
            return mistake
    return None


def _of_endpoint(now: TopologyPlan, one: DisturbancePlan) -> _Mistake | None:
    """Return what is wrong with an endpoint that is paused in the topology of then."""
    if one.endpoint is not None and one.endpoint > now.endpoints:
        return (
            f"there is no endpoint {one.endpoint} of {now.endpoints}: each service has so many by then",
            f"1 to {now.endpoints}",
        )
    if one.service is not None and one.service not in now.service_names:
        first, last = now.service_names[0], now.service_names[-1]
        return (
            f"there is no service `{one.service}` by then",
            f"`{first}`" if first == last else f"`{first}` to `{last}`",
        )
    return None


def _of_change(
    asked: TopologyPlan, before: TopologyPlan, after: TopologyPlan, one: DisturbancePlan
) -> _Mistake | None:
    """Return what is wrong with a topology after a change, where the load asks for the routes of the first."""
    try:
        after.check()
    except ValueError as error:
        return f"`{one.words}`: {error}", "fewer"
    if one.do in {"add routes", "remove routes"} and not before.is_routed:
        return "the one route takes whatever comes: it can have no other beside it", "`routes` of 2 or more"
    if after.routes < asked.routes:
        return "routes that the load asks for cannot be removed", "as many as were added before it, at most"
    if after.endpoints < 1:
        return "each service needs an endpoint", "fewer, or more `endpoints` in `topology`"
    if after.services_in_all > after.routes:
        return "some services would have no route", "fewer"
    return None
