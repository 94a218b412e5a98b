"""An API server of the test, which plays what a real one does only on bad days: breaks, 410, 429, endings half-way."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from seatrial.cluster.client import Client
from seatrial.cluster.connection.credentials import Credentials
from seatrial.cluster.connection.session import Session

Answering = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass(slots=True)
class FakeApi:
    """What is answered next, in order, and what was asked; ``url`` is where."""

    url: str = ""
    script: list[Answering] = field(default_factory=list)
    asked: list[tuple[str, str]] = field(default_factory=list)
    queries: list[dict[str, str]] = field(default_factory=list)
    tokens: list[str] = field(default_factory=list)
    credentials: list[Credentials] = field(default_factory=list)
    otherwise: Answering | None = None

    def then(self, *answers: Answering) -> None:
        """Have these follow."""
        self.script += answers

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Answer with the next of the script."""
        self.asked.append((request.method, request.path))
        self.queries.append(dict(request.query))
        self.tokens.append(request.headers.get("Authorization", ""))
        if self.script:
            return await self.script.pop(0)(request)
        if self.otherwise is not None:
            return await self.otherwise(request)
        return web.json_response({"message": "the script is over"}, status=418)


@asynccontextmanager
async def fake_client(token: str = "Bearer first") -> AsyncIterator[tuple[FakeApi, Client]]:
    """Have one serve meanwhile, and a client of it; ``api.credentials`` are what the client loads when it has to."""
    api = FakeApi()
    application = web.Application()
    application.router.add_route("*", "/{path:.*}", api.handle)
    runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    sockets = site._server.sockets  # type: ignore[union-attr]
    api.url = f"http://127.0.0.1:{sockets[0].getsockname()[1]}"

    async def load() -> Credentials:
        return api.credentials.pop(0)

    try:
        async with Client(Session(Credentials(api.url, token), load), {"server": api.url}) as client:
            yield api, client
    finally:
        await runner.cleanup()


def says(document: Any, status: int = 200, **headers: str) -> Answering:
    """Answer with a document."""

    async def answer(_: web.Request) -> web.StreamResponse:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return web.json_response(document, status=status, headers=named)

    return answer


def refuses(status: int, reason: str = "", message: str = "", **headers: str) -> Answering:
    """Answer as an API server refuses."""
    body = {"kind": "Status", "status": "Failure", "reason": reason, "message": message, "code": status}
    return says(body, status, **headers)


async def breaks(request: web.Request) -> web.StreamResponse:
    """Read what is asked, and close the connection without a word."""
    await request.read()
    assert request.transport is not None
    request.transport.abort()
    await asyncio.sleep(0.05)
    return web.Response()


def streams(*pieces: bytes | float, then_breaks: bool = False) -> Answering:
    """Answer piece by piece; a number is a rest, in seconds."""

    async def answer(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        for piece in pieces:
            if isinstance(piece, bytes):
                await response.write(piece)
            else:
                await asyncio.sleep(piece)
        if then_breaks:
            assert request.transport is not None
            await asyncio.sleep(0.05)
            request.transport.abort()
        return response

    return answer


def events(*events: tuple[str, dict[str, Any]]) -> bytes:
    """Return events of a watch as they come over the wire."""
    return b"".join(json.dumps({"type": kind, "object": one}).encode() + b"\n" for kind, one in events)


def meta(name: str, version: int, uid: str = "", **more: Any) -> dict[str, Any]:
    """Return an object that is nothing but its name, version and uid."""
    return {
        "metadata": {
            "name": name,
            "namespace": "n",
            "resourceVersion": str(version),
            "uid": uid or name,
            **more,
        }
    }


def page(version: int, *items: dict[str, Any], more: str = "") -> dict[str, Any]:
    """Return a page of a list."""
    metadata = {"resourceVersion": str(version), **({"continue": more} if more else {})}
    return {"apiVersion": "v1", "kind": "ConfigMapList", "metadata": metadata, "items": list(items)}
