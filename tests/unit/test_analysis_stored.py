"""A document that was written comes back whole."""

from __future__ import annotations

import dataclasses
import json
from typing import Any, get_type_hints

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seatrial.analysis.load.result import LoadResult
from seatrial.analysis.load.stored import load_result


def values_of(kind: Any) -> st.SearchStrategy[Any]:
    """Values of a type, every dataclass within it with each of its fields."""
    if dataclasses.is_dataclass(kind):
        fields = {name: values_of(hint) for name, hint in get_type_hints(kind).items()}
        return st.builds(kind, **fields)  # type: ignore[arg-type]
    if kind is float:
        return st.floats(allow_nan=False, allow_infinity=False)
    arguments: tuple[Any, ...] = getattr(kind, "__args__", ())
    if any(dataclasses.is_dataclass(one) for one in arguments) and type(None) in arguments:
        return st.none() | values_of(arguments[0])
    if any(dataclasses.is_dataclass(one) for one in arguments):
        return st.lists(values_of(arguments[0]), max_size=2).map(tuple)
    if float in arguments:
        return st.none() | values_of(float)
    return st.from_type(kind)


# The document leaves the buckets to `--hdr-log`.
RESULTS = values_of(LoadResult).map(lambda result: dataclasses.replace(result, latency_buckets=()))


@settings(max_examples=40, deadline=None)
@given(RESULTS)
def test_every_key_is_read_back(result: LoadResult) -> None:
    document = json.loads(json.dumps(result.to_json()))
    assert load_result(document).to_json() == document
    assert load_result(document) == result


def test_what_is_no_load_is_refused() -> None:
    with pytest.raises(ValueError, match="url"):
        load_result({"schema": "seatrial.load/1"})
