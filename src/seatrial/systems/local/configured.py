"""What a proxy runs, in a few characters that are others as soon as anything of it is."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable
    from pathlib import Path

_DIGITS = 16


def digest(document: Any, without: Collection[str] = ()) -> str:
    """Return the digest of a JSON document, in whatever order its names are; ``without`` names that tell the time."""
    text = json.dumps(_without(document, without), sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:_DIGITS]


def digest_of_files(files: Iterable[Path]) -> str:
    """Return the digest of files together; one that is gone is another than one that is empty."""
    found = hashlib.sha256()
    for file in sorted(files):
        found.update(f"\n{file.name}\n".encode())
        try:
            found.update(file.read_bytes())
        except OSError as error:
            found.update(f"{error.errno}".encode())
    return found.hexdigest()[:_DIGITS]


def _without(document: Any, names: Collection[str]) -> Any:
    if isinstance(document, dict):
        return {name: _without(value, names) for name, value in document.items() if name not in names}
    if isinstance(document, list):
        return [_without(value, names) for value in document]
    return document
