"""What a plan is: frozen models with unit-suffixed names and plain numbers.

The names in YAML are the aliases. Every field's description and examples become the JSON Schema and the plan
reference. Nothing past this package sees a string for a duration or a mapping for a thing.
"""

from __future__ import annotations

import ipaddress
from typing import Annotated, Literal, TypeAlias

from pydantic import Field, field_validator, model_validator

from seatrial import limits
from seatrial.machine.namespaces import BLOCKS
from seatrial.plan.metrics import Comparison
from seatrial.plan.model.cpus import CpusWritten
from seatrial.plan.model.discovery import DiscoveryPlan
from seatrial.plan.model.during import DisturbancePlan
from seatrial.plan.model.kubernetes import KubernetesPlan
from seatrial.plan.model.load import LoadPlan
from seatrial.plan.model.objects import ObjectsPlan
from seatrial.plan.model.observe import ObservePlan
from seatrial.plan.model.sanity import SanityPlan
from seatrial.plan.model.target import SystemPlan
from seatrial.plan.model.variables import VARIABLES, VariableName
from seatrial.schema.fields import Model, Time, file_safe_word
from seatrial.schema.quantities import COUNT, DURATION, Quantity
from seatrial.systems.origins.options import OriginPlan
from seatrial.topology.options import TopologyPlan

PlaceName: TypeAlias = Literal["machine", "namespaces", "kubernetes"]

CapacityChoice: TypeAlias = Literal["auto", "always", "never"]


class Variable(Model):
    """One thing that the plan varies, and the values that it takes."""

    name: VariableName
    values: tuple[int | float, ...]

    @field_validator("values")
    @classmethod
    def _finite_and_distinct(cls, values: tuple[int | float, ...]) -> tuple[int | float, ...]:
        if not values or len(set(values)) != len(values) or len(values) > limits.MAX_VALUES_PER_VARIABLE:
            raise ValueError(f"a variable takes 1 to {limits.MAX_VALUES_PER_VARIABLE} values, each once")
        return values

    @model_validator(mode="after")
    def _in_range(self) -> Variable:
        for value in self.values:
            VARIABLES[self.name].quantity.checked(value)
        return self


class PhasePlan(Model):
    """How long the parts of a trial take. A tail takes minutes, not seconds."""

    stable_for_s: Time = Field(
        10,
        alias="stable_for",
        description="Before the rate starts, no connection may have been missing for so long.",
        examples=["10 s"],
    )
    warmup_s: Time = Field(
        30, alias="warmup", description="The rate runs, and nothing counts yet.", examples=["30 s"]
    )
    measure_s: Annotated[float, Quantity(DURATION, limits.MIN_MEASURE_S, limits.MAX_DURATION_S)] = Field(
        alias="measure",
        description="The window that every number is of; a discoverer ends it once it is through with its steps.",
        examples=["5 min"],
    )
    cooldown_s: Time = Field(
        60,
        alias="cooldown",
        description="At most so long for the system's connections to be back at zero, before a trial and after it.",
        examples=["60 s"],
    )


class Objective(Model):
    """What must hold for a PASS. ``threshold`` is in the metric's unit: latencies in microseconds."""

    text: str
    metric: str
    comparison: Comparison
    threshold: float


