"""Stands between a client and an API server, counts what passes, and refuses what it is to."""

from __future__ import annotations

import asyncio
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path

import aiohttp
import yaml
from aiohttp import web
from tests.support.api_server import ADMIN, ApiServer


@dataclass(slots=True)
class Refusal:
    """What is refused so often, with a status; 0 breaks the connection off."""

    method: str
    path: str
    status: int
    count: int = 1
    headers: dict[str, str] = field(default_factory=dict)
    done: int = 0

    def takes(self, method: str, path: str) -> bool:
        return self.done < self.count and method == self.method and fnmatchcase(path, self.path)


@dataclass(slots=True)
class Tampering:
    """One, under way; ``calls`` counts what came of calls by method and status, 0 where it was broken off."""

    kubeconfig: Path
    refusals: list[Refusal] = field(default_factory=list)
    calls: Counter[tuple[str, int]] = field(default_factory=Counter)
    paths: list[tuple[str, str]] = field(default_factory=list)

    def refuse(self, method: str, path: str, status: int, count: int = 1, **headers: str) -> Refusal:
        made = Refusal(
            method, path, status, count, {name.replace("_", "-"): value for name, value in headers.items()}
        )
        self.refusals.append(made)
        return made

    @property
    def writes(self) -> int:
        """How many calls came that change something, whatever came of them."""
        return sum(count for (method, _), count in self.calls.items() if method != "GET")


@contextmanager
def tampering(server: ApiServer, folder: Path) -> Iterator[Tampering]:
    """Have one stand before an API server."""
    tampered = Tampering(folder / "tampered-kubeconfig")
    loop = asyncio.new_event_loop()
    ready, ended = threading.Event(), asyncio.Event()
    thread = threading.Thread(target=lambda: loop.run_until_complete(_serve(server, tampered, ready, ended)))
    thread.start()
    try:
        assert ready.wait(20)
        yield tampered
    finally:
        loop.call_soon_threadsafe(ended.set)
        thread.join(20)
        loop.close()


async def _serve(
    server: ApiServer, tampered: Tampering, ready: threading.Event, ended: asyncio.Event
) -> None:
    headers = {"Authorization": f"Bearer {server.token(ADMIN)}"}
    connector = aiohttp.TCPConnector(limit=0, ssl=False)
    async with aiohttp.ClientSession(
        connector=connector, headers=headers, auto_decompress=False, timeout=aiohttp.ClientTimeout()
    ) as session:

        async def handle(request: web.Request) -> web.StreamResponse:
            return await _passed(request, server, tampered, session)

        application = web.Application(client_max_size=1 << 30)
        application.router.add_route("*", "/{path:.*}", handle)
        runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.2, handler_cancellation=True)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        tampered.kubeconfig.write_text(yaml.safe_dump(_config(f"http://127.0.0.1:{runner.addresses[0][1]}")))
        ready.set()
        await ended.wait()
        await runner.cleanup()


async def _passed(
    request: web.Request, server: ApiServer, tampered: Tampering, session: aiohttp.ClientSession
) -> web.StreamResponse:
    method, path = request.method, request.path
    tampered.paths.append((method, path))
    refusal = next((one for one in tampered.refusals if one.takes(method, path)), None)
    if refusal is not None:
        refusal.done += 1
        tampered.calls[method, refusal.status] += 1
        if refusal.status == 0:
            assert request.transport is not None
            request.transport.abort()
            return web.Response()
        return web.json_response({"kind": "Status"}, status=refusal.status, headers=refusal.headers)
    sent = {name: request.headers[name] for name in ("Accept", "Content-Type") if name in request.headers}
    body = await request.read()
    async with session.request(
        method, f"{server.url}{request.path_qs}", headers=sent, data=body or None
    ) as answer:
        tampered.calls[method, answer.status] += 1
        passed = web.StreamResponse(status=answer.status, headers={"Content-Type": answer.content_type})
        await passed.prepare(request)
        async for chunk in answer.content.iter_any():
            await passed.write(chunk)
        await passed.write_eof()
        return passed


def _config(url: str) -> dict[str, object]:
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "tampered", "cluster": {"server": url}}],
        "users": [{"name": "anybody", "user": {"token": "any"}}],
        "contexts": [{"name": "tampered", "context": {"cluster": "tampered", "user": "anybody"}}],
        "current-context": "tampered",
    }
