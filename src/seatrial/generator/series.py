"""Requests that differ by a number, as one of the spec: a hundred thousand routes are megabytes of JSON otherwise."""

from __future__ import annotations

import binascii
import dataclasses
import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable

    from seatrial.workload.requests import Request

PLACE = "{}"
"""Where the engine puts the number (``request.rs``)."""

LEAST = 3
"""Fewer are as short as they are."""

_DIGITS = re.compile(r"(\d{1,18})")


def written(requests: Iterable[Request]) -> list[dict[str, Any]]:
    """Return requests as the engine reads them, in their order; those that count on stand as one."""
    found: list[dict[str, Any]] = []
    run: list[Request] = []
    counted: _Counted | None = None
    for request in requests:
        if len(run) == 1:
            counted = _counted(run[0], request)
        if run and not (counted and counted.has(request, len(run))):
            found += _series(run, counted)
            run = []
        run.append(request)
    return found + _series(run, counted)


@dataclasses.dataclass(frozen=True, slots=True)
class _Counted:
    """A request with a number that others count on from."""

    first: Request
    number: int
    width: int

    def has(self, request: Request, place: int) -> bool:
        """Return whether a request is the one in this place after the first."""
        return _rest(request) == _rest(self.first) and _text(request) == self.text(self.number + place)

    def text(self, other: int | str) -> str:
        """Return host and path with another number in every place of the first one's."""
        digits = f"{self.number:0{self.width}}"
        put = f"{other:0{self.width}}" if isinstance(other, int) else other
        return _DIGITS.sub(lambda found: put if found[0] == digits else found[0], _text(self.first))


def _counted(first: Request, second: Request) -> _Counted | None:
    """Return what counts from the first to the second; None where nothing does."""
    if PLACE in _text(first):
        return None
    for digits in dict.fromkeys(_DIGITS.findall(_text(first))):
        counted = _Counted(first, int(digits), len(digits))
        if counted.has(second, 1):
            return counted
    return None


def _series(run: list[Request], counted: _Counted | None) -> list[dict[str, Any]]:
    if counted is None or len(run) < LEAST:
        return [_one(request) for request in run]
    host, path = counted.text(PLACE).split("\n", 1)
    numbers = {"first": counted.number, "count": len(run), "width": counted.width}
    return [_one(counted.first) | {"host": host, "path": path, "numbers": numbers}]


def _rest(request: Request) -> tuple[object, ...]:
    return request.method, request.headers, request.body, request.weight


def _text(request: Request) -> str:
    return f"{request.host}\n{request.path}"


def _one(request: Request) -> dict[str, Any]:
    # A body may be anything, and JSON holds text only.
    body = binascii.b2a_base64(request.body, newline=False).decode()
    return dataclasses.asdict(request) | {"body": body}
