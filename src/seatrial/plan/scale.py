"""A plan at a part of its size, for a machine that is smaller than the one it was written for."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING, Any

from seatrial.errors import PlanError
from seatrial.plan.model.variables import VARIABLES
from seatrial.plan.sanity import CONNECTIONS, RATE_PER_S
from seatrial.workload.profile import Stretch, parse_profile

if TYPE_CHECKING:
    from seatrial.plan.model.discovery import DiscoveryPlan
    from seatrial.plan.model.load import LoadPlan
    from seatrial.plan.model.objects import ObjectsPlan
    from seatrial.plan.model.plan import Plan, Variable
    from seatrial.plan.model.sanity import SanityPlan
    from seatrial.plan.model.target import SystemPlan
    from seatrial.topology.options import TopologyPlan

SIZES = ("connections", "rate", "active", "routes", "services", "changed_routes", "discovered_services")
"""What is scaled. Times, bodies, and how fast connections are opened stay as they are: they are no sizes."""


def parse_scale(words: str) -> Fraction:
    """Read ``1/10`` or ``0.1``; raises PlanError where it is not above 0 and at most 1."""
    try:
        scale = Fraction(words.strip())
    except (ValueError, ZeroDivisionError):
        scale = Fraction(0)
    if not 0 < scale <= 1:
        raise PlanError(f"--scale {words} is no part of a whole", next_step="a fraction such as 1/10")
    return scale


def scaled(plan: Plan, scale: Fraction) -> Plan:
    """Return the plan with its sizes scaled, each 1 at least (2 routes and services beside ``objects``).

    Name and question say so in every output.

    Values of a variable that are the same then are one. Proxies scale along, unless their number is what varies.
    """
    if scale == 1:
        return plan
    part = f"{scale.numerator}/{scale.denominator}"
    *others, last = _sizes_of(plan)
    listed = f"{', '.join(others)} and {last}"
    update: dict[str, Any] = {
        "name": f"{plan.name}-at-{scale.numerator}-{scale.denominator}",
        "question": f"{plan.question or plan.name} (at {part} of its size: {listed})",
        "load": _load(plan.load, scale),
        "topology": _topology(plan.topology, scale, _least(plan)),
        "sanity": _sanity(plan.sanity, scale),
        "objects": _objects(plan.objects, scale),
        "discovery": _discovery(plan.discovery, scale),
        "vary": tuple(_variable(variable, scale, _least(plan)) for variable in plan.vary),
    }
    if _scales_proxies(plan):
        update["systems"] = tuple(_system(system, scale) for system in plan.systems)
    return plan.model_copy(update=update)


def _scales_proxies(plan: Plan) -> bool:
    return not any(variable.name == "proxies" for variable in plan.vary)


def _sizes_of(plan: Plan) -> tuple[str, ...]:
    """Return what of the plan is scaled, as its outputs name it."""
    lacking = {
        *(() if plan.objects else ("changed_routes",)),
        *(() if plan.discovery else ("discovered_services",)),
    }
    sizes = tuple(name for name in SIZES if name not in lacking)
    has_fleet = any(getattr(system.options, "proxies", 1) > 1 for system in plan.systems)
    return (*sizes, "proxies") if has_fleet and _scales_proxies(plan) else sizes


def _load(load: LoadPlan, scale: Fraction) -> LoadPlan:
    update: dict[str, Any] = {
        "connections": _count(load.connections, scale) if load.connections else 0,
        "active": _count(load.active, scale) if load.active else 0,
    }
    if load.rate_per_s is not None:
        update["rate_per_s"] = float(load.rate_per_s * scale)
    if load.profile is not None:
        parts = (
            Stretch(part.length_s, float(part.from_per_s * scale), float(part.to_per_s * scale))
            for part in parse_profile(load.profile)
        )
        update["profile"] = ",".join(map(str, parts))
    return load.model_copy(update=update)


def _sanity(sanity: SanityPlan | None, scale: Fraction) -> SanityPlan | None:
    if sanity is None:
        return None
    update = {
        "rate_per_s": float((sanity.rate_per_s or RATE_PER_S) * scale),
        "connections": _count(sanity.connections or CONNECTIONS, scale),
    }
    return sanity.model_copy(update=update)


def _least(plan: Plan) -> int:
    """Return how few routes and services a plan may have: what changes leads to one of two."""
    return 1 if plan.objects is None else 2


def _topology(topology: TopologyPlan, scale: Fraction, least: int) -> TopologyPlan:
    services = None if topology.services is None else _count(topology.services, scale, least)
    return topology.model_copy(update={"routes": _count(topology.routes, scale, least), "services": services})


def _objects(objects: ObjectsPlan | None, scale: Fraction) -> ObjectsPlan | None:
    if objects is None:
        return None
    return objects.model_copy(update={"routes": _count(objects.routes, scale)})


def _discovery(discovery: DiscoveryPlan | None, scale: Fraction) -> DiscoveryPlan | None:
    if discovery is None:
        return None
    update = {
        "services": _count(discovery.services, scale, discovery.namespaces),
        "storm": _count(discovery.storm, scale) if discovery.storm else 0,
    }
    return discovery.model_copy(update=update)


def _variable(variable: Variable, scale: Fraction, least: int) -> Variable:
    if variable.name not in SIZES:
        return variable
    least = least if variable.name in {"routes", "services"} else 1
    quantity = VARIABLES[variable.name].quantity
    is_count = quantity.unit.name == "count"
    values = (
        _count(value, scale, least) if is_count and value else type(value)(value * scale)
        for value in variable.values
    )
    return variable.model_copy(update={"values": tuple(dict.fromkeys(values))})


def _system(system: SystemPlan, scale: Fraction) -> SystemPlan:
    proxies = getattr(system.options, "proxies", 1)
    if proxies == 1:
        return system
    options = system.options.model_copy(update={"proxies": _count(proxies, scale)})
    return system.model_copy(update={"options": options})


def _count(count: float, scale: Fraction, least: int = 1) -> int:
    return max(least, round(count * scale))
