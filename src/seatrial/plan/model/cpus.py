"""Which CPUs a plan keeps each role to."""

from __future__ import annotations

from typing import Annotated, Literal, TypeAlias

from pydantic import AfterValidator, BeforeValidator, Discriminator, Field, Tag, WithJsonSchema

from seatrial.machine.cpus.lists import format_cpus, parse_cpus
from seatrial.machine.cpus.pinning import ROLES, CpuChoice
from seatrial.schema.fields import Model


def _as_text(value: object) -> object:
    """Return the list of a single CPU as the text that it is meant as: YAML reads `4` as a number."""
    if isinstance(value, list | tuple):
        raise ValueError('the CPUs of a role are one text: such as `0-3`, or `"0-3,8"` in quotes')  # noqa: TRY004 (pydantic collects ValueError only)
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


CpuList: TypeAlias = Annotated[
    str,
    BeforeValidator(_as_text),
    # As the kernel prints it, so that two plans that mean the same say the same.
    AfterValidator(lambda text: format_cpus(parse_cpus(text))),
    WithJsonSchema(
        {"anyOf": [{"type": "string", "pattern": r"^[0-9,:/ -]+$"}, {"type": "integer", "minimum": 0}]}
    ),
]

_LEFT_OUT = "If left out: those that no role has been given, or all where none is left."


class CpusPlan(Model):
    """The CPUs of each role, as the kernel writes them (`0-3,8`). Roles may share; every output says who does."""

    generator: CpuList | None = Field(
        None, description=f"Those of the workers. {_LEFT_OUT}", examples=["0-3"]
    )
    system: CpuList | None = Field(
        None, description=f"Those of the proxies, all of them together. {_LEFT_OUT}", examples=["4-11"]
    )
    origin: CpuList | None = Field(
        None, description=f"Those of the target service. {_LEFT_OUT}", examples=["12-15"]
    )
    seatrial: CpuList | None = Field(
        None, description=f"Those of Seatrial itself, which samples and counts. {_LEFT_OUT}", examples=["16"]
    )


def _form(value: object) -> str:
    return "word" if isinstance(value, str) else "cpus"


CpusWritten: TypeAlias = Annotated[
    Annotated[Literal["auto", "shared"], Tag("word")] | Annotated[CpusPlan, Tag("cpus")],
    Discriminator(_form),
]


def choice_of(cpus: Literal["auto", "shared"] | CpusPlan) -> CpuChoice:
    """Return what a plan asks for, as the machine knows it."""
    if isinstance(cpus, str):
        return cpus
    return {role: text for role in ROLES if (text := getattr(cpus, role)) is not None}


def cpus_text(cpus: Literal["auto", "shared"] | CpusPlan) -> str:
    """Return the line of a plan that is shown."""
    if cpus == "auto":
        return "auto (each role has cores of its own where there are enough)"
    if cpus == "shared":
        return "shared (every role may use every CPU)"
    given = choice_of(cpus)
    assert not isinstance(given, str)
    return ", ".join(f"{role} {given.get(role, 'any that is left')}" for role in ROLES)
