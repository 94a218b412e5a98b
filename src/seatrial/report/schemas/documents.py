"""Which documents have a published schema."""

from __future__ import annotations

from typing import TYPE_CHECKING

from seatrial.report.schemas.load import load_schema
from seatrial.report.schemas.results import results_schema

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from seatrial.report.schemas.shapes import Shape

SCHEMAS: Mapping[str, Callable[[], Shape]] = {"results": results_schema, "load": load_schema}


def schema_of(document: str) -> Shape:
    """Return the JSON Schema (draft 2020-12) of a document by its short name."""
    return SCHEMAS[document]()
