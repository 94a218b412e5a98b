"""The document ``seatrial.load/1`` back to its typed form."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

from pydantic import TypeAdapter

from seatrial.analysis.load.result import LoadResult

if TYPE_CHECKING:
    from collections.abc import Mapping


def load_result(document: Mapping[str, Any]) -> LoadResult:
    """Return the load that a document describes: the inverse of ``to_json``.

    Raises ``ValueError`` where it is not ``seatrial.load/1``.
    """
    return _adapter().validate_python(document)


@cache
def _adapter() -> TypeAdapter[LoadResult]:
    return TypeAdapter(LoadResult)
