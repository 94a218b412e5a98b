"""The compiled plan as text: every default filled in, every limit, the cases and how long it all takes."""

from __future__ import annotations

import json
import textwrap
from typing import TYPE_CHECKING

from seatrial.limits import named_limits
from seatrial.plan.cases import expected_run_s, trial_order
from seatrial.plan.model.cpus import cpus_text
from seatrial.plan.model.variables import VARIABLES
from seatrial.plan.sanity import expected_sanity_s, sanity_cells
from seatrial.plan.shown.command import ADDRESS, case_command
from seatrial.schema.fields import Model, quantity_of
from seatrial.systems.options import SystemOptions
from seatrial.units import format_count, format_duration, format_rate

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from seatrial.plan.cases import Case
    from seatrial.plan.model.during import DisturbancePlan
    from seatrial.plan.model.plan import CapacityChoice, PlaceName, Plan

ORDER_COLUMNS = 110
CAPACITIES: Mapping[CapacityChoice, str] = {
    "auto": "auto (the network is measured before long and heavy runs)",
    "always": "always (the network is measured first)",
    "never": "never (the network is not measured)",
}
PLACES: Mapping[PlaceName, str] = {
    "machine": "machine (all roles on its loopback)",
    "namespaces": "namespaces (load, proxy and origin in one each, joined by veth pairs)",
    "kubernetes": "kubernetes (pods of a cluster)",
}
# What is meant where the plan leaves it out; the first two are decided from the machine.
_LEFT_OUT = {
    "workers": "automatic",
    "sources": "automatic",
    "services": "one for each route",
    "keepalive_upstream": "as many as come",
    "buffer_bytes": "its default",
    "header_buffer_bytes": "its default",
}


def plan_text(plan: Plan, cases: Sequence[Case]) -> str:
    """Return what `seatrial plan show` prints."""
    blocks = [
        _columns(_head(plan)),
        *(f"{name}\n{_columns(_section(section, plan))}" for name, section in _sections(plan)),
        *_during(plan),
        *_observed(plan),
        *_sanity(sanity_cells(plan)),
        f"cases\n{_columns(_case_row(case) for case in cases)}",
        f"as single loads, where {ADDRESS} is the system's\n{_columns(_commands(cases))}",
        f"limits\n{_columns((f'  {name}', str(value)) for name, value in named_limits().items())}",
        _columns(_sums(plan, cases)),
    ]
    return "\n\n".join(blocks)


def schedule_text(plan: Plan, cases: Sequence[Case]) -> str:
    """Return what is to be run: the cases, the order of the trials, and how long all of it takes."""
    order = ", ".join(
        f"{number} {case.id}" for number, (case, _) in enumerate(trial_order(plan, tuple(cases)), start=1)
    )
    blocks = [
        _columns(_head(plan)),
        *_during(plan),
        *_sanity(sanity_cells(plan)),
        f"cases\n{_columns(_case_row(case) for case in cases)}",
        f"order\n{textwrap.indent(textwrap.fill(order, ORDER_COLUMNS, break_on_hyphens=False), '  ')}",
        _columns(_sums(plan, cases)),
    ]
    return "\n\n".join(blocks)


def rest_text(
    plan: Plan, what_there_is: str, sanity: Sequence[Case], rest: Sequence[tuple[int, Case]]
) -> str:
    """Return what is left of a run: sanity cells, the trials by their numbers, and how long they take."""
    order = ", ".join(f"{number} {case.id}" for number, case in rest)
    expected_s = sum(case.expected_s for case in (*sanity, *(case for _, case in rest)))
    blocks = [
        _columns(_head(plan)),
        what_there_is,
        *_sanity(sanity),
        f"left\n{textwrap.indent(textwrap.fill(order, ORDER_COLUMNS, break_on_hyphens=False), '  ')}",
        _columns([("trials", format_count(len(rest))), ("expected", format_duration(round(expected_s)))]),
    ]
    return "\n\n".join(blocks)


def _sanity(cells: Sequence[Case]) -> Iterator[str]:
    """Yield the block of the sanity cells, where there are any."""
    if cells:
        yield f"sanity, first\n{_columns(_sanity_row(cell) for cell in cells)}"


def _sanity_row(cell: Case) -> Sequence[str]:
    load = cell.load
    asked = format_rate(load.rate_per_s or 0) if load.sends else f"{format_count(load.connections)} idle"
    holds = ", ".join(objective.text for objective in cell.plan.objectives)
    return f"  {cell.id}", asked, holds, f"in all {format_duration(round(cell.expected_s, 1))}"


