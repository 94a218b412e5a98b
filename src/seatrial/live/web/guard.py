"""Who may read and who may write: names that a browser may ask for, tokens, and headers that keep others out.

Without a token only loopback is listened on, and whoever is on this machine may read. A page of elsewhere in the same
browser may not: its requests carry another name (DNS rebinding) or another origin. Source: OWASP Cheat Sheet Series,
"Cross-Site Request Forgery Prevention" and "Content Security Policy".
"""

from __future__ import annotations

import hmac
import ipaddress
import secrets
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from aiohttp import web

from seatrial.errors import SeatrialError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

TOKEN_HEADER = "X-Seatrial-Token"
AT_ONCE_LIMIT = 100
"""Requests that are answered at a time, streams too; a browser has six connections, and one page needs two."""

HEADERS: Mapping[str, str] = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
    "connect-src 'self'; frame-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}


@dataclass(slots=True)
class Guard:
    """Holds requests against what is allowed. ``names`` are those that a Host header may have, without a port.

    ``token`` is asked for of whoever reads; None asks for nothing. ``write_token`` is of this process: it is in the
    page, which nobody else may read, and who writes sends it in a header.
    """

    names: frozenset[str]
    token: str | None = None
    write_token: str = field(default_factory=secrets.token_urlsafe)
    _under_way: int = 0

    @web.middleware
    async def middleware(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Answer what is not allowed itself; give every answer its headers."""
        if self._under_way >= AT_ONCE_LIMIT:
            return _refused(503, "too many requests at a time: close some pages")
        self._under_way += 1
        try:
            answer = self._refusal(request) or await handler(request)
        except web.HTTPException as error:
            answer = _refused(error.status, error.text or error.reason)
        except SeatrialError as error:
            answer = _refused(422, error.line)
        except Exception as error:  # noqa: BLE001 - a bug ends one answer, and nothing else
            answer = _refused(500, f"seatrial has a bug: {type(error).__name__}: {error}")
        finally:
            self._under_way -= 1
        if not answer.prepared:
            with_headers(answer)
        return answer

    def _refusal(self, request: web.Request) -> web.Response | None:
        """Return the answer to a request that is not allowed, None to one that is."""
        if name_of(request.headers.get("Host", "")) not in self.names:
            return _refused(421, "this is not a name of this server: use the URL that it printed")
        if (given := request.query.get("token")) is not None and self._is_read_token(given):
            return self._kept(request, given)
        if self.token is not None and not self._is_read_token(request.cookies.get(cookie_name(request), "")):
            return _refused(401, "a token is needed: use the URL that seatrial printed")
        if request.method in {"GET", "HEAD"}:
            return None
        return self._refusal_to_write(request)

    def _refusal_to_write(self, request: web.Request) -> web.Response | None:
        origin = urlsplit(request.headers.get("Origin", ""))
        if origin.scheme not in {"http", "https"} or origin.netloc != request.headers.get("Host"):
            return _refused(403, "another page asks for this")
        if not _equal(request.headers.get(TOKEN_HEADER, ""), self.write_token):
            return _refused(403, "the page is of another process: load it again")
        return None

    def _is_read_token(self, given: str) -> bool:
        return self.token is not None and _equal(given, self.token)

    def _kept(self, request: web.Request, token: str) -> web.Response:
        """Keep the token in a cookie, and have it vanish from the address line and the history."""
        answer = web.Response(status=303, headers={"Location": request.path})
        answer.set_cookie(cookie_name(request), token, httponly=True, samesite="Strict", path="/")
        return answer


def cookie_name(request: web.Request) -> str:
    """Return the cookie's name: cookies of one host are shared by all of its ports."""
    return f"seatrial-{request.headers.get('Host', '').rpartition(':')[2]}"


def name_of(host: str) -> str:
    """Return the name or address of a Host header, without its port; empty where it is none."""
    try:
        return (urlsplit(f"//{host}").hostname or "").lower()
    except ValueError:
        return ""


def is_loopback(host: str) -> bool:
    """Return whether only this machine reaches an address."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def names_of(host: str) -> frozenset[str]:
    """Return the names under which a server that listens on ``host`` may be asked for, without a port.

    Not the port: a tunnel has another. Who listens everywhere has every address and name of this machine.
    """
    if is_loopback(host):
        return frozenset({host, "localhost", "127.0.0.1", "::1"})
    if host not in {"0.0.0.0", "::"}:
        return frozenset({host.lower()})
    import socket

    import psutil

    own = {address.address.partition("%")[0] for found in psutil.net_if_addrs().values() for address in found}
    return frozenset({name.lower() for name in (*own, "localhost", socket.gethostname(), socket.getfqdn())})


def with_headers(answer: web.StreamResponse) -> None:
    """Give an answer the headers that it has not itself."""
    for name, value in HEADERS.items():
        answer.headers.setdefault(name, value)


def _refused(status: int, text: str) -> web.Response:
    return web.json_response({"error": text}, status=status)


def _equal(given: str, known: str) -> bool:
    return hmac.compare_digest(given.encode(errors="replace"), known.encode())
