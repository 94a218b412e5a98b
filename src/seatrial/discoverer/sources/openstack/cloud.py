"""Calls to an OpenStack cloud: a token that is renewed, lists page by page, and calls made again where that helps."""

from __future__ import annotations

import asyncio
import json
import time
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import aiohttp

from seatrial.discoverer.sources.base import SourceFault
from seatrial.discoverer.sources.openstack.login import token_of

if TYPE_CHECKING:
    from seatrial.discoverer.sources.openstack.login import Login, Token

PAGE = 1_000
"""Items that are asked for at a time: what Octavia gives at most unless its operator says otherwise."""
ATTEMPTS_LIMIT = 3
LISTS_LIMIT = 3
"""How often a list is begun anew whose next page began after something that has gone meanwhile."""
PAUSE_FIRST_S = 0.1
RETRY_AFTER_DEFAULT_S = 1.0


class Gone(SourceFault):
    """What was asked for is not there (404), or a page's marker is not (400)."""


class Forbidden(SourceFault):
    """Whoever asks may not (403)."""


class Cloud:
    """One cloud, asked by one who logs in; every method raises ``SourceFault``."""

    def __init__(self, login: Login, limit_s: float) -> None:
        self._login = login
        self._timeout = aiohttp.ClientTimeout(total=limit_s)
        self._http: aiohttp.ClientSession | None = None
        self._token: Token | None = None
        self._renewing = asyncio.Lock()
        self._not_before_s = 0.0

    async def octavia(self, path: str, what: str, key: str) -> list[dict[str, Any]]:
        """Return a whole list of Octavia's, such as ``/pools``; ``what`` is a word to count its failures by."""
        for left in reversed(range(LISTS_LIMIT)):
            try:
                return await self._pages("load_balancer", path, what, key)
            except Gone:
                # Of a list below something else that is what has gone.
                if not left or path.count("/") > 1:
                    raise
        raise AssertionError("a list is read or not")

    async def projects(self) -> dict[str, str]:
        """Return the names of projects by id: all of them, or those that whoever asks has a part in."""
        try:
            found = await self._pages("identity", "/projects", "list_projects", "projects")
        except Forbidden:
            found = await self._pages("identity", "/auth/projects", "list_projects", "projects")
        return {str(one["id"]): str(one["name"]) for one in found}

    async def close(self) -> None:
        """Close its connections."""
        if self._http is not None:
            await self._http.close()

    async def _pages(self, service: str, path: str, what: str, key: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        query = f"limit={PAGE}"
        while True:
            document = await self._get(service, f"{path}?{query}", what)
            try:
                page, links = document[key], document.get(f"{key}_links") or document.get("links") or []
                found += page
                following = _next_of(links)
            except (KeyError, TypeError, AttributeError) as error:
                raise SourceFault(what, f"{path} is no list: {error!r}") from None
            # A full page has a link to a next one, which may be empty, and may have one itself.
            if not following or not page:
                return found
            # Where it leads may be another address, seen from behind a proxy: what is asked is what matters.
            query = urlsplit(following).query

    async def _get(self, service: str, path: str, what: str) -> Any:
        """Make a call, again where that helps."""
        fault = SourceFault(what, f"{path} was not asked")
        for attempt in range(ATTEMPTS_LIMIT):
            await asyncio.sleep(max(self._not_before_s - time.monotonic(), 0.0))
            token = await self._logged_in()
            status, waits, content = await self._asked(getattr(token, service) + path, what, token)
            if status == 200:
                return _json(content, what, path)
            text = f"GET {path.partition('?')[0]}: {'no answer' if not status else f'the cloud answers {status}'}"
            if status == 401:
                self._token = None if self._token is token else self._token
            elif status in {400, 404}:
                raise Gone(what, text)
            elif status == 403:
                raise Forbidden(what, text)
            elif status == 429:
                wait_s = float(waits) if waits.isdecimal() else RETRY_AFTER_DEFAULT_S
                self._not_before_s = max(self._not_before_s, time.monotonic() + wait_s)
            elif status and status < 500 and status != 409:
                raise SourceFault(what, text)
            elif attempt + 1 < ATTEMPTS_LIMIT:
                await asyncio.sleep(PAUSE_FIRST_S * 2**attempt)
            fault = SourceFault(what, text, max(self._not_before_s - time.monotonic(), 0.0))
        raise fault

    async def _logged_in(self) -> Token:
        async with self._renewing:
            if self._token is None:
                self._token = await self._new_token()
            return self._token

    async def _new_token(self) -> Token:
        url, what = f"{self._login.auth_url}/auth/tokens", "token"
        status, waits, content, value = 0, "", b"", ""
        headers = {"Content-Type": "application/json"}
        session = self._session()
        try:
            async with session.post(url, data=json.dumps(self._login.body), headers=headers) as response:
                status, content = response.status, await response.read()
                value, waits = (
                    response.headers.get("X-Subject-Token", ""),
                    response.headers.get("Retry-After", ""),
                )
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise SourceFault(what, f"no token from {url}: {str(error) or type(error).__name__}") from None
        if status != 201 or not value:
            wait_s = float(waits) if waits.isdecimal() else 0.0
            raise SourceFault(what, f"no token from {url}: the cloud answers {status}", wait_s)
        try:
            return token_of(value, _json(content, what, url), self._login)
        except (ValueError, KeyError, TypeError) as error:
            raise SourceFault(what, f"the token from {url} cannot be used: {error}") from None

    async def _asked(self, url: str, what: str, token: Token) -> tuple[int, str, bytes]:
        """Return status (0: no answer), Retry-After and content."""
        try:
            async with self._session().get(url, headers={"X-Auth-Token": token.value}) as response:
                return response.status, response.headers.get("Retry-After", ""), await response.read()
        except aiohttp.InvalidURL:
            raise SourceFault(what, f"{url} is no URL") from None
        except (aiohttp.ClientError, TimeoutError, OSError):
            return 0, "", b""

    def _session(self) -> aiohttp.ClientSession:
        if self._http is None:
            self._http = aiohttp.ClientSession(timeout=self._timeout, cookie_jar=aiohttp.DummyCookieJar())
        return self._http


def _json(content: bytes, what: str, path: str) -> Any:
    try:
        return json.loads(content)
    except ValueError:
        raise SourceFault(what, f"{path} answers no JSON") from None


def _next_of(links: Any) -> str:
    """Return where the next page is: Octavia has a list of links with a ``rel``, Keystone one by name."""
    if isinstance(links, dict):
        return str(links.get("next") or "")
    return next((str(link["href"]) for link in links if link["rel"] == "next"), "")
