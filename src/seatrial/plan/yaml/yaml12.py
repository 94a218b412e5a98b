"""Read YAML 1.2 into nodes that know where they stand.

PyYAML is used as a parser only. What a plain scalar means is decided here by the core schema of YAML 1.2
(section 10.3.2), so that ``on`` is a word, ``22:30`` is text and ``012`` is twelve. Aliases are allowed and
their expansion is bounded; merge keys, tags and duplicate keys are mistakes.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, TypeAlias

import yaml

from seatrial.limits import MAX_DEPTH, MAX_NODES, MAX_SCALAR_CHARACTERS
from seatrial.plan.yaml.problems import LINE_BREAK, Problem, Span, quoted

if TYPE_CHECKING:
    from yaml._yaml import Mark as CMark
    from yaml.error import Mark

ScalarValue: TypeAlias = str | int | float | bool | None


@dataclass(frozen=True, slots=True)
class Scalar:
    """One value; ``text`` is as written, ``value`` what YAML 1.2 makes of it."""

    span: Span
    text: str
    value: ScalarValue


@dataclass(frozen=True, slots=True)
class List:
    """A sequence."""

    span: Span
    items: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Entry:
    """One key of a mapping, with its value."""

    key: Span
    node: Node


@dataclass(frozen=True, slots=True)
class Map:
    """A mapping; keys are their text, in the order of the file."""

    span: Span
    entries: dict[str, Entry]

    def get(self, key: str) -> Node | None:
        """Return the value of a key, or None if it is not there."""
        entry = self.entries.get(key)
        return entry.node if entry else None

    def with_entry(self, key: str, node: Node) -> Map:
        """Return this mapping with the value of one key replaced, or added in the place of its new value."""
        where = self.entries[key].key if key in self.entries else node.span
        return replace(self, entries={**self.entries, key: Entry(where, node)})


Node: TypeAlias = Scalar | List | Map


def read_yaml(source: str) -> tuple[Node | None, list[Problem]]:
    """Return the document's root, or None if it cannot be read at all, and every mistake found on the way."""
    try:
        composed = _compose(source)
    except _RefusedError as refused:
        return None, [refused.problem]
    except yaml.MarkedYAMLError as error:
        return None, [_syntax_problem(error)]
    except yaml.reader.ReaderError as error:
        return None, [_character_problem(error, source)]
    except (ValueError, OverflowError):
        # An escape such as "\UFFFFFFFF" reaches chr(), which PyYAML does not guard.
        return None, [
            Problem(Span(1, 1), "the file holds an escape sequence for a character that does not exist")
        ]
    if composed is None:
        return None, [Problem(Span(1, 1), "the file is empty", allowed="a mapping that starts with `name:`")]
    return _convert(composed)


def _compose(source: str) -> yaml.Node | None:
    loader = _Loader(source)
    try:
        node: yaml.Node | None = loader.get_single_node()
    finally:
        loader.dispose()
    return node


def _convert(composed: yaml.Node) -> tuple[Node | None, list[Problem]]:
    converter = _Converter()
    try:
        return converter.node(composed, depth=1), converter.problems
    except _RefusedError as refused:
        return None, [*converter.problems, refused.problem]


class Places:
    """Finds line and column, from 0, of a character by its place in the text."""

    def __init__(self, source: str) -> None:
        self.starts = [0, *(found.end() for found in LINE_BREAK.finditer(source))]

    def at(self, index: int) -> tuple[int, int]:
        """Return line and column."""
        line = bisect_right(self.starts, index) - 1
        return line, index - self.starts[line]


class _RefusedError(Exception):
    """The file goes over a limit, so reading stops."""

    def __init__(self, problem: Problem) -> None:
        self.problem = problem


class _Loader(yaml.SafeLoader):
    """PyYAML up to its composer, with depth and size bounded and no opinion on what a scalar means."""

    depth = 0
    composed = 0

    def __init__(self, source: str) -> None:
        self.places = Places(source)
        super().__init__(source)

    def get_mark(self) -> Mark:
        """Return where reading stands, in the lines of YAML 1.2: PyYAML's are those of 1.1, which has more breaks."""
        mark: Mark = super().get_mark()
        mark.line, mark.column = self.places.at(mark.index)
        return mark

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        self.depth += 1
        self.composed += 1
        if self.depth > MAX_DEPTH or self.composed > MAX_NODES:
            event: yaml.Event = self.peek_event()  # type: ignore[no-untyped-call]
            span = _point(event.start_mark)
            raise _RefusedError(_too_deep(span) if self.depth > MAX_DEPTH else _too_many(span))
        node: yaml.Node | None = super().compose_node(parent, index)
        self.depth -= 1
        return node

    def resolve(self, kind: type[yaml.Node], _value: object, implicit: object) -> str:
        """Name how a node is written instead of its type; any other tag was spelled out in the file."""
        if kind is not yaml.ScalarNode:
            return "collection"
        return "plain" if isinstance(implicit, tuple) and implicit[0] else "quoted"


