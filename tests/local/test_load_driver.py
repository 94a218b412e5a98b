"""``seatrial load --driver``: which one moved the bytes, and why not the one that was asked for."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from tests.support import no_io_uring
from tests.support.load_contract import assert_counts_add_up, assert_driver
from tests.support.program import run_seatrial, running_origin

from seatrial.errors import ExitCode

FLAGS = ("-c", "20", "-R", "1k", "-d", "0.5s")


@pytest.mark.parametrize("driver", ["io_uring", "auto"])
def test_where_io_uring_is_refused_epoll_is_used_and_the_cause_said(driver: str) -> None:
    prefix = (sys.executable, str(Path(no_io_uring.__file__)))
    with running_origin() as origin:
        outcome = run_seatrial("load", origin.url, *FLAGS, "--driver", driver, "--json", "-", prefix=prefix)
        text = run_seatrial("load", origin.url, *FLAGS, "--driver", driver, prefix=prefix)
    document = outcome.document
    assert document["driver"] == "epoll"
    assert "EPERM" in document["driver_fallback"]
    # The numbers are as good as any of epoll's: only which they are had to be said. A busy machine may be late.
    assert outcome.code in {ExitCode.PASS, ExitCode.INVALID_MEASUREMENT}
    assert "generator.drivers" not in {reason["code"] for reason in document["validity"]["reasons"]}
    assert document["requests"]["completed"] == document["requests"]["intended"] == 500
    for printed in (outcome.stderr, text.stderr):
        assert f"warning: epoll is used in place of io_uring: {document['driver_fallback']}" in printed
    assert "epoll in place of io_uring" in text.stdout


def test_without_a_choice_it_is_epoll_and_nothing_is_said() -> None:
    with running_origin() as origin:
        outcome = run_seatrial("load", origin.url, *FLAGS, "--json", "-")
    assert_driver(outcome.document, "epoll")
    assert "io_uring" not in outcome.stderr


@pytest.mark.parametrize(
    "flags",
    [
        pytest.param(("--closed",), id="closed loop"),
        pytest.param(("-R", "2k", "--resolution", "fine"), id="fine"),
        pytest.param(("-R", "2k", "--hold", "300"), id="beside idle connections"),
        pytest.param(("-R", "1k", "--requests-per-connection", "3"), id="churn"),
        pytest.param(
            ("-R", "500", "--hold", "100", "--hold-traffic", "slow-read:20ms:10"), id="slow readers"
        ),
        pytest.param(("-R", "500", "--body", "300 KB"), id="a large request"),
        pytest.param(("-R", "500", "-t", "2"), id="two workers"),
    ],
)
def test_every_kind_of_load_goes_over_io_uring(flags: tuple[str, ...]) -> None:
    with running_origin("--body", "20 KB") as origin:
        outcome = run_seatrial(
            "load", origin.url, "-c", "20", "-d", "0.6s", *flags, "--driver", "io_uring", "--json", "-"
        )
        counts = origin.finish()
    document = outcome.document
    assert_driver(document, "io_uring")
    assert_counts_add_up(document)
    assert document["errors"] == {}
    assert document["requests"]["completed"] == document["requests"]["sent"] > 0
    assert counts["requests"] >= document["requests"]["completed"]
