"""What schemas are made of: short names for JSON Schema's words, and the shapes of dataclasses from their types."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from pydantic import TypeAdapter

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from pydantic.json_schema import JsonSchemaMode

Shape = dict[str, Any]

DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"
TEXT: Final[Shape] = {"type": "string"}
WHOLE: Final[Shape] = {"type": "integer"}
NUMBER: Final[Shape] = {"type": "number"}
YES_OR_NO: Final[Shape] = {"type": "boolean"}
ANYTHING: Final[Shape] = {"type": "object"}
NOTHING: Final[Shape] = {"type": "null"}


def an_object(**properties: Shape) -> Shape:
    """Return an object that has all of these and nothing else."""
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


def several(of: Shape) -> Shape:
    """Return a list of such."""
    return {"type": "array", "items": of}


def by_name(of: Shape) -> Shape:
    """Return an object whose keys are names, each with such a value."""
    return {"type": "object", "additionalProperties": of}


def maybe(of: Shape) -> Shape:
    """Return such a value, or null: not known, or there is none."""
    return {"anyOf": [of, NOTHING]}


def one_of(*words: str | None) -> Shape:
    """Return one of these words; None is null."""
    return {"enum": list(words)}


def always(word: str) -> Shape:
    """Return this word and no other."""
    return {"const": word}


def described(shape: Shape, text: str) -> Shape:
    """Return a shape with a description."""
    return {**shape, "description": text}


class Dataclasses:
    """The shapes of dataclasses as JSON has them: every field is there, and no other."""

    def __init__(self, kinds: Iterable[type]) -> None:
        kinds = tuple(kinds)
        adapters: list[tuple[type, JsonSchemaMode, TypeAdapter[Any]]] = [
            (kind, "serialization", TypeAdapter(kind)) for kind in kinds
        ]
        shapes, whole = TypeAdapter.json_schemas(adapters)
        self.definitions: dict[str, Shape] = {
            name: strict(shape) for name, shape in sorted(whole.get("$defs", {}).items())
        }
        self._shapes: dict[type, Shape] = {kind: strict(shapes[kind, "serialization"]) for kind in kinds}

    def of(self, kind: type) -> Shape:
        """Return a reference to the shape of a dataclass."""
        return self._shapes[kind]

    def fields(self, kind: type, *, without: Iterable[str] = ()) -> Mapping[str, Shape]:
        """Return the shapes of its fields by name, but for some."""
        shape = self._shapes[kind]
        if "$ref" in shape:
            shape = self.definitions[shape["$ref"].rpartition("/")[2]]
        return {name: found for name, found in shape["properties"].items() if name not in set(without)}


def strict(shape: Any) -> Any:
    """Return a schema of pydantic's without titles and defaults, whose objects have every property and no other."""
    if isinstance(shape, list):
        return [strict(one) for one in shape]
    if not isinstance(shape, dict):
        return shape
    found = {name: one for name, one in shape.items() if name not in {"title", "default", "required"}}
    for name, one in found.items():
        # Names of properties are no words of the schema.
        found[name] = (
            {key: strict(value) for key, value in one.items()} if name == "properties" else strict(one)
        )
    if "properties" in found:
        found |= {"required": list(found["properties"]), "additionalProperties": False}
    if isinstance(text := found.get("description"), str):
        found["description"] = " ".join(text.replace("``", "`").split())
    return found


def document(title: str, text: str, shape: Shape, definitions: Mapping[str, Shape]) -> Shape:
    """Return a whole schema, with those definitions that it refers to."""
    needed: dict[str, Shape] = {}

    def follow(part: Any) -> None:
        if isinstance(part, list):
            for one in part:
                follow(one)
        elif isinstance(part, dict):
            name = part.get("$ref", "").rpartition("/")[2] if isinstance(part.get("$ref"), str) else ""
            if name and name not in needed:
                needed[name] = definitions[name]
                follow(definitions[name])
            for one in part.values():
                follow(one)

    follow(shape)
    return {
        "$schema": DIALECT,
        "title": title,
        "description": text,
        **shape,
        "$defs": {name: needed[name] for name in sorted(needed)},
    }
