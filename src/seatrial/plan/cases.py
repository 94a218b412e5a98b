"""From a plan to its cases and the order of its trials."""

from __future__ import annotations

import itertools
import random
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from seatrial.plan.model.variables import VARIABLES
from seatrial.systems.discoverers.options import DiscovererOptions

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from seatrial.plan.model.discovery import DiscoveryPlan
    from seatrial.plan.model.during import DisturbancePlan
    from seatrial.plan.model.load import LoadPlan
    from seatrial.plan.model.objects import ObjectsPlan
    from seatrial.plan.model.plan import PhasePlan, Plan
    from seatrial.plan.model.target import SystemPlan
    from seatrial.plan.model.variables import VariableName
    from seatrial.schema.fields import Model
    from seatrial.systems.origins.options import OriginPlan
    from seatrial.topology.options import TopologyPlan

Value = int | float
Narrowed = TypeVar("Narrowed", bound="Model")

# What a trial takes beside its phases: starting the proxy and the workers, and an orderly end.
SET_UP_S = 3.0
TEAR_DOWN_S = 2.0


@dataclass(frozen=True, slots=True)
class Case:
    """One combination of the plan's variables on one system; ``plan`` is the plan narrowed to it: nothing varies.

    A sanity cell (``is_sanity``) is one, too, of which the plan asks nothing but that it holds.
    """

    id: str
    variables: tuple[tuple[VariableName, Value], ...]
    plan: Plan
    is_sanity: bool = False

    @property
    def system(self) -> SystemPlan:
        """The one system."""
        return self.plan.systems[0]

    @property
    def load(self) -> LoadPlan:
        """What the workers do, with this case's values."""
        return self.plan.load

    @property
    def origin(self) -> OriginPlan:
        """The target service, with this case's values."""
        return self.plan.origin

    @property
    def topology(self) -> TopologyPlan:
        """The routes, services and endpoints, with this case's values."""
        return self.plan.topology

    @property
    def phases(self) -> PhasePlan:
        """How long the parts of a trial take."""
        return self.plan.phases

    @property
    def disturbances(self) -> tuple[DisturbancePlan, ...]:
        """What is done to the system while it is measured; nothing where there is no proxy."""
        if not self.system.options.proxied:
            return ()
        return tuple(one for one in self.plan.during if one.is_of(self.system.label))

    @property
    def objects(self) -> ObjectsPlan | None:
        """What is changed beside the traffic; nothing where there is no proxy, nor in a sanity cell."""
        return self.plan.objects if self.system.options.proxied and not self.is_sanity else None

    @property
    def discovery(self) -> DiscoveryPlan | None:
        """What its discoverer carries, None where it is none; nor is there anything of it in a sanity cell."""
        options, plan = self.system.options, self.plan.discovery
        if not isinstance(options, DiscovererOptions) or plan is None or self.is_sanity:
            return None
        return plan if options.source is None else plan.model_copy(update={"source": options.source})

    @property
    def scrape_s(self) -> float:
        """How often each proxy's metrics page is scraped; 0 is never, as in a sanity cell."""
        return 0.0 if self.is_sanity else self.plan.observe.scrape_s

    @property
    def spared(self) -> tuple[DisturbancePlan, ...]:
        """What the plan does to other systems, and not to this one."""
        done = self.disturbances
        return tuple(one for one in self.plan.during if one not in done)

    @property
    def ramp_s(self) -> float:
        """Seconds that opening every connection takes at the planned connect rate."""
        return (self.load.connections + self.load.active) / self.load.connect_rate_per_s

    @property
    def measuring_s(self) -> float:
        """Seconds from the first connection to the end of the measure window."""
        phases = self.phases
        return self.ramp_s + phases.stable_for_s + phases.warmup_s + phases.measure_s

    @property
    def expected_s(self) -> float:
        """Seconds that one trial takes if nothing has to be waited for; the cool down may take longer."""
        return SET_UP_S + self.measuring_s + TEAR_DOWN_S


def compile_cases(plan: Plan) -> tuple[Case, ...]:
    """Return the product of the systems and the variables' values, in the order of the plan."""
    names = [variable.name for variable in plan.vary]
    combinations = itertools.product(*(variable.values for variable in plan.vary))
    products = itertools.product(
        plan.systems, [tuple(zip(names, values, strict=True)) for values in combinations]
    )
    return tuple(_case(plan, system, variables) for system, variables in products)


def trial_order(plan: Plan, cases: tuple[Case, ...]) -> tuple[tuple[Case, int], ...]:
    """Return the trials as ``(case, repeat)``, repeats counting from 1.

    Every case is run once before any is run again, in an order drawn anew for each round from the plan's
    seed: so a slow drift of the machine spreads over all cases instead of favouring one.
    """
    chance = random.Random(plan.seed)
    order: list[tuple[Case, int]] = []
    for repeat in range(1, plan.repeat + 1):
        round_of_cases = list(cases)
        chance.shuffle(round_of_cases)
        order.extend((case, repeat) for case in round_of_cases)
    return tuple(order)


def again_order(
    plan: Plan, cases: tuple[Case, ...], missing: Mapping[str, int], turn: int
) -> tuple[Case, ...]:
    """Return the cases that are run once more in this turn, in an order of its own; ``missing`` is by the case's id."""
    again = [case for case in cases if missing.get(case.id)]
    random.Random(f"{plan.seed} again {turn}").shuffle(again)
    return tuple(again)


def expected_run_s(plan: Plan, cases: Iterable[Case]) -> float:
    """Return the seconds that the whole plan takes if nothing has to be waited for."""
    return plan.repeat * sum(case.expected_s for case in cases)


def _case(plan: Plan, system: SystemPlan, variables: tuple[tuple[VariableName, Value], ...]) -> Case:
    narrowed = plan.model_copy(update={"systems": (system,), "vary": ()})
    for name, value in variables:
        path = VARIABLES[name].path
        narrowed = (
            _of_system(narrowed, path[1], value)
            if path[0] == "systems"
            else _with_value(narrowed, path, value)
        )
    return Case(
        id="-".join([system.label, *(f"{name}={_id_value(value)}" for name, value in variables)]),
        variables=variables,
        plan=narrowed,
    )


def _of_system(plan: Plan, name: str, value: Value) -> Plan:
    """Return the plan with an option of its one system replaced; one that has no such option stays as it is."""
    (system,) = plan.systems
    if name not in type(system.options).model_fields:
        return plan
    options = _with_value(system.options, (name,), value)
    return plan.model_copy(update={"systems": (system.model_copy(update={"options": options}),)})


def _with_value(model: Narrowed, path: tuple[str, ...], value: Value) -> Narrowed:
    name, *further = path
    new = _with_value(getattr(model, name), tuple(further), value) if further else value
    return model.model_copy(update={name: new})


def _id_value(value: Value) -> str:
    return f"{value:d}" if isinstance(value, int) else repr(value)
