"""Rows of a record, also of one that is damaged: what can be read is read, and what cannot is named."""

from __future__ import annotations

import hashlib
import marshal
import sqlite3
from contextlib import closing
from functools import cached_property
from typing import TYPE_CHECKING, TypeVar

from seatrial.errors import RecordError
from seatrial.record.snapshot import image_of, log_of
from seatrial.record.tables.rows import Damage
from seatrial.record.tables.schema import ADDED, BUSY_TIMEOUT_MS, SCHEMA_VERSION

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from pathlib import Path

Value = TypeVar("Value")

UNREADABLE = (ValueError, KeyError, TypeError, IndexError, AttributeError)
"""What reading a row raises whose content is not what was written: no JSON, a missing key, no histogram."""

# The last that writes equal values alike, whoever else refers to them.
_MARSHAL_VERSION = 2


class Rows:
    """The rows of one database; ``damage`` grows with each that cannot be read."""

    def __init__(self, database: Path, *, any_version: bool = False) -> None:
        """Open it for reading; raises ``RecordError``, of another version unless ``any_version``."""
        self._database = database
        self._connection = _connect(database, any_version=any_version)
        self.damage: dict[Damage, None] = {}

    def close(self) -> None:
        """Let go of the file."""
        self._connection.close()

    def has_table(self, name: str) -> bool:
        """Return whether this table was ever made."""
        found = self._all("SELECT name FROM sqlite_master WHERE type = 'table' AND name = ?", name)
        return bool(found)

    @cached_property
    def columns(self) -> Mapping[str, tuple[str, ...]]:
        """The names of every table's columns."""
        tables = [row[0] for row in self._all("SELECT name FROM sqlite_master WHERE type = 'table'")]
        return {
            table: tuple(row["name"] for row in self._all("SELECT name FROM pragma_table_info(?)", table))
            for table in tables
        }

    def read(
        self,
        convert: Callable[[sqlite3.Row], Value],
        table: str,
        rest: str = "",
        *values: object,
        trial: int | None = None,
    ) -> tuple[Value, ...]:
        """Return ``convert`` of each row of ``SELECT * FROM table rest`` that can be read; note those that cannot.

        ``trial`` is whose rows they are, if they are of one.
        """
        found: list[Value] = []
        if table in ADDED and table not in self.columns:
            return ()
        for row in self._rows(table, f"SELECT * FROM {table} {rest}", values, trial):
            try:
                found.append(convert(row))
            except UNREADABLE as error:
                self.note(table, row[0], error, trial)
        return tuple(found)

    def the_one(self, convert: Callable[[sqlite3.Row], Value], table: str) -> Value:
        """Return ``convert`` of a table's one row; raises ``RecordError``: without it there is nothing to show."""
        rows = self._all(f"SELECT * FROM {table}")
        if not rows:
            raise RecordError(
                f"{self._database} holds no run",
                cause="it was cut off while it was being made",
                next_step="remove the directory; nothing was measured",
            )
        try:
            return convert(rows[0])
        except UNREADABLE as error:
            raise self._unreadable(f"row {rows[0][0]} of its table {table}: {_in_words(error)}") from error

    def every(
        self, convert: Callable[[sqlite3.Row], Value], table: str, rest: str = "", *values: object
    ) -> tuple[Value, ...]:
        """Return ``convert`` of each row; raises ``RecordError`` for the first that cannot be read."""
        found: list[Value] = []
        for row in self._all(f"SELECT * FROM {table} {rest}", *values):
            try:
                found.append(convert(row))
            except UNREADABLE as error:
                raise self._unreadable(f"row {row[0]} of its table {table}: {_in_words(error)}") from error
        return tuple(found)

    def digest(self, statements: Iterable[str], *values: object) -> str | None:
        """Return a digest of every row of the statements, as stored; None where one of them cannot be read."""
        found = hashlib.sha256()
        cursor = self._connection.cursor()
        # Neither rows by name nor text is needed for it, and both take as long as the reading.
        cursor.row_factory = None
        self._connection.text_factory = bytes
        try:
            # In one transaction: otherwise each statement locks the file anew.
            cursor.execute("BEGIN")
            for statement in statements:
                found.update(marshal.dumps(cursor.execute(statement, values).fetchall(), _MARSHAL_VERSION))
        except sqlite3.DatabaseError:
            return None
        finally:
            self._connection.text_factory = str
            cursor.close()
            self._connection.rollback()
        return found.hexdigest()

    def note(self, table: str, row: object, error: BaseException, trial: int | None) -> None:
        """Keep that a row, or the rest of a table where ``row`` is None, cannot be read."""
        self.damage[Damage(table, None if row is None else str(row), _in_words(error), trial)] = None

    def _rows(
        self, table: str, statement: str, values: tuple[object, ...], trial: int | None
    ) -> Iterator[sqlite3.Row]:
        try:
            with closing(self._connection.execute(statement, values)) as cursor:
                yield from cursor
        except sqlite3.DatabaseError as error:
            # SQLite cannot go on after a page that is broken; what came before it is as good as ever.
            self.note(table, None, error, trial)

    def _all(self, statement: str, *values: object) -> list[sqlite3.Row]:
        try:
            return self._connection.execute(statement, values).fetchall()
        except sqlite3.DatabaseError as error:
            raise self._unreadable(str(error)) from error

    def _unreadable(self, cause: str) -> RecordError:
        return _unreadable(self._database, cause)


