"""What a person asks for as a request's body -> its bytes."""

from __future__ import annotations

from numbers import Integral
from pathlib import Path
from typing import Any

from seatrial import limits
from seatrial.errors import PlanError
from seatrial.units import parse_size_bytes


def request_body(given: int | str | bytes) -> bytes:
    """Read a request's body: a number of bytes, a text that is a size or the body itself, ``@FILE``, or the bytes.

    Raises
    ------
    PlanError
        The file cannot be read, or the body is too big.
    """
    whole: Any = given
    if isinstance(whole, Integral):
        # numpy's are whole numbers, too.
        given = int(whole)
    if isinstance(given, str) and given.startswith("@"):
        return _body_of_file(given)
    try:
        size = parse_size_bytes(given) if isinstance(given, str) and given[:1].isdigit() else given
    except ValueError:
        size = given
    if isinstance(size, int):
        _require_body_size(size)
        return b"x" * size
    # What the shell gave that is not UTF-8 goes out as it came.
    body = size if isinstance(size, bytes) else size.encode(errors="surrogateescape")
    _require_body_size(len(body))
    return body


def _body_of_file(given: str) -> bytes:
    try:
        with Path(given[1:]).open("rb") as file:
            # A device or a pipe does not say how much is in it.
            content = file.read(limits.MAX_BODY_BYTES + 1)
    except (OSError, ValueError) as error:
        raise PlanError(f"--body {given!a}: {error}", next_step="name a file that can be read") from None
    if len(content) > limits.MAX_BODY_BYTES:
        raise PlanError(
            f"--body {given} is too big", next_step=f"a body may have {limits.MAX_BODY_BYTES:,} bytes at most"
        )
    return content


def _require_body_size(size: int) -> None:
    if not 0 <= size <= limits.MAX_BODY_BYTES:
        raise PlanError(f"--body of {_number(size)} bytes: 0 to {limits.MAX_BODY_BYTES:,} are allowed")


def _number(size: int) -> str:
    # Python prints no integers of more than 4,300 digits.
    return f"{size:,}" if abs(size) < 10**30 else "10^30 or more"
