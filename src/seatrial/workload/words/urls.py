"""The URL of a load -> where to connect to, and what the requests say of it."""

from __future__ import annotations

import base64
import re
from dataclasses import dataclass
from typing import Literal
from urllib.parse import SplitResult, quote, unquote_to_bytes, urlsplit

from seatrial.errors import PlanError

PORTS = "give a port from 1 to 65535"


@dataclass(frozen=True, slots=True)
class LoadUrl:
    """A URL that can be loaded.

    ``authority`` is what a Host field says: the host as it was given, and the port where one was. ``path`` is that of
    the request line, with its query. ``credentials`` are ``user:password``, as bytes.
    """

    scheme: Literal["http", "https"]
    host: str
    port: int
    authority: str
    path: str
    credentials: bytes | None

    @property
    def authorization(self) -> tuple[tuple[str, str], ...]:
        """The header field that stands for user and password, as curl sends it (RFC 7617)."""
        if self.credentials is None:
            return ()
        return (("Authorization", f"Basic {base64.b64encode(self.credentials).decode()}"),)


def read_url(text: str) -> LoadUrl:
    """Read a URL, ``http`` where no scheme is named; raises ``PlanError``."""
    whole = text if "://" in text else f"http://{text}"
    for character in whole:
        # urlsplit drops line breaks and tabs without a word; what else is no ASCII may only be in a host's name.
        if character <= " " or character == "\x7f":
            raise _refused(text, f"it holds {character!r}", f"write {quote(character)} for it")
    parts = _split(text, whole)
    port = port_of(parts)
    host, authority = _host(text, parts, port)
    path = _path(text, whole)
    return LoadUrl(
        scheme="https" if parts.scheme == "https" else "http",
        host=host,
        port=port or (443 if parts.scheme == "https" else 80),
        authority=authority,
        path=path,
        credentials=_credentials(parts),
    )


def port_of(parts: SplitResult) -> int | None:
    """Return the port that a URL or an address names, None where it names none; raises ``PlanError``."""
    try:
        port = parts.port
    except ValueError as error:
        raise PlanError(f"{_shown(parts)}: {error}", next_step=PORTS) from None
    if port == 0:
        raise PlanError(f"{_shown(parts)}: nothing can listen on port 0", next_step=PORTS)
    return port


def _split(text: str, whole: str) -> SplitResult:
    try:
        parts = urlsplit(whole)
    except ValueError:
        parts = SplitResult("", "", "", "", "")
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise _refused(
            text,
            "http:// and https:// are what can be spoken",
            "give a URL such as http://127.0.0.1:8080/ or https://127.0.0.1:8443/",
        )
    return parts


def _host(text: str, parts: SplitResult, port: int | None) -> tuple[str, str]:
    host, authority = parts.hostname or "", _shown(parts)
    if not host.isascii():
        try:
            ascii_host = host.encode("idna").decode()
        except UnicodeError:
            raise _refused(text, f"{host!a} is not a host's name", "check the name") from None
        return ascii_host, f"{ascii_host}:{port}" if port else ascii_host
    if not re.fullmatch(r"[A-Za-z0-9._~:%-]+", host):
        raise _refused(text, f"{host!r} is not a host's name", "check the name")
    return host, authority.removesuffix(":")


def _path(text: str, whole: str) -> str:
    """Return what stands between the authority and the fragment: ``/a?`` is another resource than ``/a`` to some."""
    rest = whole.partition("://")[2].partition("#")[0]
    start = re.search(r"[/?]", rest)
    path = rest[start.start() :] if start else ""
    for character in path:
        if not character.isascii():
            encoded = quote(character, errors="surrogateescape")
            raise _refused(text, f"its path holds {character!a}", f"write {encoded} for it")
    return path if path.startswith("/") else f"/{path}"


def _credentials(parts: SplitResult) -> bytes | None:
    if parts.username is None:
        return None
    # What a shell gives that is no text is sent as it came.
    user, password = (
        word.encode(errors="surrogateescape") for word in (parts.username, parts.password or "")
    )
    return unquote_to_bytes(user) + b":" + unquote_to_bytes(password)


def _shown(parts: SplitResult) -> str:
    """Return the authority without user and password, which are nobody's business."""
    return parts.netloc.rpartition("@")[2]


def _refused(text: str, cause: str, next_step: str) -> PlanError:
    before, at, after = text.rpartition("@")
    shown = f"{before.partition('://')[0]}://...@{after}" if at and "://" in before else text
    return PlanError(f"{shown} is not a URL that can be loaded", cause=cause, next_step=next_step)
