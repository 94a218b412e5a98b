"""Requests: one, or many hosts and paths from a list, a template or a file, each with its weight.

A template holds ranges in braces: ``route-{0..2999}.example.com`` is 3,000 hosts, ``/shop/{1..3}/{a,b}`` six paths.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

REQUEST_LIMIT = 100_000
"""More different requests than this would fill a worker's memory before they filled a cache."""
MIN_WEIGHT, MAX_WEIGHT = 1e-9, 1e9
"""What is rarer than once in 10^18 is never sent, and sums of what is not lose no digit that matters."""

_BRACES = re.compile(r"\{([^{}]*)\}")
_RANGE = re.compile(r"(\d+)\.\.(\d+)")


@dataclass(frozen=True, slots=True)
class Request:
    """A request that active connections send; ``weight`` is how often beside the others."""

    method: str = "GET"
    path: str = "/"
    host: str = "localhost"
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""
    weight: float = 1.0


@dataclass(frozen=True, slots=True)
class Expect:
    """What answers must be like: no ``status`` is any of 2xx; None is not looked at."""

    status: tuple[int, ...] = ()
    header: tuple[str, str] | None = None
    body: str | None = None


def expand(template: str) -> tuple[str, ...]:
    """Return every text that a template stands for, the last braces changing fastest.

    Raises
    ------
    ValueError
        A range runs backwards, or there are more than :data:`REQUEST_LIMIT` texts.
    """
    pieces = _BRACES.split(template)
    choices = [_choices(piece) if index % 2 else (piece,) for index, piece in enumerate(pieces)]
    count = 1
    for choice in choices:
        count *= len(choice)
    if count > REQUEST_LIMIT:
        raise ValueError(f"{template} stands for {count:,} texts; {REQUEST_LIMIT:,} is the most")
    return tuple("".join(parts) for parts in itertools.product(*choices))


def _choices(inside: str) -> tuple[str, ...]:
    bounds = _RANGE.fullmatch(inside)
    if bounds is None:
        return tuple(inside.split(","))
    first, last = int(bounds[1]), int(bounds[2])
    if last < first:
        raise ValueError(f"{{{inside}}} runs backwards")
    if last - first >= REQUEST_LIMIT:
        raise ValueError(f"{{{inside}}} stands for {last - first + 1:,} texts; {REQUEST_LIMIT:,} is the most")
    width = len(bounds[1]) if bounds[1].startswith("0") and len(bounds[1]) > 1 else 0
    return tuple(f"{number:0{width}d}" for number in range(first, last + 1))


def many(base: Request, hosts: str | None, paths: str | None) -> tuple[Request, ...]:
    """Return a request for each host and each path.

    ``hosts`` and ``paths`` are a text or a template, several with commas between them, or ``@FILE`` with a line for
    each; each is ``HOST[/PATH] [WEIGHT]``, or ``/PATH [WEIGHT]``. Empty lines and those beginning with # are passed
    over.

    Raises
    ------
    ValueError
        A line, a template or the number of requests is wrong, or a file cannot be read; the text names the flag.
    """
    requests = [base]
    if paths is not None:
        requests = [replace(base, path=path, weight=weight) for path, weight in _of_flag("path", paths)]
    if hosts is not None:
        requests = [
            _with_host(request, host, weight)
            for host, weight in _of_flag("host", hosts)
            for request in requests
        ]
    if len(requests) > REQUEST_LIMIT:
        raise ValueError(
            f"--host and --path: {len(requests):,} different requests; {REQUEST_LIMIT:,} is the most"
        )
    for request in requests:
        _check(request, "host" if hosts is not None else "path")
    return tuple(requests)


def _of_flag(flag: str, words: str) -> list[tuple[str, float]]:
    try:
        entries = list(_entries(words))
    except OSError as error:
        raise ValueError(f"--{flag} {words}: {error.strerror or error}") from None
    except UnicodeDecodeError:
        raise ValueError(f"--{flag} {words}: the file is not UTF-8") from None
    except ValueError as error:
        raise ValueError(f"--{flag}: {error}") from None
    if not entries:
        raise ValueError(f"--{flag} {words}: the file has no line with a {flag}")
    return entries


def _with_host(request: Request, entry: str, weight: float) -> Request:
    host, slash, path = entry.partition("/")
    return replace(
        request, host=host, path=f"/{path}" if slash else request.path, weight=weight * request.weight
    )


def _entries(words: str) -> Iterator[tuple[str, float]]:
    if words.startswith("@"):
        lines = Path(words[1:]).read_text(encoding="utf-8").splitlines()
        for number, line in enumerate(lines, start=1):
            if line.strip() and not line.lstrip().startswith("#"):
                yield from _weighted(line.split(), f"line {number}: ")
        return
    # Commas inside braces belong to the template.
    for entry in re.split(r",(?![^{]*\})", words):
        yield from _weighted(entry.split() or [""], "")


def _weighted(words: Sequence[str], where: str) -> Iterator[tuple[str, float]]:
    try:
        weight = float(words[1]) if len(words) > 1 else 1.0
    except ValueError:
        weight = 0.0
    if len(words) > 2 or not MIN_WEIGHT <= weight <= MAX_WEIGHT:
        raise ValueError(
            f"{where}{' '.join(words[1:])} is not a weight: "
            f"write it as `host/path weight`, the weight from {MIN_WEIGHT:g} to {MAX_WEIGHT:g}"
        )
    yield from ((expanded, weight) for expanded in expand(words[0]))


def _check(request: Request, flag: str) -> None:
    for what, text in (("host", request.host), ("path", request.path)):
        if not text or not text.isascii() or not text.isprintable() or " " in text:
            raise ValueError(f"--{flag}: {text!a} is not a {what}: ASCII without spaces")
    if "#" in request.path:
        raise ValueError(f"--{flag}: {request.path!r} has a fragment, which is never sent: write %23 for a #")
    if not request.path.startswith(("/", "*")):
        raise ValueError(f"--{flag}: {request.path!r} is not a path: it starts with /")
