"""Ctrl-C: what was measured until then is judged as what it is."""

from __future__ import annotations

import signal
import time

import pytest
from tests.support.program import Running, running_origin, wait_until

from seatrial.errors import ExitCode


def test_a_rising_rate_that_is_stopped_is_held_against_what_it_was_until_then() -> None:
    # On a coarse grid a request may leave later: this is about counts, on machines that do other things, too.
    flags = ("-c10", "--warmup", "500ms", "--resolution", "10ms", "--json", "-")
    with (
        running_origin() as origin,
        Running("load", origin.url, "-R", "200@1s,200..2k@60s", *flags) as running,
    ):
        assert wait_until(lambda: len(running.left()) == 2, 20.0)
        time.sleep(3.0)
        running.signal(signal.SIGINT)
        outcome = running.wait(20.0)
    document = outcome.document
    assert outcome.code == ExitCode.INTERRUPTED
    assert "generator.rate" not in {reason["code"] for reason in document["validity"]["reasons"]}
    requested_per_s = document["rate_per_s"]["requested"]
    assert 200 <= requested_per_s < 500
    intended = document["requests"]["intended"]
    assert intended == pytest.approx(requested_per_s * document["window_s"], rel=0.01, abs=2)