def _head(plan: Plan) -> Iterator[Sequence[str]]:
    yield "plan", plan.name
    yield "question", " ".join((plan.question or "none").split())
    yield "place", PLACES[plan.place]
    yield "cpus", cpus_text(plan.cpus)
    yield "capacity", CAPACITIES[plan.capacity]
    yield "seed", str(plan.seed)
    for objective in plan.objectives:
        yield "objective", objective.text


def _during(plan: Plan) -> Iterator[str]:
    rows = ((f"  {format_duration(one.at_s)}", one.words, _of_systems(one)) for one in plan.during)
    if plan.during:
        yield f"during (from the start of the measure phase)\n{_columns(rows)}"


def _observed(plan: Plan) -> Iterator[str]:
    if plan.observe is not None:
        rows = ((f"  {query.name}", query.unit or "no unit", query.query) for query in plan.observe.queries)
        yield f"observe (the measure phase, by {plan.observe.prometheus.url})\n{_columns(rows)}"


def _of_systems(one: DisturbancePlan) -> str:
    return "" if one.systems is None else f"of {', '.join(one.systems)} only"


def _sections(plan: Plan) -> Iterator[tuple[str, Model]]:
    for system in plan.systems:
        name = (
            f"system {system.label}"
            if system.label == system.kind
            else f"system {system.label} ({system.kind})"
        )
        yield name, system.options
    yield "origin", plan.origin
    yield "topology", plan.topology
    yield "load", plan.load
    yield "phases", plan.phases
    if plan.place == "kubernetes":
        yield "kubernetes", plan.kubernetes


def _section(section: Model, plan: Plan | None = None) -> Iterator[Sequence[str]]:
    """Yield a row for each field; ``plan`` is given where one of its variables may stand in for the value."""
    fields = type(section).model_fields
    varied = (
        {variable.name for variable in plan.vary}
        if plan and (section in (plan.load, plan.origin, plan.topology) or isinstance(section, SystemOptions))
        else set()
    )
    names = [name for name in fields if name != "kind" or not isinstance(section, SystemOptions)]
    for name in names:
        key = fields[name].alias or name
        yield f"  {key}", "varies" if key in varied else _value(section, name)
    if not names:
        yield "  no options", ""


def _value(section: Model, name: str) -> str:
    value = getattr(section, name)
    quantity = quantity_of(type(section).model_fields[name])
    if quantity and isinstance(value, int | float):
        return quantity.unit.show(value)
    if isinstance(value, Model):
        return ", ".join(" ".join(row).strip() for row in _section(value))
    if isinstance(value, tuple) and value:
        return ", ".join(": ".join(item) if isinstance(item, tuple) else str(item) for item in value)
    if isinstance(value, bool | dict):
        return json.dumps(value, ensure_ascii=False)
    if value is None or value == ():
        return _LEFT_OUT.get(name, "none")
    return str(value)


def _values(case: Case) -> list[str]:
    return [f"{name} {VARIABLES[name].quantity.unit.show(value)}" for name, value in case.variables]


def _case_row(case: Case) -> Sequence[str]:
    ramp = f"ramp {format_duration(round(case.ramp_s, 1))}"
    return f"  {case.id}", *_values(case), ramp, f"in all {format_duration(round(case.expected_s, 1))}"


def _commands(cases: Sequence[Case]) -> Iterator[Sequence[str]]:
    """Yield each load once, with its values: every system of a plan gets the same."""
    for command, case in reversed({case_command(case): case for case in reversed(cases)}.items()):
        yield "  " + " ".join(_values(case)), command


def _sums(plan: Plan, cases: Sequence[Case]) -> Iterator[Sequence[str]]:
    count = len(cases)
    yield "cases", str(count)
    yield (
        "trials",
        f"{format_count(count * plan.repeat)} ({count} cases, {plan.repeat} times each, in randomised order)",
    )
    yield "again", f"at most {plan.retry} of each case, in place of trials that cannot be believed"
    if sanity := expected_sanity_s(plan):
        yield "sanity", f"{format_duration(round(sanity))} before the first trial, if each cell holds at once"
    yield "under load", format_duration(round(plan.repeat * sum(case.measuring_s for case in cases)))
    yield "expected", format_duration(round(expected_run_s(plan, cases) + expected_sanity_s(plan)))


def _columns(rows: Iterable[Sequence[str]]) -> str:
    """Align the rows' cells; the last cell of a row may be as long as it likes."""
    table = list(rows)
    width = max(len(row) for row in table)
    widths = [max((len(row[at]) for row in table if at < len(row) - 1), default=0) for at in range(width)]
    lines = ("  ".join(cell.ljust(widths[at]) for at, cell in enumerate(row)).rstrip() for row in table)
    return "\n".join(lines)
