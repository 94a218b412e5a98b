"""``seatrial.load`` and ``seatrial.aload``: one load from Python, as ``seatrial load`` drives it from a shell."""

from __future__ import annotations

import asyncio
import dataclasses
import difflib
import inspect
from collections.abc import Callable, Coroutine, Mapping
from concurrent.futures import Future, wait
from dataclasses import dataclass
from pathlib import Path
from threading import Thread
from typing import Any, ParamSpec, TypeVar

from seatrial.analysis.load.histograms import merged
from seatrial.analysis.load.result import LoadResult
from seatrial.report.files import require_writable
from seatrial.report.load.files import write_hdr_log, write_series
from seatrial.run.load import LoadHooks, judged_load, shown_load
from seatrial.workload.words.options import LoadOptions

INTERRUPT_LOOK_S = 0.1
Given = ParamSpec("Given")
Result = TypeVar("Result")


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadCall(LoadOptions):
    """A load's options, and what is to be made of it: the files that the flags of these names write.

    ``latency`` keeps every bucket of the latencies in the result. A library is quiet unless asked not to be.
    ``share_machine`` begins beside another measurement, too.
    """

    hdr_log: Path | str | None = None
    csv: Path | str | None = None
    latency: bool = False
    quiet: bool = True
    share_machine: bool = False

    async def run(self) -> LoadResult:
        """Try the files, drive the load, judge it and write the files."""
        spec = await asyncio.to_thread(self.spec)
        require_writable((self.hdr_log, self.csv))
        drive = judged_load if self.quiet else shown_load
        run, result = await drive(spec, LoadHooks(), share_machine=self.share_machine)
        if self.hdr_log is not None:
            write_hdr_log(Path(self.hdr_log), run.account, run.frames)
        if self.csv is not None:
            write_series(Path(self.csv), result)
        if self.latency:
            buckets = tuple(merged(run.frames, "latency").buckets())
            return dataclasses.replace(result, latency_buckets=buckets)
        return result


def _taking(
    options: Callable[Given, object],
) -> Callable[[Callable[..., Result]], Callable[Given, Result]]:
    """Give a function the parameters of ``options``: one list of them, for types, help and completion."""

    def dress(function: Callable[..., Result]) -> Callable[Given, Result]:
        returns = inspect.signature(function).return_annotation
        signature = inspect.signature(options).replace(return_annotation=returns)
        function.__signature__ = signature  # type: ignore[attr-defined]
        return function

    return dress


@_taking(LoadCall)
def load(*arguments: Any, **options: Any) -> LoadResult:
    """Drive a load against a URL and judge it; blocks until it is over, in a notebook too.

    The parameters are the flags of ``seatrial load`` by their names (``--connect-rate`` is ``connect_rate``). A
    quantity is a number (seconds, requests or connections per second, bytes) or the text that the flag takes (``"250
    ms"``, ``"20k"``). ``latency=True`` keeps every latency bucket in ``latency_buckets``; ``quiet=False`` shows the
    progress on stderr.

    Returns
    -------
    LoadResult
        What ``seatrial load --json`` writes; ``to_json()`` gives that document. An INVALID result is returned, too:
        look at ``validity``, or call ``raise_for_validity()``.

    Raises
    ------
    seatrial.errors.PlanError
        The options make no load.
    seatrial.errors.EnvironmentFault
        The host is unknown, a file cannot be written, this machine cannot open the connections, or another
        measurement goes on on it (``share_machine=True`` begins all the same, and ``remarks`` says so).
    seatrial.errors.GeneratorFault
        The worker processes could not be started.
    """
    _refuse_unknown("load", options)
    return _in_a_thread(LoadCall(*arguments, **options).run)


@_taking(LoadCall)
async def aload(*arguments: Any, **options: Any) -> LoadResult:
    """Drive a load as ``load`` does, in the running asyncio loop; cancelling it ends the load and its processes."""
    _refuse_unknown("aload", options)
    return await LoadCall(*arguments, **options).run()


def _refuse_unknown(function: str, options: Mapping[str, Any]) -> None:
    known = [field.name for field in dataclasses.fields(LoadCall)]
    for name in options:
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1)
            meant = f"; did you mean {near[0]!r}?" if near else ""
            raise TypeError(f"{function}() has no option {name!r}{meant}")


def _in_a_thread(work: Callable[[], Coroutine[Any, Any, Result]]) -> Result:
    """Run ``work`` in an event loop of its own, since the caller's thread may be running one (a notebook's is)."""
    started: Future[tuple[asyncio.AbstractEventLoop, asyncio.Task[Any]]] = Future()
    ended: Future[Result] = Future()

    async def main() -> Result:
        task = asyncio.current_task()
        assert task is not None
        started.set_result((asyncio.get_running_loop(), task))
        return await work()

    def run() -> None:
        try:
            ended.set_result(asyncio.run(main()))
        except BaseException as error:  # noqa: BLE001 - it is raised in the caller's thread
            ended.set_exception(error)

    thread = Thread(target=run, name="seatrial.load")
    thread.start()
    try:
        # The kernel may give a Ctrl-C to another thread than this one, which hears of it once it runs again.
        while not wait((ended,), INTERRUPT_LOOK_S).done:
            pass
        return ended.result()
    except KeyboardInterrupt:
        loop, task = started.result()
        loop.call_soon_threadsafe(task.cancel)
        raise
    finally:
        # No worker process is left once the thread has ended.
        thread.join()
