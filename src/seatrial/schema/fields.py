"""What every model of a plan is made of: the base class, the common quantities, words that name files."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Annotated, TypeAlias, get_args

from pydantic import BaseModel, BeforeValidator, ConfigDict, WithJsonSchema

from seatrial import limits
from seatrial.schema.quantities import COUNT, DURATION, RATE, Quantity

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pydantic.fields import FieldInfo

Time: TypeAlias = Annotated[float, Quantity(DURATION, 0, limits.MAX_DURATION_S)]
AnyRate: TypeAlias = Annotated[float, Quantity(RATE, limits.MIN_RATE_PER_S, limits.MAX_RATE_PER_S)]
Processes: TypeAlias = Annotated[int, Quantity(COUNT, 1, limits.MAX_PROCESSES)]

_SWITCHES = {"yes": True, "no": False}


def switched(value: object) -> object:
    """Return True for `yes` and False for `no`, which are words to YAML 1.2, and all else as it is."""
    return _SWITCHES.get(value, value) if isinstance(value, str) else value


SWITCH_FORMS = ({"enum": list(_SWITCHES)}, {"type": "boolean"})
"""What a switch may be, in JSON Schema."""
Switch: TypeAlias = Annotated[bool, BeforeValidator(switched), WithJsonSchema({"anyOf": list(SWITCH_FORMS)})]

_WORD = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}", re.ASCII)


class Model(BaseModel):
    """Frozen and closed; strict, so that YAML's `true` is no number and its `5` no word."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", strict=True, validate_by_name=True, validate_by_alias=True
    )


def model_fields(model: type[BaseModel]) -> dict[str, FieldInfo]:
    """Return a model's fields by their names in YAML."""
    return {field.alias or name: field for name, field in model.model_fields.items()}


def quantity_of(field: FieldInfo) -> Quantity | None:
    """Return what a field's numbers are, if it has any; also where it may hold a word or nothing instead."""
    candidates = [*field.metadata, *_annotations(field.annotation)]
    return next((candidate for candidate in candidates if isinstance(candidate, Quantity)), None)


def _annotations(annotation: object) -> Iterator[object]:
    for part in get_args(annotation):
        yield part
        yield from _annotations(part)


def file_safe_word(word: str) -> str:
    """Return a word that may name a file or a directory; raises ValueError saying what may."""
    if not _WORD.fullmatch(word):
        raise ValueError(f"`{word[:64]}` is no name for files: up to 64 of a-z, 0-9, `.`, `_` and `-`")
    return word
