"""Grafana's published schema as its Foundation SDK has it: what a document holds beyond it, or against it, is named."""

from __future__ import annotations

import enum
import json
import types
import typing
from collections.abc import Iterator
from typing import Any

import pytest

OF_THE_DATASOURCE = {"titleFormat", "textFormat", "useValueForTime", "step"}
"""Of an annotation: the schema leaves open what Prometheus's data source adds (its `AnnotationQueryEditor.tsx`)."""


def breaches(document: dict[str, Any]) -> list[str]:
    """Return what of a dashboard is not in the schema, or is of another type there; skips without the SDK."""
    models = pytest.importorskip("grafana_foundation_sdk.models.dashboard", reason="not there: make setup")
    from grafana_foundation_sdk.cog.encoder import JSONEncoder
    from grafana_foundation_sdk.cog.plugins import register_default_plugins

    register_default_plugins()
    loaded = models.Dashboard.from_json(document)
    kept = json.loads(json.dumps(loaded, cls=JSONEncoder))
    return [*_lost(document, kept, "$"), *_wrong(loaded, models.Dashboard, "$")]


def _lost(ours: Any, kept: Any, at: str) -> Iterator[str]:
    """What a model does not know it does not keep."""
    if isinstance(ours, dict) and isinstance(kept, dict):
        for key, value in ours.items():
            if key in kept:
                yield from _lost(value, kept[key], f"{at}.{key}")
            elif not (key in OF_THE_DATASOURCE and ".annotations." in at):
                yield f"{at}.{key} is not in the schema"
    elif isinstance(ours, list) and isinstance(kept, list) and len(ours) == len(kept):
        for number, (own, other) in enumerate(zip(ours, kept, strict=True)):
            yield from _lost(own, other, f"{at}[{number}]")
    elif ours != kept:
        yield f"{at}: {ours!r} became {kept!r}"


def _wrong(value: Any, kind: Any, at: str) -> Iterator[str]:
    """The SDK's models take any value; their types do not."""
    origin, inner = typing.get_origin(kind), typing.get_args(kind)
    if kind in (Any, object):
        if hasattr(value, "to_json"):
            yield from _wrong_object(value, type(value), at)
    elif origin in (typing.Union, types.UnionType):
        found = [list(_wrong(value, each, at)) for each in inner]
        if all(found):
            yield from min(found, key=len)
    elif origin in (list, dict):
        yield from _wrong_parts(value, origin, inner[-1], at)
    elif origin is typing.Literal or (isinstance(kind, type) and issubclass(kind, enum.Enum)):
        allowed = inner or tuple(member.value for member in kind)
        if value not in allowed:
            yield f"{at}: {value!r} is none of {allowed}"
    else:
        yield from _wrong_object(value, kind, at)


def _wrong_parts(value: Any, kind: type, of: Any, at: str) -> Iterator[str]:
    parts: Any = (
        value.items() if isinstance(value, dict) else enumerate(value if isinstance(value, list) else ())
    )
    if not isinstance(value, kind):
        yield f"{at}: {value!r} is no {kind.__name__}"
        return
    for name, each in parts:
        yield from _wrong(each, of, f"{at}.{name}")


def _wrong_object(value: Any, kind: type, at: str) -> Iterator[str]:
    known: Any = int | float if kind is float else kind
    if isinstance(value, dict) and hasattr(kind, "from_json"):
        # What the SDK did not make a model of is held against the model all the same.
        value = kind.from_json(value)
    if not isinstance(value, known) or (isinstance(value, bool) and kind is not bool):
        yield f"{at}: {value!r} is no {kind.__name__}"
    elif hasattr(value, "to_json"):
        for name, each in typing.get_type_hints(type(value)).items():
            yield from _wrong(getattr(value, name, None), each, f"{at}.{name}")
