"""Where remote-write goes: what is none is refused at once, and what lets us in there is in no line."""

from __future__ import annotations

import asyncio
import sqlite3
import struct
from contextlib import closing
from pathlib import Path

import cramjam
import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer
from tests.support.exposed import board_of
from tests.support.made_run import make_run
from tests.support.program import run_seatrial

from seatrial.errors import ExitCode
from seatrial.live.exposition.remote_write import RemoteWriter
from seatrial.live.exposition.showing import Exposition, Receiver

NO_RECEIVERS = ("receiver:9090/write", "ftp://h/w", "http://", "http://[::1", "http://u:s3cret@h:99999/w")


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_run(tmp_path_factory.mktemp("runs"), trials=1, end=False)


@pytest.mark.parametrize("is_there", [True, False])
def test_a_password_in_the_address_is_in_no_line_and_who_is_busy_is_not_hurried_at_the_end(
    run: Path, is_there: bool
) -> None:
    async def course() -> tuple[list[str], int, list[str]]:
        notes: list[str] = []
        asked: list[str] = []

        async def busy(request: web.Request) -> web.Response:
            asked.append(request.headers.get("Authorization", ""))
            # A digit by Unicode, and no number.
            return web.Response(status=503, text="busy", headers={"Retry-After": "\u00b2"})

        app = web.Application()
        app.router.add_post("/write", busy)
        runner = web.AppRunner(app)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        port = runner.addresses[0][1] if is_there else 9
        url = f"http://user:s3cret@127.0.0.1:{port}/write?token=s3cret"
        writer = RemoteWriter(url, await board_of(run), notes.append)
        await writer.finish(1.5)
        await runner.cleanup()
        return notes, port, asked

    notes, port, asked = asyncio.run(course())
    state = "answers 503: busy" if is_there else "does not answer"
    assert notes[0].startswith(f"remote-write to http://127.0.0.1:{port}/write {state}")
    assert "could not be sent before the end" in notes[-1]
    assert "s3cret" not in "".join(notes)
    # One at first, and one a second.
    assert len(asked) in ({1, 2} if is_there else {0})
    assert all(given.startswith("Basic ") for given in asked)


@pytest.mark.parametrize("url", NO_RECEIVERS)
def test_what_is_no_address_of_a_receiver_is_refused_before_anything_begins(url: str) -> None:
    for command in (("run", "no-plan.yaml"), ("serve", "no-run")):
        ended = run_seatrial(*command, "--remote-write", url)
        assert ended.code == ExitCode.BAD_INPUT
        assert "is no URL, such as" in ended.stderr
        assert "s3cret" not in ended.stderr


def test_a_record_that_cannot_be_followed_any_more_is_a_line_and_no_old_number(tmp_path: Path) -> None:
    run = make_run(tmp_path, trials=1, end=False)
    notes: list[str] = []
    taken: list[bytes] = []

    async def take(request: web.Request) -> web.Response:
        taken.append(bytes(cramjam.snappy.decompress_raw(await request.read())))
        return web.Response(status=204)

    async def course() -> tuple[tuple[int, str], tuple[int, str]]:
        receiving = web.Application()
        receiving.router.add_post("/write", take)
        async with TestServer(receiving) as receiver:
            where = Receiver(str(receiver.make_url("/write")))
            async with (
                Exposition(run, notes.append, where) as exposition,
                TestClient(TestServer(exposition.endpoint.app())) as client,
            ):
                before = await client.get("/metrics")
                first = before.status, await before.text()
                with closing(sqlite3.connect(run / "record.db")) as database, database:
                    # A trial that has no time of its beginning.
                    database.execute(
                        "INSERT INTO trials (id, case_id, system, repeat, ord, started_utc, started_s) "
                        "SELECT 2, case_id, system, repeat, 2, 'yesterday', started_s + 100 FROM trials"
                    )
                for _ in range(600):
                    if exposition.endpoint.has_failed:
                        break
                    await asyncio.sleep(0.05)
                after = await client.get("/metrics")
                second = after.status, await after.text()
                await exposition.finish()
        return first, second

    (before, text), (after, why) = asyncio.run(course())
    assert before == 200
    assert "seatrial_requests_total" in text
    assert after == 503
    assert "not followed any more" in why
    (note,) = notes
    assert note.startswith("the metrics of this run end here: ")
    # The series of the trial are ended, and nothing of it is said again.
    assert b"seatrial_requests_total" in taken[0]
    assert any(struct.pack("<Q", 0x7FF0000000000002) in one for one in taken[1:])
