"""A page of a record that is damaged, or has an odd name: what can be shown is, and the rest is a sentence."""

from __future__ import annotations

import http.client
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from tests.support.made_run import make_run
from tests.support.web import Served, in_this_process

from seatrial.live.exposition.history import openmetrics_of

ODD = "a b#?%41&ü'\"<i>"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_run(tmp_path_factory.mktemp("runs"), trials=1)


def damaged(made: Path, at: Path, statement: str) -> Path:
    run = at / "damaged"
    shutil.copytree(made, run)
    with closing(sqlite3.connect(run / "record.db")) as database, database:
        assert database.execute(statement).rowcount
    return run


def end_of_stream(served: Served) -> bytes:
    """What a page is sent until its stream ends; one that goes on is an error of the test."""
    connection = http.client.HTTPConnection("127.0.0.1", served.port, timeout=20.0)
    with closing(connection):
        connection.request("GET", "/api/run/damaged/events")
        return connection.getresponse().read()


@pytest.mark.parametrize(
    ("statement", "why"),
    [
        ("UPDATE cases SET document = '[]'", "of its table cases"),
        ("UPDATE trials SET started_utc = 'yesterday'", "yesterday"),
    ],
)
def test_what_cannot_be_shown_at_all_is_said_at_once_and_the_stream_ends(
    made: Path, tmp_path: Path, statement: str, why: str
) -> None:
    with in_this_process(damaged(made, tmp_path, statement)) as served:
        for path in ("course", "trial/1") if why == "yesterday" else ("course",):
            status, _, body = served.ask(f"/api/run/damaged/{path}")
            assert (status, why in body.decode()) == (422, True)
        assert why.encode() in end_of_stream(served).rpartition(b"event: failed\n")[2]
        # Nothing of it waits any more, and another run is shown all the same.
        shutil.copytree(made, tmp_path / "whole")
        assert served.json("/api/run/whole/course")["run"]["state"] == "finished"


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE frame_histograms SET data = x'00' WHERE frame = 2",
        "UPDATE frame_histograms SET data = substr(data, 1, length(data) - 1) WHERE frame = 2",
        "UPDATE trials SET facts = '['",
        "UPDATE trials SET reasons = '['",
    ],
)
def test_a_row_that_cannot_be_read_takes_no_other_with_it(made: Path, tmp_path: Path, statement: str) -> None:
    run = damaged(made, tmp_path, statement)
    with in_this_process(run) as served:
        course = served.json("/api/run/damaged/course")
        assert course["run"]["state"] == "finished"
        assert served.json("/api/run/damaged/trial/1")["rows"]["load"] > 0
    assert b"seatrial_requests_total" in openmetrics_of(run)


def test_a_directory_of_any_name_is_led_to(made: Path, tmp_path: Path) -> None:
    shutil.copytree(made, tmp_path / ODD)
    with in_this_process(tmp_path / ODD) as served:
        status, headers, _ = served.ask("/")
        assert status == 302
        assert headers["location"].isascii()
        assert served.ask(headers["location"])[0] == 200
        api = headers["location"].replace("/run/", "/api/run/", 1)
        assert served.json(f"{api}/course")["run"]["id"] == ODD
