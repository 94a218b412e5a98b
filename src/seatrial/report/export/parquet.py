"""The tables of a run as Parquet, a file each, written by DuckDB from numpy's arrays.

What is not known is NULL. The metadata of each file has its ``run``, the version of Seatrial and, as JSON, the unit of
each column that has one.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np

from seatrial._version import __version__
from seatrial.errors import EnvironmentFault
from seatrial.record.storage import storage_fault
from seatrial.report.export.files import draft_of, make_directory

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping
    from pathlib import Path

    from seatrial.report.tidy.columns import Array, Column, Kind
    from seatrial.report.tidy.run import Run
    from seatrial.report.tidy.table import Table

_TYPES: Mapping[Kind, str] = {
    "text": "VARCHAR",
    "int": "BIGINT",
    "float": "DOUBLE",
    "bool": "BOOLEAN",
    "time": "TIMESTAMP_MS",
}


def export_parquet(run: Run, directory: Path) -> Iterator[Path]:
    """Write each table and yield its file.

    Raises ``EnvironmentFault`` where DuckDB is not installed, or a file cannot be written.
    """
    try:
        import duckdb
    except ImportError as error:
        raise EnvironmentFault(
            "DuckDB, which writes Parquet, is not installed",
            cause=str(error),
            next_step="pip install 'seatrial[parquet]', or export --csv",
        ) from None
    make_directory(directory)
    with duckdb.connect() as connection:
        for table in run.tables():
            path = directory / f"{table.name}.parquet"
            with draft_of(path) as draft:
                exported = _arrays(table)
                connection.register("exported", exported)
                try:
                    connection.execute(_statement(run.summary.run.run_id, table, exported.keys(), draft))
                except duckdb.IOException as error:
                    raise storage_fault(
                        f"{path} cannot be written", error, directory, "free some space there"
                    ) from None
            yield path


def _arrays(table: Table) -> dict[str, Array]:
    # A masked array goes over as its data and where they are not known.
    found: dict[str, Array] = {}
    for name, array in table.items():
        found[name] = _as_utf8(array) if array.dtype == object else np.ma.getdata(array)
        if isinstance(array, np.ma.MaskedArray):
            found[f"{name} unknown"] = np.ma.getmaskarray(array)
    return found


def _as_utf8(texts: Array) -> Array:
    # Half a character, as a name of a file may hold, is written as in the other files: as an escape.
    found = np.empty_like(texts)
    found[:] = [None if text is None else text.encode(errors="backslashreplace").decode() for text in texts]
    return found


def _statement(run: str, table: Table, exported: Collection[str], path: Path) -> str:
    columns = ", ".join(
        _selected(column, masked=f"{column.name} unknown" in exported) for column in table.columns
    )
    about = {"run": run, "seatrial_version": __version__, "units": json.dumps(table.units)}
    metadata = ", ".join(f"{name}: {_quoted(value)}" for name, value in about.items())
    return (
        f"COPY (SELECT {columns} FROM exported) TO {_quoted(path)} "
        f"(FORMAT parquet, COMPRESSION zstd, KV_METADATA {{{metadata}}})"
    )


def _selected(column: Column, *, masked: bool) -> str:
    name = _named(column.name)
    value = f"CASE WHEN {_named(f'{column.name} unknown')} THEN NULL ELSE {name} END" if masked else name
    # Of a column in which nothing is known DuckDB would not know the type.
    return f"CAST({value} AS {_TYPES[column.kind]}) AS {name}"


def _named(name: str) -> str:
    return '"{}"'.format(name.replace('"', '""'))


def _quoted(value: Any) -> str:
    return "'{}'".format(str(value).replace("'", "''"))
