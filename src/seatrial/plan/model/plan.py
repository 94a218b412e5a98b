"""What a plan is: frozen models with unit-suffixed names and plain numbers.

The names in YAML are the aliases. Every field's description and examples become the JSON Schema and the plan
reference. Nothing past this package sees a string for a duration or a mapping for a thing.
"""

from __future__ import annotations

import ipaddress
import re
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, field_validator, model_validator

from seatrial import limits
from seatrial.plan.metrics import Comparison
from seatrial.plan.model.target import SystemPlan
from seatrial.plan.model.variables import VARIABLES, VariableName
from seatrial.schema.fields import AnyRate, Model, Time, file_safe_word
from seatrial.schema.quantities import COUNT, DURATION, RATE, Quantity
from seatrial.systems.origins.options import OriginPlan

_TOKEN = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,256}", re.ASCII)


def _network(source: str) -> str:
    try:
        network = ipaddress.ip_network(source, strict=False)
    except ValueError:
        raise ValueError(
            f"`{source}` is not a network: an address or a CIDR, such as `127.0.1.0/28`"
        ) from None
    if network.version != 4:
        raise ValueError(f"`{source}` is IPv6, and systems of a plan listen on IPv4: such as `127.0.1.0/28`")
    if network.num_addresses > limits.MAX_SOURCE_ADDRESSES:
        raise ValueError(
            f"`{source}` has {network.num_addresses:,} addresses: at most {limits.MAX_SOURCE_ADDRESSES:,}"
        )
    return source


# What Seatrial itself says in each request, or what would make a server wait for a body that does not come.
_OWN_FIELDS = {
    "host": "a plan's Host field is `host` in `load`",
    "content-length": "requests of a plan have no body",
    "transfer-encoding": "requests of a plan have no body",
}


def _header(header: tuple[str, str]) -> tuple[str, str]:
    name, value = header
    if not _TOKEN.fullmatch(name) or not value.isascii() or not value.isprintable():
        raise ValueError(f"`{name}: {value}` is not a header: a token, and printable ASCII on one line")
    if name.lower() in _OWN_FIELDS:
        raise ValueError(
            f"`{name}` cannot be among the headers, for {_OWN_FIELDS[name.lower()]}: other fields"
        )
    return header


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


class LoadPlan(Model):
    """What the workers do to the system."""

    connections: Annotated[int, Quantity(COUNT, 0, limits.MAX_CONNECTIONS)] = Field(
        0,
        description="Idle connections, opened before the rate starts and held to the end.",
        examples=["100k"],
    )
    rate_per_s: AnyRate | None = Field(
        None, alias="rate", description="Requests per second of all workers together. Open loop only.",
        examples=["10k/s"],
    )  # fmt: skip
    active: Annotated[int, Quantity(COUNT, 0, limits.MAX_CONNECTIONS)] = Field(
        50, description="Connections that carry the requests, beside the idle ones.", examples=[600]
    )
    connect_rate_per_s: Annotated[float, Quantity(RATE, 1, limits.MAX_RATE_PER_S)] = Field(
        2000,
        alias="connect_rate",
        description="Connections opened per second during the ramp.",
        examples=["2k/s"],
    )
    arrival: Literal["uniform", "poisson"] = Field(
        "uniform",
        description="Intended send times: evenly spaced, or as of independent users.",
        examples=["poisson"],
    )
    loop: Literal["open", "closed"] = Field(
        "open",
        description="Open: sends when the schedule says so. Closed: sends when the answer before has come. "
        "The two are never compared.",
        examples=["open"],
    )
    timeout_s: Annotated[float, Quantity(DURATION, 0.001, limits.MAX_TIMEOUT_S)] = Field(
        2,
        alias="timeout",
        description="A request without a full answer by then has timed out.",
        examples=["2 s"],
    )
    workers: Annotated[int, Quantity(COUNT, 1, limits.MAX_WORKERS)] | None = Field(
        None, description="Load-generating processes. If left out: as few as the descriptor limit allows.",
        examples=[4],
    )  # fmt: skip
    resolution: (
        Literal["auto", "fine"]
        | Annotated[float, Quantity(DURATION, limits.MIN_RESOLUTION_S, limits.MAX_RESOLUTION_S)]
    ) = Field(
        "auto",
        description="Grid of the intended send times: finer costs more CPU.",
        examples=["auto", "250 us"],
    )
    sources: tuple[Annotated[str, AfterValidator(_network)], ...] = Field(
        (), max_length=limits.MAX_SOURCES, examples=[["127.0.1.0/28"]],
        description="Source addresses (CIDR). If left out: chosen automatically.",
    )  # fmt: skip
    method: Literal["GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH"] = Field(
        "GET", description="Request method.", examples=["GET"]
    )
    path: str = Field("/", description="Request path.", examples=["/"])
    host: str | None = Field(None, description="Host header, if not the address.", examples=["shop.example"])
    headers: tuple[Annotated[tuple[str, str], AfterValidator(_header)], ...] = Field(
        (),
        max_length=limits.MAX_HEADERS,
        description="Further request headers.",
        examples=[{"Accept": "*/*"}],
    )

    expect_status: tuple[Annotated[int, Quantity(COUNT, limits.MIN_STATUS, limits.MAX_STATUS)], ...] = Field(
        (),
        max_length=limits.MAX_EXPECTED_STATUSES,
        description="Statuses of answers that are expected, if not any of 2xx; others make a case FAIL.",
        examples=[[200, 404]],
    )

    @property
    def carrying(self) -> int:
        """The connections that do carry requests: none where nothing is sent."""
        return self.active if self.rate_per_s or self.loop == "closed" else 0

    @field_validator("path")
    @classmethod
    def _absolute(cls, path: str) -> str:
        if not path.startswith("/") or not path.isascii() or not path.isprintable() or " " in path:
            raise ValueError(
                f"`{path}` is not a request path: it starts with `/` and is ASCII without spaces"
            )
        return path

    @field_validator("host")
    @classmethod
    def _host_header(cls, host: str | None) -> str | None:
        if host is not None and not re.fullmatch(r"[A-Za-z0-9.:\[\]_-]{1,253}", host, re.ASCII):
            raise ValueError(f"`{host}` is not a host name: such as `shop.example`")
        return host


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
        alias="measure", description="The window that every number is of.", examples=["5 min"]
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
    vary: tuple[Variable, ...] = ()
    load: LoadPlan = Field(LoadPlan(), description="What the workers do to the system.")
    phases: PhasePlan = Field(description="How long the parts of a trial take.")
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
    objectives: tuple[Objective, ...] = Field((), max_length=limits.MAX_OBJECTIVES)

    @field_validator("systems")
    @classmethod
    def _distinct_labels(cls, systems: tuple[SystemPlan, ...]) -> tuple[SystemPlan, ...]:
        if not systems or len({system.label for system in systems}) != len(systems):
            raise ValueError("a plan has at least one system, and each label once")
        return systems

    @field_validator("name")
    @classmethod
    def _file_safe(cls, name: str) -> str:
        return file_safe_word(name)
