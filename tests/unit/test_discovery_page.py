"""A discoverer's page is read as far as a page goes, and what is none is no look."""

from __future__ import annotations

import asyncio
from contextlib import suppress

import pytest
from aiohttp import web

from seatrial.discovery.facts import QueueSample
from seatrial.discovery.page import BYTES_LIMIT, QueuePage
from seatrial.systems.discovering import Begun, QueueNames


async def looks_at(body: bytes, times: int | None) -> tuple[list[QueueSample], str | None, int]:
    """Read a page of a body so many times over, None for without end, until it is over or has been looked at.

    Return the looks, where it is if it is silent, and how many bytes were sent.
    """
    sent, over = 0, asyncio.Event()

    async def answer(request: web.Request) -> web.StreamResponse:
        nonlocal sent
        response = web.StreamResponse()
        await response.prepare(request)
        try:
            left = times
            while left is None or left > 0:
                await response.write(body)
                sent, left = sent + len(body), None if left is None else left - 1
        finally:
            over.set()
        return response

    application = web.Application()
    application.router.add_get("/metrics", answer)
    runner = web.AppRunner(application, handler_cancellation=True)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    looks: list[QueueSample] = []
    url = f"http://127.0.0.1:{runner.addresses[0][1]}/metrics"
    page = QueuePage(Begun(0, url, queue=QueueNames(depth="q")), 60.0, looks.append)
    reading = asyncio.create_task(page.run())
    await over.wait()
    await asyncio.sleep(0.2)
    reading.cancel()
    with suppress(asyncio.CancelledError):
        await reading
    await runner.cleanup()
    return looks, page.silent, sent


def test_a_page_is_read() -> None:
    looks, silent, _ = asyncio.run(looks_at(b"q 3\n", 2))
    assert ([one.depth for one in looks], silent) == ([6.0], None)


@pytest.mark.parametrize("times", [None, BYTES_LIMIT // 60_000 + 2])
def test_one_that_is_too_long_is_not_read_to_its_end(times: int | None) -> None:
    looks, silent, sent = asyncio.run(looks_at(b"q 3\n" * 15_000, times))
    assert (looks, silent is not None) == ([], True)
    # What was on its way is in the kernel's buffers.
    assert sent < 8 * BYTES_LIMIT


def test_one_that_is_no_text_is_no_look() -> None:
    looks, silent, _ = asyncio.run(looks_at(b"q 3\n\xff\xfe\n", 1))
    assert (looks, silent is not None) == ([], True)
