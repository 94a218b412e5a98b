"""TLS in frames, results and records."""

from __future__ import annotations

import json

import pytest
from tests.support.accounts import account_of
from tests.unit.test_document import frame as plain_frame

from seatrial._engine import Histogram
from seatrial.analysis.load.summarise import summarise
from seatrial.generator.account import LoadAccount
from seatrial.generator.frames import Frame
from seatrial.generator.split import split
from seatrial.record.tables.frame_rows import join_frame, split_frame
from seatrial.report.load.text import load_text
from seatrial.workload.spec import LoadSpec, Target
from seatrial.workload.tls import Tls

SECOND_NS = 10**9
HANDSHAKES_PER_FRAME = 40


def frame(worker: int, second: int, took_us: int | None) -> Frame:
    """Return an interval in which nothing but handshakes happened."""
    whole = {"start_ns": second * SECOND_NS, "end_ns": (second + 1) * SECOND_NS}
    if took_us is None:
        return plain_frame(worker, second, **whole)
    handshakes = Histogram()
    handshakes.record(took_us, HANDSHAKES_PER_FRAME)
    versions = {"1.2": 10, "1.3": HANDSHAKES_PER_FRAME - 10}
    return plain_frame(
        worker, second, **whole, tls_handshake=handshakes.encode(), tls_versions=versions, tls_resumed=5
    )


def account(*, tls: bool) -> LoadAccount:
    return account_of(start_ns=SECOND_NS, rate_per_s=None, asked__tls=tls)


def test_handshakes_are_summed_over_workers_and_rated_over_the_window() -> None:
    frames = [frame(worker, second, 1_000 * (worker + 1)) for worker in range(2) for second in range(4)]
    result = summarise(account(tls=True), frames)
    assert result.tls is not None
    assert result.tls_handshake_us is not None
    assert result.tls.versions == {"1.2": 80, "1.3": 240}
    assert (result.tls.handshakes, result.tls.resumed) == (320, 40)
    # Frames 1 and 2 of both workers lie in the window: the ramp before it and the drain behind it do not.
    assert result.tls.handshakes_per_s == pytest.approx(4 * HANDSHAKES_PER_FRAME / 2)
    assert (result.tls_handshake_us.min, result.tls_handshake_us.max) == (1_000, 2_000)
    assert result.tls_handshake_us.count == 320
    assert json.loads(json.dumps(result.to_json()))["tls"]["versions"] == {"1.2": 80, "1.3": 240}
    assert "320 handshakes (TLS 1.2: 80, TLS 1.3: 240), 40 resumed, 80/s" in load_text(result)


def test_a_load_without_tls_says_null() -> None:
    document = summarise(account(tls=False), [frame(0, 1, None)]).to_json()
    assert (document["tls"], document["tls_handshake_us"]) == (None, None)


@pytest.mark.parametrize("took_us", [None, 1_500])
def test_a_record_keeps_the_handshakes(took_us: int | None) -> None:
    kept = frame(0, 1, took_us)
    counters, histograms = split_frame(kept)
    assert join_frame(counters, histograms) == kept
    assert len(histograms) == (1 if took_us is None else 2)


def test_every_worker_knows_of_tls() -> None:
    load = LoadSpec(targets=(Target("127.0.0.1", 1),), tls=Tls("a.test", ca_pem="PEM"), workers=2, active=2)
    specs = split(load, 1_000)
    assert [spec["tls"]["server_name"] for spec in specs] == ["a.test"] * 2
    assert specs[0]["tls"]["versions"] == ["1.2", "1.3"]
    assert load.url.startswith("https://")
    assert split(LoadSpec(targets=load.targets), 1_000)[0]["tls"] is None
