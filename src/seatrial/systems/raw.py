"""Raw configuration in a proxy's own language, merged into what is rendered for it.

Documents (JSON, YAML) are merged key by key, after RFC 7396: what is given replaces what is there, null takes it away.
Lists, which that RFC replaces whole, are merged where their items are mappings: those with a ``name`` by it, ``"*"``
meaning each that is there; others by their place. What is new stands before what is there, as Envoy wants its filters.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

EACH = "*"
"""The name in a fragment that stands for every item of a list."""

Path = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Document:
    """What may be given of a proxy's configuration.

    ``places`` are the names of the only places for text, where its language is not one of documents. ``kept`` are the
    paths that Seatrial needs as they are: an item of a list goes by its name, any place in it by "0". ``roots`` are the
    keys that it knows at the top, where it would pass over others in silence.
    """

    places: Mapping[str, str]
    kept: tuple[Path, ...] = ()
    roots: tuple[str, ...] = ()


def refusal_of(fragment: Mapping[str, Any], document: Document) -> str | None:
    """Return why this cannot be merged, in words, or None."""
    if document.places:
        return _refused_place(fragment, document.places)
    unknown = next((key for key in fragment if document.roots and key not in document.roots), None)
    if unknown is not None:
        roots = ", ".join(document.roots)
        return f"`{unknown}` is no key of this configuration, and would be passed over in silence: one of {roots}"
    for path in document.kept:
        if _touches(fragment, path):
            return f"`{'.'.join(path)}` is Seatrial's own, which sends requests and counts them by it: leave it out"
    return None


def _refused_place(fragment: Mapping[str, Any], places: Mapping[str, str]) -> str | None:
    named = ", ".join(f"`{place}`" for place in places)
    for place, text in fragment.items():
        if place not in places:
            return f"`{place}` is no place in this configuration: {named}"
        if not isinstance(text, str):
            return f"`{place}` takes lines of text"
    return None


def merged(document: Any, fragment: Any) -> Any:
    """Return the document with the fragment in it; neither is changed."""
    if isinstance(document, Mapping) and isinstance(fragment, Mapping):
        kept = {key: value for key, value in document.items() if key not in fragment}
        given = {
            key: merged(document.get(key), value) for key, value in fragment.items() if value is not None
        }
        # In the order of the document, which is read by people.
        order = dict.fromkeys((*document, *fragment))
        return {key: {**kept, **given}[key] for key in order if key in kept or key in given}
    if _are_mappings(document) and _are_mappings(fragment):
        return _merged_list(document, fragment)
    return _plain(fragment)


def _merged_list(document: Sequence[Mapping[str, Any]], fragment: Sequence[Mapping[str, Any]]) -> list[Any]:
    if not all("name" in item for item in (*document, *fragment)):
        together = [merged(*pair) for pair in zip(document, fragment, strict=False)]
        return [*together, *document[len(together) :], *(_plain(item) for item in fragment[len(together) :])]
    found = list(document)
    new = []
    for item in fragment:
        if item["name"] == EACH:
            rest = {key: value for key, value in item.items() if key != "name"}
            found = [merged(one, rest) for one in found]
        elif any(one["name"] == item["name"] for one in found):
            found = [merged(one, item) if one["name"] == item["name"] else one for one in found]
        else:
            new.append(_plain(item))
    return [*new, *found]


def _are_mappings(value: Any) -> bool:
    return (
        isinstance(value, list | tuple) and bool(value) and all(isinstance(item, Mapping) for item in value)
    )


def _plain(value: Any) -> Any:
    """Return a fragment as it stands where nothing was before: without what it would take away."""
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items() if item is not None}
    return [_plain(item) for item in value] if isinstance(value, list | tuple) else value


def _touches(fragment: Any, path: Path) -> bool:
    """Return whether a fragment says anything of what is at this path, be it that it replaces what is around it."""
    if not path:
        return True
    part, *rest = path
    if isinstance(fragment, Mapping):
        return part in fragment and _touches(fragment[part], tuple(rest))
    if not _are_mappings(fragment):
        return True
    # Of lists whose items have names, one means another.
    meant = [item for item in fragment if item.get("name", part) in {part, EACH}]
    return any(_touches(item, tuple(rest)) for item in meant)


def lines(text: str, indent: int) -> str:
    """Return a snippet's lines, indented, each with its end; nothing for none."""
    return "".join(f"{' ' * indent}{line}\n" if line.strip() else "\n" for line in text.splitlines())
