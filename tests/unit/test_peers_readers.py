"""What the peers print, as captured from real runs, is read as it is meant."""

from __future__ import annotations

from dataclasses import astuple
from pathlib import Path

import pytest
from benchmarks.peers import h2load, hey, k6, oha, seatrial, vegeta, wrk
from benchmarks.peers.base import Load, Report, report_of_samples

SAMPLES = Path(__file__).parent / "peer_samples"
LOAD = Load("http://127.0.0.1:8080/", 2000, 20, Path("scratch"))


def sample(name: str) -> str:
    return (SAMPLES / name).read_text()


def assert_is(report: Report, *values: float | None) -> None:
    """Compare without the last digits, which seconds turned into microseconds do not keep."""
    assert astuple(report)[: len(values)] == pytest.approx(values, nan_ok=False)


def test_wrk() -> None:
    assert wrk.read([sample("wrk.txt")], LOAD) == Report(128656, 34, 713, 1259, 1812)


def test_h2load_prints_a_count_and_a_maximum_and_no_percentiles() -> None:
    assert h2load.read([sample("h2load.txt")], LOAD) == Report(800, max_us=4500)


def test_h2load_logs_every_request() -> None:
    assert h2load.report_of_log(sample("h2load.log")) == Report(5, 554, 559, 559, 559)


def test_hey() -> None:
    assert_is(hey.read([sample("hey.txt")], LOAD), 800, 600, 5700, None, 6400)


def test_hey_lists_every_request() -> None:
    assert hey.read_list([sample("hey.csv")], LOAD) == Report(5, 1800, 2200, 2200, 2200)


def test_oha() -> None:
    report = oha.read([sample("oha.json")], LOAD)
    assert_is(report, 800, 130.484, 401.432, 1848.713, 1848.713)


def test_vegeta() -> None:
    report = vegeta.read(["", sample("vegeta.json"), sample("vegeta.hdrplot")], LOAD)
    assert_is(report, 800, 183.4, 424.661, 3730.597, 3982.792)


def test_k6() -> None:
    report = k6.read([sample("k6.json")], LOAD)
    assert_is(report, 201, 175.632, 1381.624, 9770.507, 11804.561)


def test_seatrial() -> None:
    assert seatrial.read([sample("seatrial.json")], LOAD) == Report(800, 99, 247, 463, 463, 53.006)


def test_an_invalid_result_of_seatrial_is_read_with_its_reasons() -> None:
    text = sample("seatrial.json").replace('"reasons": []', '"reasons": [{"code": "generator.late"}]')
    assert seatrial.read([text], LOAD).doubt == "generator.late"


@pytest.mark.parametrize("reader", [wrk.read, h2load.read, hey.read, oha.read, k6.read, seatrial.read])
def test_a_text_without_a_result_is_no_result(reader: object) -> None:
    assert callable(reader)
    with pytest.raises((ValueError, KeyError, IndexError)):
        reader(["connection refused"], LOAD)


def test_percentiles_are_by_nearest_rank() -> None:
    assert report_of_samples(range(1000, 0, -1)) == Report(1000, 500, 990, 999, 1000)


def test_every_row_asks_for_the_same_load() -> None:
    """The rate is given in all, or for each of 100 connections; the time in seconds."""
    peers = (h2load, hey, oha, vegeta, k6, seatrial)
    for row in (row for peer in peers for row in peer.STALL if row.loop != "closed"):
        words = " ".join(row.command(LOAD))
        assert "2000" in words or "rps=20" in words or "-q 20" in words, words
        assert "20s" in words or "-D20" in words or "SECONDS=20" in words, words
