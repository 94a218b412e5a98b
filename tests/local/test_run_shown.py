"""A run that is shown by everything at once, and everything that shows it goes wrong: its verdict is what it was."""

from __future__ import annotations

import json
import signal
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, expect, sync_playwright
from tests.support.api_server import free_port
from tests.support.made_run import make_run
from tests.support.program import Running, run_seatrial, wait_until
from tests.support.prometheus import prometheus, scrape
from tests.support.web import browser_or_skip

from seatrial.record.events import RunStarted
from seatrial.run.companion import Companion

LIMIT_S = 60.0
PLAN = """\
name: shown
systems: [{system}]
load: {{connections: 20, rate: 200/s, active: 4}}
phases: {{stable_for: 0 s, warmup: 1 s, measure: {measure} s, cooldown: 0 s}}
repeat: 1
retry: 0
objectives: [errors == 0, p99 < 2 s]
"""


@contextmanager
def refusing() -> Iterator[str]:
    """A receiver of remote-write that refuses everything."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(401)
            self.end_headers()
            self.wfile.write(b"who are you?")

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/write"
    finally:
        server.shutdown()
        server.server_close()


def run_of(runs: Path) -> Path:
    (found,) = runs.iterdir()
    return found


def journal(run: Path) -> list[str]:
    with closing(sqlite3.connect(run / "record.db")) as record:
        return [text for (text,) in record.execute("SELECT text FROM journal ORDER BY id")]


def verdicts(run: Path) -> list[Any]:
    document = json.loads((run / "results.json").read_text())
    return [
        (case["id"], case["verdict"]["state"], [one["held"] for one in case["verdict"]["objectives"]])
        for case in document["cases"]
    ]


def counted(run: Path) -> float:
    with closing(sqlite3.connect(run / "record.db")) as record:
        (completed,) = record.execute("SELECT sum(generator_completed) FROM counts").fetchone()
    return float(completed)


def assert_shown(browser: Browser, url: str, run: Path) -> None:
    """A page shows where the run is, without a word to the console."""
    watching, wrong = browser.new_page(), list[str]()
    watching.on("pageerror", lambda error: wrong.append(str(error)))
    watching.on("console", lambda said: wrong.append(said.text) if said.type == "error" else None)
    watching.goto(url)
    expect(watching.locator("#connection")).to_have_text("connected", timeout=30_000)
    for text in ("achieved rate", "p99 < 2 s"):
        expect(watching.locator("body")).to_contain_text(text, timeout=30_000)
    assert run.name in watching.url
    assert wrong == []


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_all_that_shows_a_run_may_fail_and_its_verdict_is_that_without(tmp_path: Path) -> None:
    """A real browser and a real Prometheus at once; both go away, and what is sent is refused."""
    chromium = browser_or_skip()
    plan = tmp_path / "plan.yaml"
    # Long enough for a browser on a machine that does other things, too.
    plan.write_text(PLAN.format(system="nginx", measure=20))
    plain = run_seatrial("run", str(plan), "--runs", str(tmp_path / "plain"), "--share-machine")
    metrics, page = free_port(), free_port()
    with (
        sync_playwright() as playwright,
        prometheus(tmp_path / "p", scrape("seatrial", f"127.0.0.1:{metrics}")) as server,
        refusing() as url,
    ):
        # A sandbox of its own needs rights that tests in a container have not.
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        with Running(
            "run", str(plan), "--runs", str(tmp_path / "shown"), "--share-machine",
            "--serve", f"127.0.0.1:{page}", "--metrics", f"127.0.0.1:{metrics}", "--remote-write", url,
        ) as running:  # fmt: skip
            # It has come often enough to be missed.
            often = "count_over_time(seatrial_requests_total[1m]) > 2"
            assert wait_until(lambda: server.instant(often), LIMIT_S)
            assert_shown(browser, f"http://127.0.0.1:{page}/", run_of(tmp_path / "shown"))
            # Both go away.
            browser.close()
            server.stop(signal.SIGKILL)
            outcome = running.wait(120)
    assert outcome.code == plain.code == 0, outcome.stderr
    assert "Traceback" not in outcome.stderr
    run = run_of(tmp_path / "shown")
    assert verdicts(run) == verdicts(run_of(tmp_path / "plain"))
    found = journal(run)
    assert len([text for text in found if "refuses what is sent, 401: who are you?" in text]) == 1
    assert len([text for text in found if text.startswith("nobody has scraped the metrics for")]) == 1
    assert not [text for text in found if text.startswith("what show")]
    # What showed it has ended, and the record is one plain file.
    assert not list(run.glob("record.db-*"))


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_what_cannot_be_shown_is_a_line_and_the_last_scrape_has_all_of_it(tmp_path: Path) -> None:
    plan = tmp_path / "plan.yaml"
    plan.write_text(PLAN.format(system="direct", measure=6))
    metrics = free_port()
    with (
        ThreadingHTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler) as taken,
        prometheus(tmp_path / "p", scrape("seatrial", f"127.0.0.1:{metrics}")) as server,
    ):
        address = f"127.0.0.1:{taken.server_port}"
        outcome = run_seatrial(
            "run", str(plan), "--runs", str(tmp_path / "runs"), "--share-machine", "--serve", address,
            "--metrics", f"127.0.0.1:{metrics}",
        )  # fmt: skip
        assert outcome.code == 0, outcome.stderr
        run = run_of(tmp_path / "runs")
        # The last sample of each series, after it has ended.
        completed = "sum(last_over_time(seatrial_requests_total{outcome='completed'}[5m]))"
        assert server.value(completed) == counted(run)
        states = server.instant("last_over_time(seatrial_run_info[5m])")
        assert "finished" in {one["metric"]["state"] for one in states}
        assert server.value("last_over_time(seatrial_trial_valid[5m])") in {0.0, 1.0}
        found = server.instant("last_over_time(seatrial_objective_met[5m])")
        met = {one["metric"]["objective"]: one["value"][1] for one in found}
        assert met in ({"errors == 0": "1", "p99 < 2 s": "1"}, {})
    assert len([text for text in journal(run) if text.startswith(f"cannot listen on {address}")]) == 1


def test_a_run_whose_folder_looks_like_an_option_is_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    run = make_run(Path("-x"), trials=1)
    shown: list[str] = []
    companion = Companion(Path("-x"), ("--listen", "127.0.0.1:0"), lambda: False)
    companion.show = companion.note = shown.append
    with companion:
        companion(RunStarted(run.name, "made-run", 1))
        assert wait_until(lambda: shown, LIMIT_S)
    assert shown[0].startswith("the page is at http://127.0.0.1:")
