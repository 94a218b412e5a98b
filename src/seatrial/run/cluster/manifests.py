"""The objects that a plan stands for on a cluster, without one: nothing is asked, and nothing is made."""

from __future__ import annotations

from typing import TYPE_CHECKING

from seatrial.errors import PlanError
from seatrial.plan.cases import compile_cases
from seatrial.systems.installed.kinds.recipe import Asked
from seatrial.systems.installed.manifests.objects import ROLE, Site
from seatrial.systems.installed.stream import Behind, objects_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from seatrial.plan.cases import Case
    from seatrial.plan.model.plan import Plan
    from seatrial.systems.installed.manifests.objects import Object

    Further = Callable[[Case, Site], Iterator[Object]]
    """What else of a case becomes objects: the Job of its workers."""


def chosen_cases(plan: Plan, case_id: str | None) -> tuple[Case, ...]:
    """Return the case of this id, or the first of each system; raises ``PlanError`` where there is none."""
    cases = compile_cases(plan)
    if case_id is None:
        return tuple({case.system.label: case for case in reversed(cases)}.values())[::-1]
    found = tuple(case for case in cases if case.id == case_id)
    if not found:
        raise PlanError(
            f"the plan {plan.name} has no case {case_id}",
            next_step=f"one of its {len(cases)} cases, such as {cases[0].id}: seatrial plan show",
        )
    return found


def site_of(case: Case, *, by_role: bool) -> Site:
    """Return where a case's system goes; ``by_role`` it is on nodes that are for proxies."""
    name = f"seatrial-{case.plan.name}-{case.system.label}"
    return Site(_dns_label(name), case.system.label, {ROLE: "proxy"} if by_role else {})


def case_objects(case: Case, site: Site, *, image: str, further: Further | None = None) -> Iterator[Object]:
    """Yield what a run makes for a trial of a case, in the order in which it may be made."""
    load = case.load
    asked = Asked(load.tls is not None, load.connections + load.active)
    behind = Behind(case.topology, case.origin, image, load.any_host)
    yield from objects_of(site, case.system.options, behind, asked)
    if further is not None:
        yield from further(case, site)


_DNS_LABEL_LIMIT = 63


def _dns_label(name: str) -> str:
    return "".join(letter if letter.isalnum() else "-" for letter in name.lower())[:_DNS_LABEL_LIMIT].strip(
        "-"
    )
