"""The page on pitfalls names tests that exist, so that it cannot rot."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "concepts" / "pitfalls.md"
PITFALLS = 21


def rows() -> dict[int, list[tuple[str, str]]]:
    """Return the (file, test) pairs of each pitfall."""
    found = re.findall(r"^\| (\d+) \|.*\| ([^|]+) \|$", PAGE.read_text(), re.MULTILINE)
    return {int(number): re.findall(r"`([^`:]+)::([^`]+)`", tests) for number, tests in found}


def test_every_pitfall_has_a_test_that_exists() -> None:
    assert list(rows()) == list(range(1, PITFALLS + 1))
    for number, tests in rows().items():
        assert tests, f"pitfall {number} names no test"
        for file, name in tests:
            assert is_test(ROOT / file, name), f"pitfall {number}: {file} has no test {name}"


def test_a_test_that_does_not_exist_would_be_noticed() -> None:
    assert not is_test(Path(__file__), "test_that_is_not_there")
    # A function that is no test proves nothing.
    assert not is_test(Path(__file__), "is_test")


def is_test(file: Path, name: str) -> bool:
    if not file.is_file():
        return False
    definition = rf"^#\[test\]\n\s*fn {name}\(" if file.suffix == ".rs" else rf"^def {name}\("
    is_named_so = file.suffix == ".rs" or name.startswith("test_")
    text = re.sub(r"^ +", "", file.read_text(), flags=re.MULTILINE)
    return is_named_so and re.search(definition, text, re.MULTILINE) is not None
