"""Requests that count on are one of the spec, and nothing is lost by it."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from seatrial.generator.series import written
from seatrial.workload.requests import Request, expand

LINE_BYTES = 1_000


def read(requests: list[dict[str, Any]]) -> list[tuple[str, str, float]]:
    """Read requests as the engine does (``request.rs``)."""
    found = []
    for one in requests:
        numbers = one.get("numbers")
        if numbers is None:
            found.append((one["host"], one["path"], one["weight"]))
            continue
        for number in range(numbers["first"], numbers["first"] + numbers["count"]):
            digits = str(number).zfill(numbers["width"])
            host, path = (one[name].replace("{}", digits) for name in ("host", "path"))
            found.append((host, path, one["weight"]))
    return found


def plain(requests: list[Request]) -> list[tuple[str, str, float]]:
    return [(request.host, request.path, request.weight) for request in requests]


def test_a_hundred_thousand_routes_are_a_line() -> None:
    requests = [Request(host=host) for host in expand("route-{0..99999}.example.com")]
    spec = written(requests)
    assert len(json.dumps(spec)) < LINE_BYTES
    assert read(spec) == plain(requests)


def test_a_number_in_host_and_path_counts_in_both() -> None:
    requests = [Request(host=f"r{number:03}.test", path=f"/v1/{number:03}") for number in range(7, 1_200)]
    spec = written(requests)
    # The width holds up to 999; what is longer is as it is.
    assert len(spec) == 1
    assert read(spec) == plain(requests)


def test_other_weights_methods_and_fields_end_a_series() -> None:
    requests = [Request(host=f"r{number}", weight=1.0 + number // 10) for number in range(40)]
    requests += [Request("HEAD", host=f"r{number}") for number in range(40, 50)]
    spec = written(requests)
    assert len(spec) == 5
    assert [one["method"] for one in spec] == ["GET"] * 4 + ["HEAD"]
    assert read(spec) == plain(requests)


def test_braces_of_ones_own_are_left_alone() -> None:
    requests = [Request(path=f"/{{}}/{number}") for number in range(5)]
    assert [one.get("numbers") for one in written(requests)] == [None] * 5


TEXTS = st.text("ab019{}-/", min_size=1, max_size=8)


@given(st.lists(st.builds(Request, host=TEXTS, path=TEXTS, weight=st.sampled_from([1.0, 2.0])), max_size=30))
def test_any_requests_come_out_as_they_went_in(requests: list[Request]) -> None:
    assert read(written(requests)) == plain(requests)


@given(TEXTS, TEXTS, st.integers(0, 1_200), st.integers(1, 150))
def test_so_do_those_that_count_on(before: str, after: str, first: int, count: int) -> None:
    requests = [Request(host=f"{before}{number}{after}") for number in range(first, first + count)]
    assert read(written(requests)) == plain(requests)
