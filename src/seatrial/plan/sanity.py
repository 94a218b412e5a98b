"""The sanity cells of a plan, which are run before its cases: for each system a rate, and idle connections.

Figures are those of the procedure that the authors of "Performance Testing Ingress for Internet-Scale Workloads" (2018)
followed by hand: 2 minutes at 10,000 requests/s with a p99 below 10 ms, and 10,000 idle connections that the proxy
counts itself, while it has none to its origin.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from seatrial.plan.cases import Case, compile_cases
from seatrial.plan.metrics import AT_ORIGIN, COUNTED, UPSTREAM
from seatrial.plan.model.load import LoadPlan
from seatrial.plan.model.plan import Objective
from seatrial.systems.origins.options import DelayPlan
from seatrial.units import format_duration, format_rate

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from seatrial.plan.model.plan import Plan
    from seatrial.plan.model.sanity import SanityPlan

RATE_PER_S, CONNECTIONS, FOR_S = 10_000.0, 10_000, 120.0
LEAST_REQUESTS = 100
"""Of fewer the p99 is the slowest, whatever it is called."""

_ERRORS = Objective(text="errors == 0", metric="errors", comparison="==", threshold=0)


def sanity_cells(plan: Plan) -> tuple[Case, ...]:
    """Return the cells in the order in which they are run; none where the plan wants none.

    Each is a case of its own, whose plan is narrowed to one system: variables have their first values.
    """
    if plan.sanity is None:
        return ()
    cases = compile_cases(plan)
    first = {case.system.label: case for case in reversed(cases)}
    return tuple(
        cell for system in plan.systems for cell in _cells_of(first[system.label], cases, plan.sanity)
    )


def expected_sanity_s(plan: Plan) -> float:
    """Return the seconds that all cells take if nothing has to be waited for, and each once."""
    return sum(cell.expected_s for cell in sanity_cells(plan))


def impossible_sanity(plan: Plan) -> tuple[str, str] | None:
    """Return what is wrong with the plan's sanity cells, and what is allowed; None where nothing is."""
    sanity = plan.sanity
    if sanity is None:
        return None
    cases = compile_cases(plan)
    rate_per_s, connections = most_asked(cases)
    if not rate_per_s and not connections:
        return (
            "there is nothing that a sanity cell could look at: no rate, and no idle connections",
            "`sanity: no`",
        )
    if sanity.rate_per_s is not None and sanity.rate_per_s > rate_per_s:
        return (
            f"`rate`: {format_rate(sanity.rate_per_s)} is more than the plan asks of any case",
            f"at most {format_rate(rate_per_s)}" if rate_per_s else "no such key: the plan has no rate",
        )
    if sanity.connections is not None and sanity.connections > connections:
        return (
            f"`connections`: {sanity.connections:,} are more than the plan holds in any case",
            f"at most {connections}" if connections else "no such key: the plan holds none",
        )
    for cell in sanity_cells(plan):
        requests = (cell.load.rate_per_s or 0) * cell.phases.measure_s
        if cell.load.sends and requests < LEAST_REQUESTS:
            lasts = format_duration(cell.phases.measure_s)
            return (
                f"a sanity cell of {requests:,.0f} requests in {lasts} has no p99",
                f"a `for` of at least {format_duration(LEAST_REQUESTS / (cell.load.rate_per_s or 1))}",
            )
    return None


def most_asked(cases: Sequence[Case]) -> tuple[float, int]:
    """Return the highest rate of any case, 0 where none has one, and the most idle connections."""
    return (
        max(case.load.peak_rate_per_s or 0.0 for case in cases),
        max(case.load.connections for case in cases),
    )


def _cells_of(case: Case, cases: Sequence[Case], sanity: SanityPlan) -> Iterator[Case]:
    """Yield the cells of the system of ``case``."""
    rate_per_s, connections = most_asked(cases)
    active = max(other.load.active for other in cases)
    for_s = min(FOR_S, case.phases.measure_s) if sanity.for_s is None else sanity.for_s
    if rate_per_s:
        wanted_per_s = min(sanity.rate_per_s or RATE_PER_S, rate_per_s)
        yield _cell(case, "rate", _at_rate(case, wanted_per_s, active), _of_rate(sanity), for_s)
    if connections:
        held = min(sanity.connections or CONNECTIONS, connections)
        yield _cell(case, "idle", _idle(case, held), _of_idle(case, held), for_s)


def _cell(case: Case, name: str, load: LoadPlan, objectives: tuple[Objective, ...], for_s: float) -> Case:
    # A delay of the origin's is a part of what the plan measures, and none of whether all is in order.
    origin = case.origin.model_copy(update={"delay": DelayPlan(), "capacity_per_s": None})
    update = {
        "load": load,
        "origin": origin,
        "phases": case.phases.model_copy(update={"measure_s": for_s}),
        "objectives": objectives,
        "repeat": 1,
        "sanity": None,
        "during": (),
    }
    return Case(f"sanity-{name}-{case.system.label}", (), case.plan.model_copy(update=update), is_sanity=True)


def _at_rate(case: Case, rate_per_s: float, active: int) -> LoadPlan:
    return case.load.model_copy(
        update={
            "connections": 0,
            "hold_traffic": "silent",
            "active": active,
            "rate_per_s": rate_per_s,
            "profile": None,
            "expect_status": case.load.expect_status or (case.origin.status,),
        }
    )


def _idle(case: Case, connections: int) -> LoadPlan:
    nothing_sent = LoadPlan(active=0, connections=connections)
    kept = ("connect_rate_per_s", "timeout_s", "workers", "driver", "interval_s", "sources", "tls")
    return nothing_sent.model_copy(update={name: getattr(case.load, name) for name in kept})


def _of_rate(sanity: SanityPlan) -> tuple[Objective, ...]:
    text = f"p99 < {format_duration(sanity.p99_s)}"
    return Objective(text=text, metric="p99", comparison="<", threshold=sanity.p99_s * 1e6), _ERRORS


def _of_idle(case: Case, connections: int) -> tuple[Objective, ...]:
    counted = Objective(
        text=f"connections counted == {connections}", metric=COUNTED, comparison="==", threshold=connections
    )
    if not case.system.options.proxied:
        return counted, _ERRORS
    upstream = Objective(text="connections to the origin == 0", metric=UPSTREAM, comparison="==", threshold=0)
    arrived = Objective(text="connections at the origin == 0", metric=AT_ORIGIN, comparison="==", threshold=0)
    return counted, upstream, arrived, _ERRORS
