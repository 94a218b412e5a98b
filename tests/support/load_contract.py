"""What must hold of every ``seatrial.load/1`` document, whatever the target did."""

from __future__ import annotations

from typing import Any

from tests.support.schemas import assert_published


def assert_counts_add_up(document: dict[str, Any]) -> None:
    """Every intended request is accounted for once, and has one sample in each histogram that it belongs to."""
    assert_published("load", document)
    requests = document["requests"]
    ended = ("completed", "timed_out", "failed", "in_flight")
    assert requests["intended"] == requests["sent"] + requests["unsent"]
    assert requests["sent"] == sum(requests[name] for name in ended)
    assert document["latency_us"]["count"] == requests["intended"]
    assert document["service_time_us"]["count"] == requests["sent"]
    assert document["lateness_us"]["count"] == (requests["sent"] if document["loop"] == "open" else 0)
    assert sum(document["status"].values()) == requests["completed"]
    assert sum(one["sent"] for one in document["intervals"]) == requests["sent"]
    assert sum(one["completed"] for one in document["intervals"]) == requests["completed"]
    assert sum(one["answered"] for one in document["intervals"]) == document["answers"]["in_window"]


def assert_driver(document: dict[str, Any], wanted: str) -> None:
    """Assert that the driver is the one asked for or, where this machine has no io_uring, that the document says so."""
    if wanted == "epoll" or document["driver_fallback"] is None:
        assert (document["driver"], document["driver_fallback"]) == (wanted, None)
    else:
        assert document["driver"] == "epoll"
        assert "io_uring" in document["driver_fallback"]
