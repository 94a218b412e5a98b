"""A document that was written comes back whole."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.test_document import FACTS, frame, part

from seatrial.analysis.load.answered import answered_in_window
from seatrial.analysis.load.document import summarise, to_json
from seatrial.analysis.load.result import (
    Distribution,
    Interval,
    LoadResult,
    Ours,
    Reason,
    RouteResult,
    TlsCounts,
    Validity,
)
from seatrial.analysis.load.stored import load_result
from seatrial.generator.routes import KeptAnswer

COUNT = st.integers(1, 10**9)
# The document rounds to three digits.
FIGURE = COUNT.map(lambda count: count / 8)
NAME = st.text("abcdefghij_", min_size=1, max_size=8)
COUNTS = st.dictionaries(NAME, COUNT, min_size=1, max_size=3)
STATUSES = st.dictionaries(st.integers(200, 599).map(str), COUNT, min_size=1, max_size=3)
DISTRIBUTION = st.builds(
    Distribution,
    **{one.name: FIGURE if one.name == "mean" else COUNT for one in dataclasses.fields(Distribution)},
)
OURS = st.builds(
    Ours, **{one.name: FIGURE if one.name == "mean" else COUNT for one in dataclasses.fields(Ours)}
)
LISTS: dict[str, Any] = {
    "intervals": st.builds(
        Interval, start_s=FIGURE, sent=COUNT, completed=COUNT, errors=COUNT, held=COUNT,
        latency_us=COUNTS, lateness_us=COUNTS, length_s=FIGURE, answered=COUNT, drain=st.just(True),
    ),
    "routes": st.builds(
        RouteResult, route=NAME, sent=COUNT, completed=COUNT, failed=COUNT, unexpected=COUNT, completed_in_all=COUNT,
        latency_us=st.none() | DISTRIBUTION,
    ),
    "remarks": NAME,
    "unexpected_kept": st.builds(KeptAnswer, kind=NAME, route=NAME, status=COUNT, body=NAME),
}  # fmt: skip
OTHERS: dict[str, Any] = {
    "loop": st.just("closed"),
    "status": STATUSES,
    "timestamps": st.just("kernel"),
    "scheduling": st.just("first"),
    "spin": st.just(True),
    "driver_fallback": NAME,
    "validity": st.builds(
        Validity, st.tuples(st.builds(Reason, NAME, NAME, NAME, st.just("inflates"), NAME))
    ),
    "tls": st.builds(TlsCounts, versions=COUNTS, resumed=COUNT, handshakes=COUNT, handshakes_per_s=FIGURE),
}
BY_TYPE: dict[str, Any] = {
    "int": COUNT,
    "int | None": COUNT,
    "tuple[int, ...]": st.lists(COUNT, min_size=1, max_size=3).map(tuple),
    "float": FIGURE,
    "float | None": FIGURE,
    "str": NAME,
    "Mapping[str, int]": COUNTS,
    "Mapping[str, int] | None": COUNTS,
    "Distribution": DISTRIBUTION,
    "Distribution | None": DISTRIBUTION,
    "Ours | None": OURS,
}


def values_of(name: str, kind: str) -> Any:
    """Values of one field, none of them its default."""
    if name in LISTS:
        return st.lists(LISTS[name], min_size=1, max_size=2).map(tuple)
    return OTHERS[name] if name in OTHERS else BY_TYPE[kind]


RESULT = st.builds(
    LoadResult,
    **{
        one.name: values_of(one.name, str(one.type))
        for one in dataclasses.fields(LoadResult)
        # The document leaves the buckets to `--hdr-log`.
        if one.name != "latency_buckets"
    },
)


@settings(max_examples=40, deadline=None)
@given(RESULT)
def test_every_key_is_read_back(result: LoadResult) -> None:
    document = json.loads(json.dumps(to_json(result)))
    assert to_json(load_result(document)) == document
    assert load_result(document) == result


def older_document() -> dict[str, Any]:
    document = to_json(summarise(FACTS, [frame(0, 0, part([100] * 10))]))
    for key in (
        "unexpected", "routes", "tls", "tls_handshake_us", "errors_in_window", "driver_fallback", "answers", "findings",
        "status_expected",
    ):  # fmt: skip
        del document[key]
    del document["bytes"]["received_in_window"]
    for interval in document["intervals"]:
        del interval["length_s"], interval["answered"], interval["drain"]
    for key in ("churned", "closed_by_peer", "reset_by_peer", "syn_retransmissions", "held_requests",
                "held_answers", "held_unanswered", "held_lifetime_us"):  # fmt: skip
        del document["connections"][key]
    for key in (
        "worker_cpu_cores_max", "stall_us_max", "receive_wait_us_p99", "receive_wait_us_max", "clock_steps",
        "scheduling", "spin",
    ):  # fmt: skip
        del document["generator"][key]
    return document


def test_an_older_document_is_read_with_defaults() -> None:
    result = load_result(older_document())
    assert (result.churned, result.routes, result.scheduling, result.spin) == (0, (), "shared", False)
    assert result.errors_in_window is None
    assert result.driver_fallback is None
    # It had the rate alone.
    assert (result.answered_in_window, answered_in_window(result)) == (None, 10)


def test_what_is_no_load_is_refused() -> None:
    with pytest.raises(KeyError):
        load_result({"schema": "seatrial.load/1"})
