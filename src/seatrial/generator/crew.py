"""The workers of a load together: what each has said so far, and what all of them wait for."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from seatrial._version import __version__
from seatrial.errors import GeneratorFault
from seatrial.generator.channel import Channel, Open
from seatrial.generator.clocks import WorkerClock
from seatrial.generator.frames import Frame
from seatrial.generator.messages import Done, Hello
from seatrial.generator.ramp import RampWatch

HELLO_LIMIT_S = 20.0
"""A worker starts in 20 ms; on a machine with as many workers as here allowed, one after another, in seconds."""

RAMP_LOOK_S = 0.1
"""How often is looked whether a ramp makes progress; workers report less often."""

STABLE_LOOK_S = 0.02
"""How often is looked whether all connections have been open for long enough: less than any interval."""


@dataclass(slots=True)
class _Worker:
    channel: Channel
    hello: asyncio.Future[Hello]
    ready: asyncio.Event = field(default_factory=asyncio.Event)
    ended: asyncio.Event = field(default_factory=asyncio.Event)
    done: Done | None = None
    wanted: int = 0
    established: int = 0
    attempts: set[str] = field(default_factory=set)
    disturbed_s: float = 0.0
    heard_s: float = 0.0
    routes: list[dict[str, Any]] = field(default_factory=list)
    late_s: float = 0.0
    reader: asyncio.Task[None] | None = None

    def heard_hello(self, hello: Hello) -> None:
        if hello.engine == __version__:
            self.hello.set_result(hello)
        else:
            self.hello.set_exception(_of_another_version(self.channel.name, hello.engine))


class Crew:
    """A worker for each spec of :func:`seatrial.generator.split.split`; frames go to ``on_frame`` as they come.

    ``open_channel`` decides where they run.
    """

    def __init__(
        self, specs: Sequence[dict[str, Any]], open_channel: Open, on_frame: Callable[[Frame], None]
    ) -> None:
        self._specs = specs
        self._open = open_channel
        self._on_frame = on_frame
        self._workers: list[_Worker] = []
        self._closing = False
        self.lost: list[str] = []
        """A line for each worker that ended before its load did."""

    @property
    def size(self) -> int:
        """How many workers it has."""
        return len(self._specs)

    @property
    def lead_ns(self) -> int:
        """How long before its moment a command has to be given, for each worker that has started to hear of it."""
        return max((worker.channel.lead_ns for worker in self._workers), default=0)

    @property
    def late(self) -> tuple[tuple[str, float], ...]:
        """Those that heard of the start only after it, and by how many seconds."""
        return tuple((worker.channel.name, worker.late_s) for worker in self._workers if worker.late_s)

    @property
    def clocks(self) -> tuple[WorkerClock, ...]:
        """The clocks of those that do not go by ours."""
        clocks = (worker.channel.clock for worker in self._workers)
        return tuple(clock for clock in clocks if clock is not None)

    async def start(self) -> tuple[Hello, ...]:
        """Start every worker and wait until each has read its spec; connections are being opened from here on.

        Raises
        ------
        GeneratorFault
            A worker could not be started or refused its spec.
        """
        for spec in self._specs:
            self._workers.append(self._listen(await self._open(spec), spec))
        try:
            async with asyncio.timeout(HELLO_LIMIT_S):
                # Together: the first that refuses ends the start, and what the others say then is taken, too.
                return tuple(await asyncio.gather(*(worker.hello for worker in self._workers)))
        except TimeoutError:
            silent = next(
                worker for worker in self._workers if not worker.hello.done() or worker.hello.cancelled()
            )
            raise GeneratorFault(
                f"{silent.channel.name} did not answer within {HELLO_LIMIT_S:.0f} s",
                cause=silent.channel.silence() or "this machine is overloaded",
                next_step="end what else is running, or ask for fewer workers",
            ) from None

    async def ready(self, watch: RampWatch) -> bool:
        """Wait until every connection is established; return whether they are.

        It ends early where a worker is gone, or ``watch`` sees no progress.
        """
        for worker in self._workers:
            while not worker.ready.is_set():
                if any(other.ended.is_set() for other in self._workers) or self._has_failed(watch):
                    return False
                with suppress(TimeoutError):
                    async with asyncio.timeout(RAMP_LOOK_S):
                        await self._first(worker.ready, worker.ended)
        return True

    def _has_failed(self, watch: RampWatch) -> bool:
        now_s = time.monotonic()
        all_refused = set().union(*(worker.attempts for worker in self._workers)) == {"connect_refused"}
        watch.saw(sum(worker.established for worker in self._workers), now_s, all_refused=all_refused)
        return watch.has_failed(now_s)

    async def stable(self, for_s: float, limit_s: float) -> bool:
        """Wait until no connection has been missing for ``for_s``, at most ``limit_s``; return whether that came.

        A worker reports now and then, so the end of ``for_s`` has come once each has reported what was until then.
        """
        began_s = time.monotonic()
        while time.monotonic() - began_s < limit_s:
            disturbed_s = max([began_s, *(worker.disturbed_s for worker in self._workers)])
            if min(worker.heard_s for worker in self._workers) >= disturbed_s + for_s:
                return True
            await asyncio.sleep(STABLE_LOOK_S)
        return False

    def go(self, at_ns: int) -> None:
        """Start the schedule of every worker at this moment (CLOCK_MONOTONIC)."""
        self._say({"cmd": "go", "at_ns": at_ns})

    def stop(self) -> None:
        """End the schedules now; answers under way are awaited and reported."""
        self._say({"cmd": "stop"})

    async def finished(self, limit_s: float) -> tuple[Done, ...]:
        """Wait until every worker has reported everything, at most ``limit_s``; return what those that did said."""
        try:
            async with asyncio.timeout(limit_s):
                for worker in self._workers:
                    await worker.ended.wait()
        except TimeoutError:
            self.lost += [_did_not_finish(worker.channel) for worker in self._workers if worker.done is None]
        return tuple(worker.done for worker in self._workers if worker.done is not None)

    async def close(self) -> None:
        """End every worker that is still there."""
        self._closing = True
        await asyncio.gather(*(worker.channel.close() for worker in self._workers))
        await asyncio.gather(*(worker.reader for worker in self._workers if worker.reader is not None))

    @staticmethod
    async def _first(*events: asyncio.Event) -> None:
        waits = [asyncio.ensure_future(event.wait()) for event in events]
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()

    def _say(self, command: dict[str, Any]) -> None:
        for worker in self._workers:
            if not worker.ended.is_set():
                worker.channel.send(command)

    def _listen(self, channel: Channel, spec: dict[str, Any]) -> _Worker:
        worker = _Worker(channel, asyncio.get_running_loop().create_future())
        # Nobody has begun to wait for it where the start ends at another worker; asyncio would complain of that.
        worker.hello.add_done_callback(lambda hello: hello.cancelled() or hello.exception())
        worker.wanted = spec["held"] + spec["active"]
        worker.reader = asyncio.create_task(self._read(worker))
        return worker

    async def _read(self, worker: _Worker) -> None:
        name = worker.channel.name
        async for message in worker.channel.messages():
            self._take(worker, message)
        code, words = await worker.channel.ended()
        worker.ended.set()
        if worker.done is None and not self._closing:
            how = words if code is None else f"ended with {code}: {words or 'no words'}"
            self.lost.append(f"{name} {how}")
        if not worker.hello.done():
            worker.hello.set_exception(_not_started(name, words, code))

    def _take(self, worker: _Worker, message: dict[str, Any]) -> None:
        match message.pop("type"):
            case "frame":
                frame = Frame.from_json(message)
                lost = frame.closed_by_peer + frame.reset_by_peer
                worker.heard_s = time.monotonic()
                worker.established = frame.held + frame.active
                worker.attempts.update(frame.errors, {"established"} if frame.opened else ())
                if worker.ready.is_set() and (lost or frame.held + frame.active < worker.wanted):
                    worker.disturbed_s = worker.heard_s
                self._on_frame(frame)
            case "hello":
                # Nobody waits for it any more where the load was cancelled meanwhile.
                if not worker.hello.done():
                    worker.heard_hello(Hello(**message))
            case "ready":
                worker.ready.set()
            case "going":
                worker.late_s = max(0, message["heard_ns"] - message["at_ns"]) / 1e9
            case "routes":
                worker.routes += message["routes"]
            case "missing":
                self.lost.append(f"{worker.channel.name} said what did not arrive ({message['what']})")
            case "done":
                worker.done = Done.from_json(message, worker.routes)
                worker.ended.set()


def _did_not_finish(channel: Channel) -> str:
    silence = channel.silence()
    return f"{channel.name} did not finish" + (f" ({silence})" if silence else "")


def _of_another_version(name: str, version: str) -> GeneratorFault:
    return GeneratorFault(
        f"{name} is of Seatrial {version or 'of an unknown version'}, and this is {__version__}",
        cause="the two halves of a measurement have to be of one version: they agree on what they say and count",
        next_step=f"have workers run the image of Seatrial {__version__}",
    )


def _not_started(name: str, words: str, code: int | None) -> GeneratorFault:
    what = f"{name} did not start"
    if words:
        # What a person may ask for is checked before, so most of what the engine refuses here is no fault of theirs.
        return GeneratorFault(
            what,
            cause=words,
            next_step="change what the cause names; if you asked for no such thing, report it with this text",
        )
    if code is not None and code < 0:
        return GeneratorFault(
            what,
            cause=f"signal {-code} ended it",
            next_step="see whether this machine has run out of memory (dmesg), or ask for fewer workers",
        )
    return GeneratorFault(
        what, cause=f"it ended with exit code {code} and no word", next_step="report it with the command"
    )
