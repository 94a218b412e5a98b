"""The account of a load from its row."""

from __future__ import annotations

import json
from functools import cache
from typing import TYPE_CHECKING

from pydantic import TypeAdapter

from seatrial.generator.account import LoadAccount

if TYPE_CHECKING:
    import sqlite3

_COLUMNS = ("asked", "hellos", "driven", "cost")


def account_of(row: sqlite3.Row) -> LoadAccount:
    """Return what a row of the table ``loads`` holds; raises ``ValueError`` where that is no such thing."""
    known = {name: json.loads(row[name]) for name in _COLUMNS if row[name] is not None}
    return _adapter().validate_python(known)


@cache
def _adapter() -> TypeAdapter[LoadAccount]:
    return TypeAdapter(LoadAccount)
