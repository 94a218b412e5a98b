"""A file of raw configuration that a plan names, read as if it stood in the plan."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from seatrial.limits import MAX_FILE_BYTES
from seatrial.plan.yaml.problems import Problem, quoted
from seatrial.plan.yaml.yaml12 import Entry, List, Map, Node, Scalar, read_yaml

if TYPE_CHECKING:
    from seatrial.plan.yaml.problems import Span

_ALLOWED = "a mapping, or the name of a YAML or JSON file that holds one"


def fragment_of(file: Scalar, problems: list[Problem]) -> Node:
    """Return what is in the file, all of it placed where the plan names it; an empty mapping where it is of no use."""
    nothing = Map(file.span, {})
    try:
        with Path(file.text).open("rb") as stream:
            text = stream.read(MAX_FILE_BYTES + 1).decode("utf-8")
    except (OSError, ValueError) as error:
        why = (error.strerror if isinstance(error, OSError) else None) or "it is no text"
        problems.append(Problem(file.span, f"`config`: {quoted(file.text)} cannot be read: {why}", _ALLOWED))
        return nothing
    if len(text) > MAX_FILE_BYTES:
        problems.append(Problem(file.span, f"{quoted(file.text)} is larger than {MAX_FILE_BYTES} bytes"))
        return nothing
    root, found = read_yaml(text)
    # Its own lines are not those of the plan, so they are said in words.
    problems += [
        replace(problem, span=file.span, text=f"{file.text}, line {problem.span.line}: {problem.text}")
        for problem in found
    ]
    if not isinstance(root, Map):
        if not found:
            problems.append(Problem(file.span, f"{quoted(file.text)} holds no mapping", _ALLOWED))
        return nothing
    return _placed(root, file.span)


def _placed(node: Node, span: Span) -> Node:
    if isinstance(node, Map):
        entries = {key: Entry(span, _placed(entry.node, span)) for key, entry in node.entries.items()}
        return Map(span, entries)
    if isinstance(node, List):
        return List(span, tuple(_placed(item, span) for item in node.items))
    return replace(node, span=span)