def _in_words(error: BaseException) -> str:
    return f"no value named {error}" if isinstance(error, KeyError) else str(error)


def _connect(database: Path, *, any_version: bool) -> sqlite3.Connection:
    cause = ""
    for connect in (_connect_shared, _connect_unshared):
        try:
            connection = connect(database)
        except (sqlite3.DatabaseError, OSError) as error:
            cause = str(error)
            continue
        connection.row_factory = sqlite3.Row
        if not any_version:
            _refuse_other_version(database, connection)
        return connection
    raise _unreadable(database, cause)


def _connect_shared(database: Path) -> sqlite3.Connection:
    return _tried(sqlite3.connect(f"{database.resolve().as_uri()}?mode=ro", uri=True))


def _connect_unshared(database: Path) -> sqlite3.Connection:
    # Where nothing can be written there is no index by which a log could be read and shared. Such a record does not
    # change any more.
    log = log_of(database)
    if not log.exists() or not log.stat().st_size:
        return _tried(sqlite3.connect(f"{database.resolve().as_uri()}?immutable=1", uri=True))
    connection = sqlite3.connect(":memory:")
    connection.deserialize(image_of(database))
    return _tried(connection)


def _tried(connection: sqlite3.Connection) -> sqlite3.Connection:
    try:
        connection.execute(f"PRAGMA busy_timeout = {BUSY_TIMEOUT_MS}")
        connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
    except sqlite3.DatabaseError:
        connection.close()
        raise
    return connection


def _refuse_other_version(database: Path, connection: sqlite3.Connection) -> None:
    version = connection.execute("PRAGMA user_version").fetchone()[0]
    # 0 has a file in which the tables have not been made.
    if version in (0, SCHEMA_VERSION):
        return
    connection.close()
    is_later = version > SCHEMA_VERSION
    raise RecordError(
        f"{database} has version {version} of the record, this program reads version {SCHEMA_VERSION}",
        cause=f"it was written by {'a later' if is_later else 'an earlier'} Seatrial",
        next_step="update Seatrial"
        if is_later
        else "read it with the Seatrial that wrote it, or run its plan again",
    )


def _unreadable(database: Path, cause: str) -> RecordError:
    return RecordError(
        f"{database} cannot be read", cause=cause, next_step="check that it is a Seatrial record"
    )