class Plan(Model):
    """What is tested, which variables move, how long, and what must hold."""

    name: str = Field(description="Names the run: lower case, digits, `.`, `_` and `-`.", examples=["quick"])
    question: str | None = Field(
        None, description="What the plan is to find out; shown at the top of the report.",
        examples=["Does the use of resources grow linearly with connections and rate?"],
    )  # fmt: skip
    systems: tuple[SystemPlan, ...] = Field(
        max_length=limits.MAX_SYSTEMS, description="The systems under test; each case runs on each of them.",
        examples=["[direct, envoy, nginx]"],
    )  # fmt: skip
    origin: OriginPlan = Field(OriginPlan(), description="The target service behind the proxy.")
    place: PlaceName = Field(
        "machine",
        description="Where the roles are: together on this machine's loopback, or load, proxies and origin each in a "
        "network namespace of its own, joined by veth pairs (as root), or pods of a Kubernetes cluster (`run --on "
        "kubernetes` says the same).",
        examples=["namespaces"],
    )
    kubernetes: KubernetesPlan = Field(
        KubernetesPlan(), description="On a cluster: the pods of workers and origins."
    )
    capacity: CapacityChoice = Field(
        "auto",
        description="Whether the network between the roles is measured before the first trial, and a plan refused that "
        "asks for more than 70 % of it. `auto`: where the run takes 20 times as long as that, or its bodies come to "
        "more than 50 MB/s.",
        examples=["always", "never"],
    )
    cpus: CpusWritten = Field(
        "auto",
        description="Which CPUs each role is kept to. `auto`: each has whole cores of its own where 4 or more may be "
        "used, and nobody is kept anywhere where there are fewer. `shared`: nobody is. Or a list for each role.",
        examples=["shared", {"generator": "0-3", "system": "4-11", "origin": "12-15"}],
    )
    topology: TopologyPlan = Field(
        TopologyPlan(), description="Routes, services and endpoints between the proxy and the origin."
    )
    vary: tuple[Variable, ...] = ()
    load: LoadPlan = Field(LoadPlan(), description="What the workers do to the system.")
    phases: PhasePlan = Field(description="How long the parts of a trial take.")
    during: tuple[DisturbancePlan, ...] = Field(
        (),
        max_length=limits.MAX_DISTURBANCES,
        description="What is done to the proxies while they are measured, in order of time.",
        examples=["[{at: 10 s, do: reload}]"],
    )
    objects: ObjectsPlan | None = Field(
        None,
        description="Routes that are created, changed and deleted in the measure phase, beside the traffic: when is "
        "each live at every proxy, and when is it gone?",
    )
    discovery: DiscoveryPlan | None = Field(
        None,
        description="Services that discoverers, which are the systems then, carry from a source of truth into a "
        "cluster: how soon is each change there, and what does the queue do meanwhile?",
    )
    observe: ObservePlan = Field(
        ObservePlan(),
        description="What a Prometheus that is there already is asked about the measure phase of each trial, and how "
        "often the proxies are scraped meanwhile.",
    )
    repeat: Annotated[int, Quantity(COUNT, 1, limits.MAX_REPEAT)] = Field(
        3, description="Trials of each case, in randomised order.", examples=[3]
    )
    retry: Annotated[int, Quantity(COUNT, 0, limits.MAX_RETRY)] = Field(
        2,
        description="Attempts again of each case, at the end, in place of trials that cannot be believed for what the "
        "generator or its machine did. 0 turns it off.",
        examples=[2],
    )
    seed: Annotated[int, Quantity(COUNT, 0, 2**32 - 1)] = Field(
        1, description="Of the order of trials and of Poisson arrivals.", examples=[1]
    )
    sanity: SanityPlan | None = Field(
        None,
        description="What has to hold of every system before the first case is run: `yes`, `no`, or a mapping.",
        examples=["yes"],
    )
    objectives: tuple[Objective, ...] = Field((), max_length=limits.MAX_OBJECTIVES)

    @field_validator("systems")
    @classmethod
    def _distinct_labels(cls, systems: tuple[SystemPlan, ...]) -> tuple[SystemPlan, ...]:
        if not systems or len({system.label for system in systems}) != len(systems):
            raise ValueError("a plan has at least one system, and each label once")
        return systems

    @model_validator(mode="after")
    def _sources_are_of_the_place(self) -> Plan:
        block = ipaddress.IPv4Network(BLOCKS["load"])
        networks = [ipaddress.ip_network(source, strict=False) for source in self.load.sources]
        if self.place == "namespaces" and any(not _lies_in(network, block) for network in networks):
            raise ValueError(
                f"with `place: namespaces` the `sources` of a load are in {block}, which is all that its namespace "
                "has; left out, as many as it takes are chosen"
            )
        return self

    @field_validator("name")
    @classmethod
    def _file_safe(cls, name: str) -> str:
        return file_safe_word(name)


def _lies_in(network: ipaddress.IPv4Network | ipaddress.IPv6Network, block: ipaddress.IPv4Network) -> bool:
    return isinstance(network, ipaddress.IPv4Network) and network.subnet_of(block)
