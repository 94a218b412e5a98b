"""The JSON Schema of ``seatrial.load/1``, from the types of its fields."""

from __future__ import annotations

from typing import TYPE_CHECKING

from seatrial.analysis.load.result import SCHEMA, LoadResult
from seatrial.analysis.reasons import Reason
from seatrial.report.schemas.shapes import Dataclasses, always, an_object, document, one_of, several

if TYPE_CHECKING:
    from seatrial.report.schemas.shapes import Shape


def load_schema() -> Shape:
    """Return the schema of what ``seatrial load --json`` writes."""
    kinds = Dataclasses((LoadResult, Reason))
    shape = load_shape(kinds, validity_shape(kinds.of(Reason)))
    text = "One load against one URL: what `seatrial load --json` writes. Units are in the names."
    return document(SCHEMA, text, shape, kinds.definitions)


def load_shape(kinds: Dataclasses, validity: Shape) -> Shape:
    """Return the shape of a load's result whose validity has this one."""
    fields = kinds.fields(LoadResult, without=("latency_buckets", "validity"))
    return an_object(schema=always(SCHEMA), validity=validity, **fields)


def validity_shape(reason: Shape) -> Shape:
    """Return the shape of a validity whose reasons have this one."""
    return an_object(
        state=one_of("VALID", "INVALID"),
        direction=one_of("inflates", "either", None),
        reasons=several(reason),
    )
