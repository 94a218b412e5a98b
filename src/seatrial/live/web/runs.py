"""The runs that are to be seen: those of one folder, and those of them that are followed now."""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Self

from seatrial.errors import RecordError, SeatrialError
from seatrial.live.web.watch.watched import Watched
from seatrial.record.layout import RunDirectory
from seatrial.record.reader import RunReader

if TYPE_CHECKING:
    from pathlib import Path

LISTED = 500
"""The newest: their names begin with their dates."""
FOLLOWED = 8
"""At a time; each holds the columns of a whole run."""
UNUSED_S = 60.0
"""One that nobody watches for so long is let go, except for the run that was asked for."""
TEND_S = 5.0


class TooManyRuns(SeatrialError):
    """Pages watch as many runs as are followed at a time."""


class Runs:
    """Use as an async context manager. ``first`` is the run that was asked for, None where that was a folder."""

    def __init__(self, path: Path) -> None:
        """Take a run directory or a folder of them; raises ``RecordError`` where it is neither."""
        path = path.resolve()
        is_run = RunDirectory(path).database.is_file()
        self.folder = path.parent if is_run else path
        self.first = path.name if is_run else None
        self._followed: dict[str, Watched] = {}
        self._tending: asyncio.Task[None] | None = None
        self._listed: dict[str, tuple[object, dict[str, Any]]] = {}
        if not is_run and not (path.is_dir() and self._directories()):
            raise RecordError(
                f"{path} is neither a run directory nor a folder of them",
                cause="there is no record.db in it, nor in a folder in it",
                next_step="give one of the directories under runs/, or runs/ itself",
            )

    async def __aenter__(self) -> Self:
        """Follow the run that was asked for, so that it has been read when a page asks."""
        self._tending = asyncio.create_task(self._tend())
        if self.first is not None:
            await self.followed(self.first)
        return self

    async def __aexit__(self, *_: object) -> None:
        """Let go of all of them."""
        if self._tending is not None:
            self._tending.cancel()
        for name in tuple(self._followed):
            await self._let_go(name)

    def path_of(self, name: str) -> Path | None:
        """Return where a run of this folder is; None where there is none of this name.

        It is looked for among those that are there: no name leads anywhere else, and neither does a link.
        """
        return next((path for path in self._directories() if path.name == name), None)

    async def followed(self, name: str) -> Watched | None:
        """Return a run that is followed from now on, None where there is none; raises ``RecordError``."""
        known = self._followed.get(name)
        if known is not None and known.error is not None and not known.readers:
            await self._let_go(name)
            known = None
        if known is None:
            path = self.path_of(name)
            if path is None:
                return None
            await self._make_room()
            # Whoever asked for it at the same time may have been first.
            if name not in self._followed:
                self._followed[name] = await Watched(path).__aenter__()
            known = self._followed[name]
        known.used_s = time.monotonic()
        return known

    def listed(self) -> list[dict[str, Any]]:
        """Return what there is to choose from, the newest first. Reads files: call it in a thread."""
        found = sorted(self._directories(), key=lambda path: path.name, reverse=True)[:LISTED]
        return [self._described(path) for path in found]

    def _described(self, path: Path) -> dict[str, Any]:
        database = RunDirectory(path).database
        with suppress(OSError):
            log = database.with_name(f"{database.name}-wal")
            state = tuple(
                (one.stat().st_mtime_ns, one.stat().st_size) for one in (database, log) if one.exists()
            )
            known = self._listed.get(path.name)
            # One that is being written may be cut off without another word in its record.
            if known is not None and known[0] == state and known[1].get("state") != "running":
                return known[1]
            self._listed[path.name] = state, _description(path)
            return self._listed[path.name][1]
        return {"id": path.name, "error": "it cannot be read"}

    def _directories(self) -> list[Path]:
        try:
            found = [
                path
                for path in self.folder.iterdir()
                if not path.is_symlink() and RunDirectory(path).database.is_file()
            ]
        except OSError:
            return []
        return found

    async def _make_room(self) -> None:
        if len(self._followed) < FOLLOWED:
            return
        unused = [name for name, run in self._followed.items() if not run.readers and name != self.first]
        if not unused:
            raise TooManyRuns(
                f"{FOLLOWED} runs are watched already",
                next_step="close the pages of one of them, and load this one again",
            )
        await self._let_go(min(unused, key=lambda name: self._followed[name].used_s))

    async def _tend(self) -> None:
        while True:
            await asyncio.sleep(TEND_S)
            now_s = time.monotonic()
            for name, run in tuple(self._followed.items()):
                if not run.readers and name != self.first and now_s - run.used_s > UNUSED_S:
                    await self._let_go(name)

    async def _let_go(self, name: str) -> None:
        if (run := self._followed.pop(name, None)) is not None:
            await run.__aexit__()


def _description(path: Path) -> dict[str, Any]:
    try:
        with RunReader.open(path) as reader:
            run, trials = reader.run(), reader.trials()
            return {
                "id": path.name,
                "name": run.name,
                "question": reader.question(),
                "state": run.state,
                "started_utc": run.started_utc,
                "trials": run.trials,
                "ended": sum(trial.ended_s is not None for trial in trials),
                "has_report": (path / "report.html").is_file(),
            }
    except SeatrialError as error:
        return {"id": path.name, "error": error.line}
