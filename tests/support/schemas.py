"""Documents against their published schemas: a key that is not documented fails."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator

PUBLISHED = Path(__file__).parents[2] / "docs/reference/schema"


@cache
def validator(name: str) -> Draft202012Validator:
    """Return what holds documents against a schema as it is published."""
    return Draft202012Validator(json.loads((PUBLISHED / f"{name}.json").read_text()))


def assert_published(name: str, document: dict[str, Any]) -> None:
    """Assert that a document is as its schema has it."""
    errors = [f"{error.json_path}: {error.message[:300]}" for error in validator(name).iter_errors(document)]
    assert errors == []
