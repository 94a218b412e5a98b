"""From where to where the network is measured, and whether a plan pays for that."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from seatrial.plan.cases import expected_run_s
from seatrial.preflight.capacity import asked_most
from seatrial.preflight.places.cluster import network_not_measured
from seatrial.units import format_duration

if TYPE_CHECKING:
    from collections.abc import Sequence

    from seatrial.plan.cases import Case
    from seatrial.plan.model.plan import Plan
    from seatrial.run.places.ends import End, Ends

MEASURE_S = 1.0
"""Of each figure: a second has a thousand bodies of a megabyte and more, and what they take to settle is left out."""
FIGURES = 5
"""Both directions over one connection and over several, and small requests."""
WAY_S = (FIGURES + 4) * (MEASURE_S + 0.5)
"""What one way takes about: the engine's figures, and the four of iperf3 where it is installed."""
POD_WAY_S = 20.0
"""On a cluster: pods of both ends are started, and each start of a load is announced two seconds before."""

AUTO_TIMES_AS_LONG = 20
"""`auto` spends at most 5 % of a run on it."""
AUTO_BYTES_PER_S = 50e6
"""`auto` measures whatever it takes where a plan asks for more than this: a tenth of what one slow core carries over
loopback. Below it the answer is known."""


@dataclass(frozen=True, slots=True)
class Way:
    """From the clients of one role to the servers of another; ``name`` is for people."""

    name: str
    clients: End
    servers: End


def way_names(plan: Plan) -> tuple[str, ...]:
    """Return the ways that the cases of a plan use. On loopback all of them are one."""
    if plan.place == "machine":
        return ("loopback",)
    proxied = {system.options.proxied for system in plan.systems}
    through = ("load - proxy", "proxy - origin") if True in proxied else ()
    return (*through, *(("load - origin",) if False in proxied else ()))


def ways_of(plan: Plan, at: Ends) -> tuple[Way, ...]:
    """Return them with their two ends."""
    ends = {
        "loopback": (at.load, at.origin),
        "load - proxy": (at.load, at.proxy),
        "proxy - origin": (at.proxy, at.origin),
        "load - origin": (at.load, at.origin),
    }
    return tuple(Way(name, *ends[name]) for name in way_names(plan))


def expected_s(plan: Plan) -> float:
    """Return how long measuring takes."""
    return (POD_WAY_S if plan.place == "kubernetes" else WAY_S) * len(way_names(plan))


def ways_text(plan: Plan) -> str:
    """Return, for people, which ways there are and how long measuring them takes."""
    return f"({', '.join(way_names(plan))}), about {format_duration(round(expected_s(plan)))}"


def plan_text(plan: Plan, cases: Sequence[Case]) -> str:
    """Return, for people, what a plan asks of the network and whether that is measured first."""
    asked = "; ".join(f"largest case {one.case.id}: {one.text}" for one in asked_most(cases))
    if is_measured(plan, cases):
        first = f"measured first {ways_text(plan)} more"
    elif why := network_not_measured(plan):
        first = f"not measured: {why}"
    else:
        first = "not measured (`capacity: always`, or `seatrial check PLAN --network`, does)"
    return f"{first}; {asked or 'closed loops ask for what they get'}"


def is_measured(plan: Plan, cases: Sequence[Case]) -> bool:
    """Return whether the network is measured before the first trial of this plan."""
    if network_not_measured(plan) is not None:
        return False
    if plan.capacity != "auto":
        return plan.capacity == "always"
    is_long = expected_run_s(plan, cases) >= AUTO_TIMES_AS_LONG * expected_s(plan)
    return is_long or any(asked.bytes_per_s > AUTO_BYTES_PER_S for asked in asked_most(cases))
