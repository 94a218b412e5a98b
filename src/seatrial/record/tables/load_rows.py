"""The account of a load from its row."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any, TypeVar

from pydantic import TypeAdapter

from seatrial.generator.account import Asked, Driven, LoadAccount, WorkersCost
from seatrial.generator.messages import Hello

if TYPE_CHECKING:
    import sqlite3

Value = TypeVar("Value")


def account_of(row: sqlite3.Row) -> LoadAccount:
    """Return what a row of the table ``loads`` holds; raises ``ValueError`` where that is no such thing."""
    asked, hellos = _read(Asked, row["asked"]), _adapter(tuple[Hello, ...]).validate_json(row["hellos"])
    if row["driven"] is None:
        return LoadAccount(asked, hellos)
    return LoadAccount(asked, hellos, _read(Driven, row["driven"]), _read(WorkersCost, row["cost"]))


def _read(kind: type[Value], text: str) -> Value:
    value: Value = _adapter(kind).validate_json(text)  # type: ignore[arg-type]
    return value


@cache
def _adapter(kind: Any) -> TypeAdapter[Any]:
    return TypeAdapter(kind)
