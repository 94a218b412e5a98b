"""The house stays in order: no circles among the engine's modules, files and functions of a size to read.

That imports of the Python package go one way, and in no circle, is held by import-linter (``pyproject.toml``).
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "src/seatrial"
TOOLS = ROOT / "tools"
CRATES = sorted(path.parent for path in (ROOT / "crates").glob("*/src"))

FUNCTION_LINES_LIMIT = 70
PYTHON_LINES_LIMIT = 330
# With the tests at its end.
RUST_LINES_LIMIT = 305
FILES_LIMIT = 14
"""Beside each other in one package: a dozen or so."""

_USE = re.compile(r"^\s*(?:pub(?:\([a-z]+\))? )?use (\w+::[^;]+);", re.MULTILINE)
_TESTS = re.compile(r"^#\[cfg\(test\)\]\s*mod tests \{", re.MULTILINE)

Graph = dict[str, set[str]]


def code_of(file: Path) -> str:
    """Return a Rust file without its tests, which may use what they like."""
    text = file.read_text()
    tests = _TESTS.search(text)
    return text[: tests.start()] if tests else text


def modules_of(crate: Path) -> dict[str, Path]:
    """Return the files of a crate by module path; ``lib`` and ``mod`` files only hand names on."""
    files = (file for file in (crate / "src").rglob("*.rs") if file.stem not in {"lib", "mod", "main"})
    return {"::".join(file.relative_to(crate / "src").with_suffix("").parts): file for file in files}


def used_by(module: str, code: str, modules: dict[str, Path]) -> Iterator[str]:
    """Yield the modules that the ``use`` statements of one name."""
    for found in _USE.finditer(code):
        for path in flattened(re.sub(r"\s+", "", found[1])):
            parts = absolute(path.split("::"), module)
            named = ("::".join(parts[:length]) for length in range(len(parts), 0, -1))
            target = next((name for name in named if name in modules), None)
            if target is not None and target != module:
                yield target


def flattened(path: str) -> Iterator[str]:
    """Yield each path of ``a::{b, c::{d, e}}``."""
    before, brace, rest = path.partition("{")
    if not brace:
        yield path
        return
    depth, start = 0, 0
    inner = rest[: rest.rindex("}")]
    for at, letter in enumerate(f"{inner},"):
        depth += {"{": 1, "}": -1}.get(letter, 0)
        if letter == "," and depth == 0:
            yield from flattened(before + inner[start:at])
            start = at + 1


def absolute(parts: list[str], module: str) -> list[str]:
    place = module.split("::")
    if parts[0] == "crate":
        return parts[1:]
    while parts and parts[0] in {"super", "self"}:
        place = place[:-1] if parts[0] == "super" else place
        parts = parts[1:]
    return [*place, *parts]


def circle_in(graph: Graph) -> list[str]:
    """Return a circle, the first again at its end; empty where there is none."""
    done: set[str] = set()

    def walk(node: str, way: list[str]) -> list[str]:
        if node in way:
            return [*way[way.index(node) :], node]
        if node in done:
            return []
        for target in sorted(graph.get(node, ())):
            if circle := walk(target, [*way, node]):
                return circle
        done.add(node)
        return []

    return next((circle for node in sorted(graph) if (circle := walk(node, []))), [])


def test_a_circle_is_found_where_there_is_one() -> None:
    assert circle_in({"a": {"b"}, "b": {"c"}, "c": {"b"}}) == ["b", "c", "b"]
    assert circle_in({"a": {"b", "c"}, "b": {"c"}}) == []
    modules = {name: Path() for name in ("tls::config", "tls::trust", "driver")}
    code = "use super::trust::{Trusting, trusted};\nuse crate::driver::{\n    Connected,\n};\nuse std::io;\n"
    assert set(used_by("tls::config", code, modules)) == {"tls::trust", "driver"}
    assert set(used_by("tls", "use trust::trusted;\nuse driver::Driver;\n", modules)) == {"tls::trust"}


@pytest.mark.parametrize("crate", CRATES, ids=lambda crate: crate.name)
def test_no_modules_of_a_crate_use_each_other_in_a_circle(crate: Path) -> None:
    modules = modules_of(crate)
    graph = {name: set(used_by(name, code_of(file), modules)) for name, file in modules.items()}
    assert circle_in(graph) == []


def test_functions_are_short_enough_to_see() -> None:
    long = [
        f"{file.relative_to(ROOT)}:{node.lineno} {node.name}: {node.end_lineno - node.lineno + 1}"
        for file in (*PACKAGE.rglob("*.py"), *TOOLS.rglob("*.py"))
        for node in ast.walk(ast.parse(file.read_text()))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.end_lineno is not None
        if node.end_lineno - node.lineno >= FUNCTION_LINES_LIMIT
    ]
    assert long == []


def test_files_are_short_enough_to_have_one_subject() -> None:
    limits = dict.fromkeys((*PACKAGE.rglob("*.py"), *TOOLS.rglob("*.py")), PYTHON_LINES_LIMIT)
    limits |= dict.fromkeys(
        (file for crate in CRATES for file in (crate / "src").rglob("*.rs")), RUST_LINES_LIMIT
    )
    lines = {file: file.read_text().count("\n") for file in limits}
    assert {str(file.relative_to(ROOT)): lines[file] for file in limits if lines[file] > limits[file]} == {}


def test_a_package_has_no_more_files_than_a_person_can_survey() -> None:
    folders = [
        PACKAGE,
        *(
            path
            for path in (*PACKAGE.rglob("*"), *TOOLS.rglob("*"))
            if path.is_dir() and path.name != "__pycache__"
        ),
    ]
    counts = {str(path.relative_to(ROOT)): len(list(path.glob("[!_]*.py"))) for path in folders}
    assert {name: count for name, count in counts.items() if count > FILES_LIMIT} == {}
