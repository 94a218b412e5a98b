"""Mistakes in a plan file: where, what, what is allowed, the nearest right word; shown with the line."""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from seatrial.errors import PlanError
from seatrial.limits import MAX_PROBLEMS_SHOWN

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

LINE_BREAK = re.compile(r"\r\n|\n|\r")
"""Those of YAML 1.2 (section 5.4), and of editors: a line separator (U+2028) ends no line."""

# Enough of a line to recognise it; a line may be as long as the file.
_EXCERPT_CHARACTERS = 100


@dataclass(frozen=True, slots=True, order=True)
class Span:
    """Where something stands in the file; line and column count from 1, in characters."""

    line: int
    column: int
    width: int = 1


@dataclass(frozen=True, slots=True, order=True)
class Problem:
    """One mistake. ``allowed`` and ``nearest`` are what could stand there instead."""

    span: Span
    text: str
    allowed: str | None = None
    nearest: str | None = None


class PlanFileError(PlanError):
    """Everything that is wrong with one plan file, in the order of its lines; ``what`` shows it all."""

    def __init__(self, path: str, source: str, problems: Iterable[Problem]) -> None:
        self.path = path
        self.problems = tuple(sorted(set(problems), key=_in_order))
        super().__init__(_describe(path, source, self.problems))


class Refused(ValueError):
    """A refused value, with what is allowed apart: either may hold a colon."""

    def __init__(self, text: str, allowed: str) -> None:
        super().__init__(f"{text}: {allowed}")
        self.text = text
        self.allowed = allowed


def refusal(span: Span, error: ValueError, prefix: str = "") -> Problem:
    """Return the problem of a refused value; what follows the last colon of a plain text is what is allowed."""
    if isinstance(error, Refused):
        return Problem(span, prefix + error.text, error.allowed)
    text, colon, allowed = str(error).rpartition(": ")
    return Problem(span, prefix + text, allowed) if colon else Problem(span, prefix + allowed)


def nearest_word(word: str, words: Iterable[str]) -> str | None:
    """Return the one of ``words`` that was probably meant, if any is close (Ratcliff/Obershelp)."""
    matches = difflib.get_close_matches(word.lower(), list(words), n=1, cutoff=0.6)
    return matches[0] if matches else None


def listed(words: Iterable[str]) -> str:
    """Return ``a, b, c``: how every message lists what is allowed."""
    return ", ".join(words)


def quoted(text: str) -> str:
    """Return ``text`` in backquotes, cut where it would fill the screen."""
    return f"`{text if len(text) <= 60 else text[:57] + '...'}`"


def _in_order(problem: Problem) -> tuple[Span, str]:
    return problem.span, problem.text


def _describe(path: str, source: str, problems: Sequence[Problem]) -> str:
    count = "1 mistake" if len(problems) == 1 else f"{len(problems)} mistakes"
    lines = LINE_BREAK.split(source)
    blocks = [_block(path, lines, problem) for problem in problems[:MAX_PROBLEMS_SHOWN]]
    if len(problems) > MAX_PROBLEMS_SHOWN:
        blocks.append(f"... and {len(problems) - MAX_PROBLEMS_SHOWN} more")
    return "\n\n".join([f"{path} has {count}", *blocks])


def _block(path: str, lines: Sequence[str], problem: Problem) -> str:
    """Show one problem as rustc does: place, message, the line, carets, and what is allowed."""
    span = problem.span
    line = lines[span.line - 1] if span.line <= len(lines) else ""
    excerpt, caret = _excerpt(line, span)
    number = str(span.line)
    gutter = " " * len(number)
    hint = f" did you mean `{problem.nearest}`?" if problem.nearest else ""
    shown = [
        f"{path}:{span.line}:{span.column}: {problem.text}",
        f"{gutter} |",
        f"{number} | {excerpt}".rstrip(),
        f"{gutter} | {caret}{hint}",
    ]
    if problem.allowed:
        shown.append(f"{gutter} = allowed: {problem.allowed}")
    return "\n".join(shown)


def _excerpt(line: str, span: Span) -> tuple[str, str]:
    """Return the visible part of a line and the carets under the span."""
    first = max(0, span.column - 1 - _EXCERPT_CHARACTERS // 2) if len(line) > _EXCERPT_CHARACTERS else 0
    window = line[first : first + _EXCERPT_CHARACTERS].rstrip()
    indent = span.column - 1 - first
    width = max(1, min(span.width, len(window) - indent))
    # One column each, whatever the character: tabs and control characters would move the carets.
    visible = "".join(char if char.isprintable() else " " for char in window)
    return visible, " " * indent + "^" * width
