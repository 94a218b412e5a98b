"""Routes, profiles, expectations, renewed connections, traffic on idle ones, and the files that a load leaves."""

from __future__ import annotations

import base64
import csv
from pathlib import Path
from typing import Any

import pytest
from hdrh.histogram import HdrHistogram
from tests.support.attempts import attempt
from tests.support.load_contract import assert_counts_add_up
from tests.support.program import run_seatrial, running_origin

from seatrial.errors import ExitCode
from seatrial.record.histograms.log import read_histogram_log


def test_every_route_gets_its_share_and_the_origin_agrees() -> None:
    with running_origin() as origin:
        outcome = run_seatrial(
            "load", origin.url, "-q", "--json", "-", "-t", "2", "-c", "4", "-R", "600", "-d", "2s", "--warmup", "500ms",
            "--host", "route-{0..99}.example.com", "--path", "/a,/b", "--route-latency",
        )  # fmt: skip
        counts = origin.finish()["routes"]
    document = outcome.document
    assert_counts_add_up(document)
    routes = {route["route"]: route for route in document["routes"]}
    assert len(routes) == 200
    assert sum(route["completed"] for route in routes.values()) == document["requests"]["completed"] == 1200
    assert {
        name: route["completed_in_all"] for name, route in routes.items() if route["completed_in_all"]
    } == counts
    assert max(counts.values()) - min(counts.values()) <= 2
    assert all(route["latency_us"]["count"] == route["completed"] for route in routes.values())
    longest_us = max(route["latency_us"]["max"] for route in routes.values())
    assert longest_us == pytest.approx(document["latency_us"]["max"], rel=0.02)


def test_weights_are_kept(tmp_path: Path) -> None:
    hosts = tmp_path / "hosts"
    hosts.write_text("often.example 9\nseldom.example 1\n")
    with running_origin() as origin:
        run_seatrial("load", origin.url, "-q", "-c", "2", "-R", "1k", "-d", "1s", "--host", f"@{hosts}")
        counts = origin.finish()["routes"]
    assert counts == {
        "often.example /": pytest.approx(900, abs=3),
        "seldom.example /": pytest.approx(100, abs=3),
    }


def test_a_profile_sends_what_its_area_says() -> None:
    documents: list[dict[str, Any]] = []

    def check() -> None:
        # What leaves late on a busy machine is of the next interval, or of the drain.
        flags = ("-q", "--json", "-", "-c", "4", "-R", "200@1s,200..1000@1s")
        documents.append(run_seatrial("load", origin.url, *flags).document)
        first, second = documents[-1]["intervals"][:2]
        assert (first["sent"], second["sent"]) == (pytest.approx(200, abs=20), pytest.approx(600, abs=20))

    with running_origin() as origin:
        attempt(check)
    for document in documents:
        assert document["requests"]["intended"] == 800
        assert document["rate_per_s"]["requested"] == pytest.approx(400)


def test_unexpected_answers_are_counted_and_shown() -> None:
    with running_origin("--status", "503") as origin:
        outcome = run_seatrial(
            "load", origin.url, "-q", "--json", "-", "-c", "2", "-R", "100", "-d", "1s", "--expect-status", "200,204",
        )  # fmt: skip
    unexpected = outcome.document["unexpected"]
    assert unexpected["counts"] == {"status": 100}
    assert [kept["status"] for kept in unexpected["kept"]] == [503] * 5


def test_a_header_and_a_body_can_be_expected() -> None:
    with running_origin("--body", "20 B") as origin:
        flags = ("-q", "--json", "-", "-c", "2", "-R", "100", "-d", "1s")
        fine = run_seatrial(
            "load", origin.url, *flags, "--expect-header", "Server: seatrial", "--expect-body", "xxx"
        )
        wrong = run_seatrial(
            "load", origin.url, *flags, "--expect-header", "Server: other", "--expect-body", "xxx"
        )
    assert fine.document["unexpected"]["counts"] == {}
    assert wrong.document["unexpected"]["counts"] == {"header": 100}


def test_connections_are_renewed_as_asked_and_that_is_no_error() -> None:
    with running_origin() as origin:
        outcome = run_seatrial(
            "load", origin.url, "-q", "--json", "-", "-c", "5", "-R", "500", "-d", "2s",
            "--requests-per-connection", "20",
        )  # fmt: skip
        accepted = origin.finish()["connections_accepted"]
    document = outcome.document
    assert document["errors"] == {}
    # A connection that was being renewed at its turn may be a request short of its last renewal.
    assert 45 <= document["connections"]["churned"] <= 50
    # The last renewals may be under way when the load ends.
    assert 0 <= accepted - document["connections"]["opened"] <= 5
    assert document["requests"]["completed"] == 1000


@pytest.mark.parametrize("traffic", ["request:200ms", "slow-send:20ms", "slow-read:100ms:50"])
def test_idle_connections_may_act(traffic: str) -> None:
    with running_origin() as origin:
        outcome = run_seatrial(
            "load", origin.url, "-q", "--json", "-", "-c", "1", "-R", "10", "-d", "2s", "--hold", "20",
            "--hold-traffic", traffic,
        )  # fmt: skip
        requests = origin.finish()["requests"]
    document = outcome.document
    held_requests = document["connections"]["held_requests"]
    assert held_requests > 0
    assert document["connections"]["held"]["established"] == 20
    assert document["requests"]["completed"] == 20
    # The origin may have been sent one more of each connection that was cut off before the worker's last frame.
    assert 0 <= requests - held_requests - 20 <= 20


def test_the_histogram_log_is_read_by_the_public_tool(tmp_path: Path) -> None:
    log, series = tmp_path / "load.hlog", tmp_path / "series.csv"
    with running_origin() as origin:
        outcome = run_seatrial(
            "load", origin.url, "-q", "--json", "-", "-t", "2", "-c", "4", "-R", "1k", "-d", "2s",
            "--hdr-log", str(log), "--csv", str(series),
        )  # fmt: skip
    document = outcome.document
    oracle = HdrHistogram(1, 3_600_000_000, 3)
    lines = list(read_histogram_log(log))
    for line in lines:
        base64.b64decode(line.histogram, validate=True)
        oracle.decode_and_add(line.histogram)
    assert len(lines) >= 2
    assert oracle.get_total_count() == document["latency_us"]["count"]
    assert oracle.get_value_at_percentile(99) == pytest.approx(document["latency_us"]["p99"], rel=0.001)
    rows = list(csv.DictReader(series.read_text().splitlines()))
    assert sum(int(row["sent"]) for row in rows) == document["requests"]["sent"]


@pytest.mark.parametrize(
    "flags",
    [
        ("-R", "1k@"), ("-R", "5k..@1s"), ("-R", "1k", "--host", "{9..1}"), ("-R", "1k", "--host", "@/nowhere"),
        ("-R", "1k", "--hold-traffic", "dance"), ("-R", "1k", "--expect-status", "ok"),
        ("-R", "1k", "--body", "@/nowhere"),
    ],
)  # fmt: skip
def test_words_that_make_no_load_are_refused_in_words(flags: tuple[str, ...]) -> None:
    outcome = run_seatrial("load", "http://127.0.0.1:9/", *flags)
    assert outcome.code == ExitCode.BAD_INPUT
    assert outcome.stderr.startswith("error: ")
