"""Calls of the reference discoverer are counted by what they ask for, also where a gate's path leads to the server."""

from __future__ import annotations

import asyncio

import pytest
from aiohttp import web

from seatrial.cluster.connection.credentials import Credentials
from seatrial.cluster.connection.session import Session
from seatrial.discoverer.calls import CallCounts

SLICES = "/apis/discovery.k8s.io/v1/namespaces/team/endpointslices"


@pytest.mark.parametrize("below", ["", "/a-secret"])
def test_a_path_that_leads_to_the_server_is_no_part_of_what_is_counted(below: str) -> None:
    counts = CallCounts()

    async def answer(_: web.Request) -> web.Response:
        return web.json_response({})

    async def play() -> None:
        application = web.Application()
        application.router.add_route("*", "/{path:.*}", answer)
        runner = web.AppRunner(application)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        credentials = Credentials(f"http://127.0.0.1:{runner.addresses[0][1]}{below}")

        async def load() -> Credentials:
            return credentials

        session = Session(credentials, load, counts.take)
        for method, path, params in (
            ("GET", "/version", None),
            ("GET", "/api/v1/services", {"watch": "true"}),
            ("GET", "/api/v1/services", {"limit": "500"}),
            ("PATCH", f"{SLICES}/shop", None),
            ("DELETE", f"{SLICES}/shop", None),
        ):
            async with session.request(method, path, params=params, headers={}, limit_s=10.0) as response:
                await response.read()
        await session.close()
        await runner.cleanup()

    asyncio.run(play())
    assert counts.by == {
        ("get", "/version", 200): 1,
        ("watch", "services", 200): 1,
        ("list", "services", 200): 1,
        ("patch", "endpointslices", 200): 1,
        ("delete", "endpointslices", 200): 1,
    }
