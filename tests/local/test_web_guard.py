"""Who may read a page and who may write: asked as a browser, as a page of elsewhere, and as nobody ought to ask."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.support.made_run import make_run
from tests.support.program import wait_until
from tests.support.web import Served, serving

from seatrial.record.reader import RunReader

TOKEN = "a-token-of-this-test_1234567"


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs")
    (folder.parent / "secret.txt").write_text("nobody's business")
    return make_run(folder, trials=1, systems=("direct",))


@pytest.fixture(scope="module")
def served(run: Path) -> Iterator[Served]:
    with serving(run) as found:
        yield found


def journal(run: Path) -> list[tuple[str, str]]:
    with RunReader.open(run) as reader:
        return [(entry.author, entry.text) for entry in reader.journal()]


def test_a_page_may_load_nothing_from_elsewhere(served: Served, run: Path) -> None:
    for path in (
        "/runs",
        f"/run/{run.name}",
        "/api/runs",
        "/static/main.js",
        "/nothing",
        f"/run/{run.name}/report",
    ):
        _, headers, _ = served.ask(path)
        policy = headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert "frame-ancestors" in policy
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["cache-control"] == "no-store"
    page = served.ask("/runs")[2].decode()
    assert "http:" not in page
    assert "https:" not in page
    assert "style=" not in page


def test_a_report_is_of_no_origin(run: Path, served: Served) -> None:
    assert served.ask(f"/run/{run.name}/report")[0] == 404
    report = run / "report.html"
    report.write_text("<script>1</script>")
    try:
        status, headers, _ = served.ask(f"/run/{run.name}/report")
        assert status == 200
        assert headers["content-security-policy"].startswith("sandbox allow-scripts;")
        report.unlink()
        report.symlink_to(run.parent.parent / "secret.txt")
        assert served.ask(f"/run/{run.name}/report")[0] == 404
    finally:
        report.unlink()


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:{port}", "127.0.0.1.evil.example", "", "[", "10.0.0.1"]
)
def test_another_name_is_not_answered(served: Served, host: str) -> None:
    status, _, body = served.ask("/api/runs", Host=host.format(port=served.port))
    # An empty name is no HTTP, and is refused before anybody looks.
    assert status in {400, 421}
    assert b"made-run" not in body


@pytest.mark.parametrize("host", ["localhost:{port}", "127.0.0.1:{port}", "[::1]:{port}", "LOCALHOST:9999"])
def test_this_machine_and_a_tunnel_to_it_are_answered(served: Served, host: str) -> None:
    assert served.ask("/api/runs", Host=host.format(port=served.port))[0] == 200


def test_a_note_needs_the_page_s_token_and_its_origin(served: Served, run: Path) -> None:
    before = journal(run)
    assert served.note(run.name, "no", X_Seatrial_Token="")[0] == 403
    assert served.note(run.name, "no", X_Seatrial_Token="x" * 43)[0] == 403
    for origin in ("http://evil.example", "null", "", f"http://127.0.0.1:{served.port + 1}", "file://"):
        assert served.note(run.name, "no", Origin=origin)[0] == 403, origin
    assert served.note(run.name, "x" * 2_001)[0] == 413
    assert served.note(run.name, "x" * 20_000)[0] == 413
    assert served.note(run.name, " \n")[0] == 400
    assert served.note("..", "no")[0] == 404
    token = served.write_token()
    for body in (b"", b"{", b"[]", b"[" * 15_000, b'{"text": 7}', b'{"text": null}', b"\xff"):
        headers: dict[str, Any] = {"Origin": f"http://{served.host}", "X_Seatrial_Token": token}
        assert served.ask(f"/api/run/{run.name}/notes", method="POST", body=body, **headers)[0] == 400, body
    assert served.ask(f"/api/run/{run.name}/notes", method="PUT", body=b"{}")[0] in {403, 405}
    assert journal(run) == before
    assert served.note(run.name, "the fan\ncame on <b>")[0] == 201
    assert journal(run) == [*before, ("person", "the fan came on <b>")]


@pytest.mark.parametrize(
    "path",
    [
        "/static/../app.py",
        "/static/%2e%2e/app.py",
        "/static/..%2f..%2fwatcher.py",
        "/run/../secret.txt/report",
        "/run/%2e%2e/report",
        "/api/run/..%2f/events",
        "/api/run/%00/events",
        "/api/run/made-run/events",
        "/static//etc/passwd",
    ],
)
def test_nothing_outside_of_the_runs_is_served(served: Served, path: str) -> None:
    status, _, body = served.ask(path)
    assert status in {400, 403, 404}
    assert b"nobody's business" not in body
    assert b"import" not in body


def test_a_link_to_a_run_elsewhere_is_no_run_of_this_folder(tmp_path: Path, run: Path) -> None:
    own = make_run(tmp_path / "own", trials=1, systems=("direct",))
    (tmp_path / "own/linked").symlink_to(run)
    with serving(tmp_path / "own") as served:
        assert [one["id"] for one in served.json("/api/runs")] == [own.name]
        assert served.ask("/api/run/linked/events")[0] == 404


def test_with_a_token_nobody_reads_without_it(tmp_path: Path, run: Path) -> None:
    (tmp_path / "token").write_text(f"{TOKEN}\n")
    with serving(run, "--token-file", str(tmp_path / "token"), listen="0.0.0.0:0") as served:
        assert served.url.endswith(f"?token={TOKEN}")
        local: dict[str, Any] = {"Host": f"127.0.0.1:{served.port}"}
        for path in ("/", "/runs", "/api/runs", f"/api/run/{run.name}/events", "/static/main.js"):
            assert served.ask(path, **local)[0] == 401, path
        assert served.ask("/?token=wrong", **local)[0] == 401
        status, headers, _ = served.ask(f"/?token={TOKEN}", **local)
        assert (status, headers["location"]) == (303, "/")
        cookie = headers["set-cookie"]
        assert "HttpOnly" in cookie
        assert "SameSite=Strict" in cookie
        name_and_value = cookie.partition(";")[0]
        assert served.ask("/api/runs", Cookie=name_and_value, **local)[0] == 200
        assert served.ask("/api/runs", Cookie=name_and_value, Host="evil.example")[0] == 421
        # The cookie alone lets nobody write: a browser would send it for whoever asks.
        writing: dict[str, Any] = {"Cookie": name_and_value, "Origin": f"http://{local['Host']}", **local}
        assert served.ask(f"/api/run/{run.name}/notes", method="POST", body=b"{}", **writing)[0] == 403


def test_beyond_this_machine_a_token_is_made(run: Path) -> None:
    with serving(run, listen="0.0.0.0:0") as served:
        token = served.url.partition("?token=")[2]
        assert len(token) >= 32
        assert served.ask("/runs", Host="127.0.0.1")[0] == 401


def test_a_flood_of_requests_is_bounded_and_then_it_serves_again(served: Served, run: Path) -> None:
    held = []
    try:
        for _ in range(120):
            one = socket.create_connection(("127.0.0.1", served.port), 10)
            one.sendall(f"GET /api/run/{run.name}/events HTTP/1.1\r\nHost: {served.host}\r\n\r\n".encode())
            held.append(one)
        firsts = [one.recv(64).split()[1] for one in held]
        assert firsts.count(b"200") == 40
        assert set(firsts) == {b"200", b"503"}
        assert served.ask("/runs")[0] == 200
    finally:
        for one in held:
            one.close()
    assert wait_until(lambda: served.ask("/api/runs")[0] == 200, 20.0)


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["{run}", "--listen", "nowhere"], 2, "no address with a port"),
        (["{run}", "--listen", "127.0.0.1:99999"], 2, "no address with a port"),
        (["{run}", "--listen", "127.0.0.1:{taken}"], 4, "stop what listens there"),
        (["{run}", "--listen", "192.0.2.1:0"], 4, "give an address of this machine"),
        (["{run}", "--listen", "no-such-host.invalid:0"], 4, "give an address of this machine"),
        (["/no/such"], 2, "neither a run directory nor a folder"),
        (["{run}", "--token-file", "/no/such"], 2, "cannot be read"),
        (["{run}", "--token-file", "{short}"], 2, "holds no token"),
    ],
)
def test_what_cannot_be_served_is_said(
    arguments: list[str], code: int, words: str, run: Path, tmp_path: Path, invoke
) -> None:
    (tmp_path / "short").write_text("short")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        known = {"run": run, "taken": taken.getsockname()[1], "short": tmp_path / "short"}
        outcome = invoke("serve", *(one.format(**known) for one in arguments))
    assert outcome.code == code, outcome
    assert words in outcome.stderr


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_ends_at_a_signal_whoever_watches(run: Path, number: signal.Signals) -> None:
    with serving(run) as served, socket.create_connection(("127.0.0.1", served.port), 10) as watching:
        watching.sendall(f"GET /api/run/{run.name}/events HTTP/1.1\r\nHost: {served.host}\r\n\r\n".encode())
        assert watching.recv(64).split()[1] == b"200"
        assert served.running is not None
        served.running.signal(number)
        assert served.running.wait(15.0).code == 0
        served.running.assert_nothing_left()


def test_it_ends_with_its_parent(run: Path) -> None:
    command = [
        sys.executable,
        "-m",
        "seatrial.cli.main",
        "serve",
        str(run),
        "--listen",
        "127.0.0.1:0",
        "--with-parent",
    ]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdin is not None
        assert "the page is at" in json.loads(process.stdout.readline())["shown"]
        process.stdin.close()
        assert process.wait(15.0) == 0


def test_a_run_that_is_followed_may_be_read_and_removed(tmp_path: Path) -> None:
    make_run(tmp_path, trials=1, systems=("direct",))
    with serving(tmp_path) as served:
        (found,) = served.json("/api/runs")
        assert (found["state"], found["ended"], found["trials"]) == ("finished", 1, 8)
        assert served.ask("/", method="GET")[1]["location"] == "/runs"
        (tmp_path / found["id"]).rename(tmp_path / "gone")
        assert wait_until(lambda: served.ask(f"/api/run/{found['id']}/course")[0] == 404, 5.0)


def test_help_names_what_a_person_needs(invoke) -> None:
    outcome = invoke("serve", "--help")
    assert outcome.code == 0
    assert "--listen" in outcome.stdout
    assert "--with-parent" not in outcome.stdout
