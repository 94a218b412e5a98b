"""What a person asks for as a request's body -> its text."""

from __future__ import annotations

from pathlib import Path

from seatrial.errors import PlanError
from seatrial.plan import limits
from seatrial.units import parse_size_bytes


def request_body(given: int | str) -> str:
    """Read a request's body: a number of bytes, a text that is a size or the body itself, or ``@FILE``.

    Raises
    ------
    PlanError
        The file cannot be read, or the body is no text or too big.
    """
    if isinstance(given, str) and given.startswith("@"):
        return _body_of_file(given)
    try:
        size = parse_size_bytes(given) if isinstance(given, str) and given[:1].isdigit() else given
    except ValueError:
        size = given
    if isinstance(size, str):
        return _body_of_text(size)
    _require_body_size(size)
    return "x" * size


def _body_of_file(given: str) -> str:
    try:
        with Path(given[1:]).open("rb") as file:
            # A device or a pipe does not say how much is in it.
            content = file.read(limits.MAX_BODY_BYTES + 1)
    except OSError as error:
        raise PlanError(f"--body {given}: {error}", next_step="name a text file that can be read") from None
    if len(content) > limits.MAX_BODY_BYTES:
        raise PlanError(
            f"--body {given} is too big", next_step=f"a body may have {limits.MAX_BODY_BYTES:,} bytes at most"
        )
    try:
        # Not read as text, which would change its ends of lines.
        return content.decode()
    except UnicodeDecodeError as error:
        raise PlanError(
            f"--body {given} is not a text: byte {error.start:,} is not UTF-8",
            cause="a body reaches the workers as text, so it cannot be binary",
            next_step="give a text file, or a size such as --body '10 KB' for so many bytes",
        ) from None


def _body_of_text(text: str) -> str:
    try:
        size = len(text.encode())
    except UnicodeEncodeError:
        raise PlanError(
            "--body is not a text: it has bytes that are not UTF-8",
            cause="a body reaches the workers as text, so it cannot be binary",
            next_step="give a text, or a size such as --body '10 KB' for so many bytes",
        ) from None
    _require_body_size(size)
    return text


def _require_body_size(size: int) -> None:
    if not 0 <= size <= limits.MAX_BODY_BYTES:
        raise PlanError(f"--body of {size:,} bytes: 0 to {limits.MAX_BODY_BYTES:,} are allowed")