class _Converter:
    """Turn PyYAML's nodes into ours; aliases are expanded, so every visit counts against the limit."""

    def __init__(self) -> None:
        self.problems: list[Problem] = []
        self.visited = 0

    def node(self, node: yaml.Node, depth: int) -> Node:
        span = _span(node)
        self.visited += 1
        if self.visited > MAX_NODES:
            raise _RefusedError(_too_many(span))
        if depth > MAX_DEPTH:
            raise _RefusedError(_too_deep(span))
        if node.tag not in {"plain", "quoted", "collection"}:
            self.problems.append(Problem(span, f"a plan has no tags, but this value has {quoted(node.tag)}"))
        if isinstance(node, yaml.MappingNode):
            return self.mapping(node, span, depth)
        if isinstance(node, yaml.SequenceNode):
            return List(span, tuple(self.node(item, depth + 1) for item in node.value))
        return self.scalar(node, span)

    def mapping(self, node: yaml.MappingNode, span: Span, depth: int) -> Map:
        entries: dict[str, Entry] = {}
        for key_node, value_node in node.value:
            key_span = _span(key_node)
            key = key_node.value
            if not isinstance(key_node, yaml.ScalarNode):
                self.problems.append(Problem(key_span, "a key is one word, not a list or a mapping"))
            elif key == "<<" and key_node.tag == "plain":
                self.problems.append(Problem(key_span, _MERGE_KEY))
            elif key in entries:
                self.problems.append(_duplicate(key, key_span, entries[key].key))
            else:
                entries[key] = Entry(key_span, self.node(value_node, depth + 1))
        return Map(span, entries)

    def scalar(self, node: yaml.Node, span: Span) -> Scalar:
        text = str(node.value)
        if len(text) > MAX_SCALAR_CHARACTERS:
            self.problems.append(Problem(span, f"a value has at most {MAX_SCALAR_CHARACTERS} characters"))
            return Scalar(span, "...", "")
        if not all(char.isprintable() or char in "\n\t" for char in text):
            self.problems.append(Problem(span, "a value must not hold control characters or lone surrogates"))
            return Scalar(span, "...", "")
        return Scalar(span, text, core_value(text) if node.tag == "plain" else text)


_MERGE_KEY = "`<<` is a merge key, which YAML 1.2 does not have: write the keys out, or alias a whole value"

_CORE_WORDS: dict[str, bool | None] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL")),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}
_INTEGER = re.compile(r"[-+]?[0-9]+", re.ASCII)
_OCTAL = re.compile(r"0o[0-7]+", re.ASCII)
_HEXADECIMAL = re.compile(r"0x[0-9a-fA-F]+", re.ASCII)
_FLOAT = re.compile(
    r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)", re.ASCII
)
# Beyond this a row of digits is no number that a plan could mean, and stays text.
_MAX_NUMBER_CHARACTERS = 40


def core_value(text: str) -> ScalarValue:
    """Return what the core schema of YAML 1.2 (section 10.3.2) makes of a plain scalar."""
    if text in _CORE_WORDS:
        return _CORE_WORDS[text]
    if len(text) > _MAX_NUMBER_CHARACTERS:
        return text
    if _INTEGER.fullmatch(text):
        return int(text)
    if _OCTAL.fullmatch(text) or _HEXADECIMAL.fullmatch(text):
        return int(text, 0)
    if _FLOAT.fullmatch(text):
        return float(text.lower().replace(".inf", "inf").replace(".nan", "nan"))
    return text


def _duplicate(key: str, span: Span, first: Span) -> Problem:
    return Problem(
        span, f"the key {quoted(key)} was given before, in line {first.line}", allowed="each key once"
    )


def _too_deep(span: Span) -> Problem:
    return Problem(span, f"the file is nested more than {MAX_DEPTH} levels deep")


def _too_many(span: Span) -> Problem:
    return Problem(span, f"the file has more than {MAX_NODES} values, aliases expanded")


def _span(node: yaml.Node) -> Span:
    start, end = node.start_mark, node.end_mark
    # What goes on beyond its first line is underlined to the end of that line.
    width = end.column - start.column if end.line == start.line else 1 << 20
    return Span(start.line + 1, start.column + 1, max(1, width))


def _point(mark: Mark | CMark | None) -> Span:
    if mark is None:
        return Span(1, 1)
    return Span(mark.line + 1, mark.column + 1)


def _syntax_problem(error: yaml.MarkedYAMLError) -> Problem:
    mark = error.problem_mark or error.context_mark
    if error.problem and r"'\t'" in error.problem:
        return Problem(_point(mark), "a tab cannot indent in YAML", "spaces")
    context = f" {error.context}:" if error.context else ""
    return Problem(
        _point(mark) if mark else Span(1, 1), f"this is not YAML:{context} {error.problem or 'unreadable'}"
    )


def _character_problem(error: yaml.reader.ReaderError, source: str) -> Problem:
    line, column = Places(source).at(error.position)
    return Problem(Span(line + 1, column + 1), "this character is not allowed in YAML")
