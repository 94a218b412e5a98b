"""A page's server of its own process, a reader of its stream, and a browser."""

from __future__ import annotations

import asyncio
import http.client
import json
import re
import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from tests.support.program import Running

from seatrial.live.serve import Listening
from seatrial.live.serve import serving as server
from seatrial.live.web.app import Site
from seatrial.live.web.guard import Guard, names_of
from seatrial.live.web.runs import Runs
from seatrial.machine.address import Address

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
AXE = Path(__file__).parent / "vendor/axe-core/axe.min.js"
LIMIT_S = 30.0


@dataclass(slots=True)
class Served:
    """A server under way; ``url`` is what it printed."""

    url: str
    running: Running | None = None

    @property
    def host(self) -> str:
        return urlsplit(self.url).netloc

    @property
    def port(self) -> int:
        port = urlsplit(self.url).port
        assert port is not None
        return port

    def ask(
        self, path: str, *, method: str = "GET", body: bytes | None = None, **headers: str
    ) -> tuple[int, dict[str, str], bytes]:
        """Return status, headers (names in small letters) and body; ``headers`` have _ for -."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=LIMIT_S)
        given = {name.replace("_", "-"): value for name, value in headers.items()}
        try:
            connection.request(method, path, body, {"Host": self.host, **given})
            answer = connection.getresponse()
            return (
                answer.status,
                {name.lower(): value for name, value in answer.headers.items()},
                answer.read(),
            )
        finally:
            connection.close()

    def json(self, path: str, **headers: Any) -> Any:
        status, _, body = self.ask(path, **headers)
        assert status == 200, body
        return json.loads(body)

    def write_token(self, **headers: Any) -> str:
        found = re.search(rb'name="seatrial-token" content="([^"]+)"', self.ask("/runs", **headers)[2])
        assert found is not None
        return found[1].decode()

    def note(self, run: str, text: str, **headers: str) -> tuple[int, bytes]:
        """Ask as the page asks, but for what ``headers`` say otherwise."""
        given: dict[str, Any] = {
            "Origin": f"http://{self.host}",
            "X_Seatrial_Token": self.write_token(),
            "Content_Type": "application/json",
        } | headers
        status, _, body = self.ask(
            f"/api/run/{run}/notes", method="POST", body=json.dumps({"text": text}).encode(), **given
        )
        return status, body


@contextmanager
def serving(path: Path, *flags: str, listen: str = "127.0.0.1:0") -> Iterator[Served]:
    """Serve for as long as the block lasts; then it has to end as Ctrl-C has it."""
    with Running("serve", str(path), "--listen", listen, *flags) as running:
        assert running.process.stderr is not None
        line = running.process.stderr.readline()
        found = re.fullmatch(r"the page is at (\S+)\n", line)
        assert found, line + running.wait(LIMIT_S).stderr
        yield Served(found[1], running)


@contextmanager
def in_this_process(run: Path, port: int = 0) -> Iterator[Served]:
    """Serve from a thread, with what the test has set."""
    ready, stop = threading.Event(), asyncio.Event()
    ports: list[int] = []
    loop = asyncio.new_event_loop()

    async def serve() -> None:
        async with Runs(run) as runs:
            application = Site(runs, Guard(names_of("127.0.0.1"))).application()
            async with server([Listening(application, Address("127.0.0.1", port))]) as found:
                ports.extend(found)
                ready.set()
                await stop.wait()

    thread = threading.Thread(target=loop.run_until_complete, args=(serve(),))
    thread.start()
    assert ready.wait(20.0)
    try:
        yield Served(f"http://127.0.0.1:{ports[0]}/")
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join(20.0)
        assert not thread.is_alive()
        loop.close()


@dataclass(slots=True)
class Trial:
    """What a page has of one trial."""

    head: dict[str, Any]
    each: int = 1
    rows: dict[str, int] = field(default_factory=lambda: {"load": 0, "use": 0, "discovery": 0})
    load: dict[str, list[Any]] = field(default_factory=dict)
    use: dict[str, list[Any]] = field(default_factory=dict)
    discovery: dict[str, list[Any]] = field(default_factory=dict)

    def total(self, name: str) -> float:
        return sum(value or 0 for value in self.load.get(name, ()))

    def errors(self) -> dict[str, float]:
        kinds = (name for name in self.load if name.startswith("errors:"))
        return {name.partition(":")[2]: total for name in kinds if (total := self.total(name))}


@dataclass(slots=True)
class Page:
    """What a page makes of a stream, as ``model.js`` does; a hole or a repeat fails the test."""

    last_id: str = ""
    snapshots: int = 0
    pieces: int = 0
    state: str = ""
    trials: dict[int, Trial] = field(default_factory=dict)
    judged: dict[str, Any] = field(default_factory=dict)
    journal: list[Any] = field(default_factory=list)

    def take(self, name: str, identity: str, document: dict[str, Any]) -> None:
        if name == "snapshot":
            self.snapshots += 1
            self.trials = {head["trial"]: Trial(head) for head in document["trials"]}
            self.judged = {}
            for found in [*document["whole"], document["current"]]:
                if found:
                    trial = self.trials[found["trial"]]
                    trial.each, trial.rows = found["each"], found["rows"]
                    trial.load, trial.use = found["load"], found["use"]
                    trial.discovery = found["discovery"]
        else:
            self.pieces += 1
            for head in document.get("trials", ()):
                self.trials.setdefault(head["trial"], Trial(head)).head = head
            for rows in document.get("rows", ()):
                self._extend(self.trials[rows["trial"]], rows)
        self.last_id = identity
        self.state = document.get("run", {"state": self.state})["state"]
        self.journal = document.get("journal", self.journal)
        self.judged |= {found["id"]: found for found in document.get("judged", ())}

    def _extend(self, trial: Trial, added: dict[str, Any]) -> None:
        for kind, columns in (("load", trial.load), ("use", trial.use), ("discovery", trial.discovery)):
            if kind not in added:
                continue
            first, news = added[kind]["first"], added[kind]["columns"]
            assert first == trial.rows[kind], f"{first} follows {trial.rows[kind]}"
            before, rows = len(columns.get("end", ())), len(news["end"])
            for name in {*columns, *news}:
                column = columns.setdefault(name, [None] * before)
                column += news.get(name, [None] * rows)
            trial.rows[kind] += rows


def watched(served: Served, run: str, page: Page) -> Iterator[None]:
    """Have a page take a run's stream; yields after each event. The end of the iterator cuts the connection."""
    connection = http.client.HTTPConnection("127.0.0.1", served.port, timeout=LIMIT_S)
    headers = {"Host": served.host, **({"Last-Event-ID": page.last_id} if page.last_id else {})}
    try:
        connection.request("GET", f"/api/run/{run}/events", headers=headers)
        answer = connection.getresponse()
        assert answer.status == 200, answer.read()
        event: dict[str, str] = {}
        for line in iter(answer.readline, b""):
            name, _, value = line.decode().rstrip("\n").partition(": ")
            if name:
                event[name] = value
            elif "data" in event:
                if event["event"] in {"snapshot", "news"}:
                    page.take(event["event"], event["id"], json.loads(event["data"]))
                event = {}
                yield
            else:
                event = {}
                yield
    finally:
        connection.close()


def browser_or_skip() -> str:
    """Return the path of a browser, or skip with the reason."""
    found = next((path for name in BROWSERS if (path := shutil.which(name))), None)
    if found is None:
        pytest.skip(f"none of {', '.join(BROWSERS)} is installed")
    return found
