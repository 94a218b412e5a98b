"""One value of a load's options -> its typed form, or a ``PlanError`` that names the flag and says what is allowed."""

from __future__ import annotations

import math
import re
import socket
from collections.abc import Callable, Mapping, Sequence
from numbers import Integral
from typing import Any, TypeVar, get_args
from urllib.parse import urlsplit

from seatrial import limits
from seatrial.errors import EnvironmentFault, PlanError
from seatrial.units import format_duration, parse_count, parse_rate_per_s, parse_seconds
from seatrial.workload.addresses import addresses_of
from seatrial.workload.profile import Stretch, constant, parse_profile
from seatrial.workload.spec import HoldKind, HoldTraffic, Target
from seatrial.workload.words.types import shown
from seatrial.workload.words.urls import PORTS, LoadUrl, port_of

Choice = TypeVar("Choice", bound=str)

MIN_HOLD_EVERY_S = 1e-3
"""Shared by many connections, a shorter time leaves less than a nanosecond between two of them."""

MIN_STATUS, MAX_STATUS = 200, 999
"""Of final answers: those below come before one (RFC 9110, 15.2)."""

_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
"""What names of methods and fields are made of (RFC 9110, 5.6.2)."""

HOLD_KINDS: dict[str, HoldKind] = {kind: kind for kind in get_args(HoldKind)}


def duration_s(flag: str, given: float | str, *, above_zero: bool = False) -> float:
    """Read a time; a text without a unit is seconds, as wrk2 has it."""
    return _quantity(flag, given, parse_seconds, above_zero=above_zero)


def rate_per_s(flag: str, given: float | str) -> float:
    """Read a rate above 0."""
    return _quantity(flag, given, parse_rate_per_s, above_zero=True)


def count(flag: str, given: float | str, *, above_zero: bool = False) -> int:
    """Read a whole number."""
    number = _quantity(flag, given, parse_count, above_zero=above_zero)
    if number != int(number):
        raise PlanError(f"--{flag} {given} is not a whole number")
    return int(number)


def optional_count(flag: str, given: float | str | None) -> int | None:
    """Read a whole number above 0, None being none."""
    return None if given is None else count(flag, given, above_zero=True)


def bounded(flag: str, given: int, most: int) -> int:
    """Read a whole number from 0 to ``most``, which may be beyond what a fraction holds exactly."""
    if not 0 <= given <= most:
        raise PlanError(f"--{flag} {shown(given)} is not a whole number from 0 to {most:,}")
    return int(given)


def choice(flag: str, given: Choice, allowed: Sequence[Choice]) -> Choice:
    """Read one of a few words."""
    if given not in allowed:
        raise PlanError(f"--{flag} {given} is none of {', '.join(allowed)}")
    return given


def profile(rate: float | str | None) -> tuple[Stretch, ...]:
    """Read a rate or a profile of rates; empty for None."""
    if rate is None:
        return ()
    if isinstance(rate, str) and "@" in rate:
        try:
            return parse_profile(rate)
        except ValueError as error:
            raise PlanError(f"--rate: {error}", next_step="a profile such as 1k@10s,1k..5k@30s") from None
    return constant(rate_per_s("rate", rate))


def resolution_s(given: float | str) -> float | None:
    """Read the grid of send times: None for ``auto``, 0 for ``fine``."""
    if given == "auto":
        return None
    return 0.0 if given == "fine" else duration_s("resolution", given)


def hold_traffic(words: str) -> HoldTraffic:
    """Read what idle connections do, such as ``request:10s``."""
    kind, *rest = words.split(":")
    try:
        every_s = parse_seconds(rest[0]) if rest else 1.0
        size = int(rest[1]) if len(rest) > 1 else 100
    except ValueError as error:
        raise PlanError(
            f"--hold-traffic: {error}", next_step="such as request:10s or slow-read:1s:100"
        ) from None
    if kind.replace("-", "_") not in HOLD_KINDS or every_s <= 0 or size <= 0:
        raise PlanError(
            f"--hold-traffic {words} is none of silent, request:TIME, slow-read:TIME:BYTES, slow-send:TIME"
        )
    if every_s < MIN_HOLD_EVERY_S:
        raise PlanError(
            f"--hold-traffic {words}: a connection that acts that often is not idle",
            next_step=f"at least {format_duration(MIN_HOLD_EVERY_S)}: what acts more often is an active connection",
        )
    if size > limits.MAX_ENGINE_COUNT:
        raise PlanError(
            f"--hold-traffic {words}: too many bytes for one read",
            next_step=f"at most {limits.MAX_ENGINE_COUNT:,}",
        )
    return HoldTraffic(HOLD_KINDS[kind.replace("-", "_")], every_s, size)


def method(given: str) -> str:
    """Read a request's method, in capitals."""
    if not _TOKEN.fullmatch(given):
        raise PlanError(f"--method {given!r} is not a method", next_step="give one word, such as POST")
    return given.upper()


