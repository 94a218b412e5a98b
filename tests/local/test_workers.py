"""Workers that do not start: one error for a person, with its cause, and no traceback of asyncio's."""

from __future__ import annotations

import asyncio
import gc
import sys
import time
from typing import Any

import pytest

from seatrial import _boot
from seatrial.errors import GeneratorFault
from seatrial.generator.channel import LocalChannel
from seatrial.generator.crew import Crew
from seatrial.generator.drive import Drive
from seatrial.generator.split import split
from seatrial.workload.profile import constant
from seatrial.workload.spec import LoadSpec, Target

Fault = tuple[str, str, str]
"""What happened, the cause and the next step: without the exception, whose traceback would keep the futures alive."""


def fault_of(specs: list[dict[str, Any]]) -> tuple[Fault, list[dict[str, Any]]]:
    """Start workers that must not start; return the error, and what asyncio complained of."""
    complaints: list[dict[str, Any]] = []
    fault = asyncio.run(_fault_of(specs, complaints))
    # A future complains when it is thrown away.
    gc.collect()
    return fault, complaints


async def _fault_of(specs: list[dict[str, Any]], complaints: list[dict[str, Any]]) -> Fault:
    asyncio.get_running_loop().set_exception_handler(lambda _, context: complaints.append(context))
    crew = Crew(specs, LocalChannel.open, lambda _: None)
    try:
        await crew.start()
    except GeneratorFault as error:
        return error.what, error.cause or "", error.next_step or ""
    finally:
        await crew.close()
    raise AssertionError("they started")


def refused(index: int) -> dict[str, Any]:
    return {"worker": index, "held": 0, "active": 1, "no such field": True}


def test_several_workers_that_refuse_their_specs_are_one_error() -> None:
    (what, cause, next_step), complaints = fault_of([refused(index) for index in range(3)])
    assert "did not start" in what
    assert "the spec is not valid" in cause
    assert next_step
    assert complaints == []


def test_a_worker_that_cannot_be_started_leaves_no_complaint_of_the_one_before(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    commands = iter([[sys.executable, "-c", "raise SystemExit(3)"], ["/nowhere/engine"]])
    monkeypatch.setattr(_boot, "argv", lambda *_: next(commands))
    (what, cause, next_step), complaints = fault_of([refused(index) for index in range(2)])
    assert what == "worker 1 cannot be started"
    assert "/nowhere/engine" in cause
    assert next_step
    assert complaints == []


@pytest.mark.parametrize(
    ("program", "cause"),
    [("raise SystemExit(3)", "exit code 3"), ("import os; os.kill(os.getpid(), 9)", "signal 9")],
)
def test_a_worker_that_ends_without_a_word_is_reported_with_how_it_ended(
    monkeypatch: pytest.MonkeyPatch, program: str, cause: str
) -> None:
    monkeypatch.setattr(_boot, "argv", lambda *_: [sys.executable, "-c", program])
    (_, said, next_step), _ = fault_of([refused(0)])
    assert cause in said
    assert next_step


HELD, ANSWER = 40, b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"


class Counting:
    """A server that answers each request, and counts the connections that are open and that were reset."""

    def __init__(self) -> None:
        self.open = self.reset = 0
        self.none_open = asyncio.Event()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.open += 1
        try:
            while await reader.readuntil(b"\r\n\r\n"):
                writer.write(ANSWER)
        except asyncio.IncompleteReadError:
            pass
        except ConnectionResetError:
            self.reset += 1
        finally:
            self.open -= 1
            if not self.open:
                self.none_open.set()
            writer.close()


def test_idle_connections_are_closed_when_no_worker_measures_any_more() -> None:
    """Closing many takes CPU that the answers still under way to others would wait for."""
    asyncio.run(_held_to_the_end())


async def _held_to_the_end() -> None:
    counting = Counting()
    server = await asyncio.start_server(counting.serve, "127.0.0.1")
    target = Target("127.0.0.1", server.sockets[0].getsockname()[1])
    load = LoadSpec((target,), profile=constant(200), active=4, held=HELD, measure_s=0.3, workers=2)
    crew = Crew(split(load, 4096), LocalChannel.open, lambda _: None)
    try:
        await crew.start()
        drive = Drive(load, crew)
        assert await drive.ramp()
        drive.go(time.monotonic_ns() + drive.notice_ns)
        driven = await drive.finish(asyncio.Event(), asyncio.Event())
        assert len(driven.dones) == 2
        assert HELD <= counting.open <= HELD + 4
        assert counting.reset == 0
    finally:
        await crew.close()
    async with asyncio.timeout(10):
        await counting.none_open.wait()
    # None of them is left waiting (TIME_WAIT) with its port, as after an orderly end.
    assert counting.reset >= HELD
    server.close()