def status_codes(given: int | str | Sequence[int] | None) -> tuple[int, ...]:
    """Read the status codes that are expected."""
    codes: list[Any]
    if isinstance(given, str | None):
        words = [word.strip() for word in (given or "").split(",")]
        codes = [int(word) if re.fullmatch("[0-9]{1,9}", word) else word for word in words if word]
    else:
        codes = list(given) if isinstance(given, Sequence) else [given]
    for code in codes:
        if not isinstance(code, Integral) or not MIN_STATUS <= int(code) <= MAX_STATUS:
            raise PlanError(
                f"--expect-status {shown(code)} is not a status code",
                next_step=f"codes are numbers from {MIN_STATUS} to {MAX_STATUS}, such as 200,204",
            )
    return tuple(int(code) for code in codes)


def targets(url: LoadUrl, given: str | Sequence[str] = ()) -> tuple[Target, ...]:
    """Look up where to connect to: the addresses given, as ``HOST[:PORT]``, or the URL's own.

    Connections are dealt to several in turns. Raises ``EnvironmentFault`` for an unknown host.
    """
    if not given:
        return (_resolved(url.host, url.port),)
    words = [word for part in _several(given) for word in part.split(",")]
    return tuple(_target(word.strip(), url.port) for word in words)


def _target(words: str, default_port: int) -> Target:
    try:
        parts = urlsplit(f"//{words}")
        host = parts.hostname
    except ValueError:
        host = None
    if not host or parts.netloc != words or "@" in words or " " in words or not words.isprintable():
        raise PlanError(f"--target {words!r} is no address", next_step="write it as HOST or HOST:PORT")
    try:
        port = port_of(parts)
    except PlanError as error:
        raise PlanError(f"--target {error}", next_step=f"write it as HOST or HOST:PORT; {PORTS}") from None
    return _resolved(host, port or default_port)


def _resolved(host: str, port: int) -> Target:
    # As bytes where it can be: for a text Python loads its tables of international names, even for 127.0.0.1.
    name = host.encode() if host.isascii() else host
    try:
        found = socket.getaddrinfo(name, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise EnvironmentFault(
            f"{host} cannot be resolved: {error}", next_step="check the name, or give an IP address"
        ) from None
    # The first answer is the one that connect() would be given; the others are the same service elsewhere.
    return Target(str(found[0][4][0]), port)


def host_and_headers(
    url: LoadUrl, given: str | Sequence[str] | Mapping[str, str], hosts: str | None
) -> tuple[str, tuple[tuple[str, str], ...]]:
    """Read the header fields, and take the Host out of them; the URL's host, user and password where none are given.

    ``hosts`` are those that are given apart, with which a Host among the fields would be another.
    """
    if isinstance(given, Mapping):
        given = [f"{name}: {value}" for name, value in given.items()]
    host, fields = None, []
    for words in _several(given):
        name, value = header("header", words)
        if name.lower() == "host":
            if hosts is not None:
                raise PlanError(
                    "--header Host and --host contradict each other", next_step="give one of them"
                )
            if host is not None:
                raise PlanError(
                    "--header Host is given twice", next_step="a request has one; --host takes several"
                )
            host = value
        else:
            fields.append((name, value))
    if not any(name.lower() == "authorization" for name, _ in fields):
        fields += url.authorization
    return url.authority if host is None else host, tuple(fields)


def refuse_second_length(fields: Sequence[tuple[str, str]]) -> None:
    """Refuse fields that say how long a body is, beside the one that the body brings along."""
    for name, _ in fields:
        if name.lower() in {"content-length", "transfer-encoding"}:
            raise PlanError(
                f"--header {name} and --body contradict each other",
                cause="a request with a body is sent with its own Content-Length",
                next_step=f"leave {name} out",
            )


def header(flag: str, words: str) -> tuple[str, str]:
    """Read ``Name: value``."""
    name, colon, value = words.partition(":")
    value = value.strip()
    # A line break would begin a field of its own, and other control characters are refused by every server.
    is_value = all(character == "\t" or character.isprintable() for character in value)
    if not colon or not _TOKEN.fullmatch(name.strip()) or not is_value:
        raise PlanError(
            f"--{flag} {words!a} is not a header field",
            cause=None
            if is_value
            else "its value holds a line break, a control character, or bytes that are not UTF-8",
            next_step="write it as 'Name: value', in UTF-8 and on one line",
        )
    return name.strip(), value


def text(flag: str, given: str) -> str:
    """Read a text that is looked for, which has to be one: what a shell gives may be bytes that are not UTF-8."""
    try:
        given.encode()
    except UnicodeEncodeError:
        raise PlanError(f"--{flag} {given!a} is not UTF-8", next_step="give a text in UTF-8") from None
    return given


def sources(cidrs: str | Sequence[str]) -> tuple[str, ...]:
    """Read ranges of addresses to connect from."""
    try:
        return addresses_of(tuple(_several(cidrs)))
    except ValueError as error:
        raise PlanError(f"--source: {error}", next_step="give a range such as 127.0.0.0/28") from None


def _several(given: str | Sequence[str]) -> Sequence[str]:
    return (given,) if isinstance(given, str) else given


def _quantity(
    flag: str, given: float | str, parse: Callable[[str], float], *, above_zero: bool = False
) -> float:
    try:
        number = parse(given) if isinstance(given, str) else float(given)
    except (TypeError, ValueError, OverflowError) as error:
        raise PlanError(f"--{flag}: {error}") from None
    if not math.isfinite(number) or number < 0 or (above_zero and number == 0):
        raise PlanError(f"--{flag} {shown(given)} is not {'more than 0' if above_zero else '0 or more'}")
    return number
