"""The ``load`` of a plan: its short forms, and what cannot be meant, each with its place and what is allowed."""

from __future__ import annotations

from typing import Any

import pytest

from seatrial.plan.read import parse_plan
from seatrial.plan.yaml.problems import PlanFileError

PLAN = "name: x\nsystems: [direct]\nphases: {measure: 1 s}\n"


def load(words: str, rest: str = "") -> Any:
    return parse_plan(f"{PLAN}load: {{{words}}}\n{rest}", "plan.yaml").load


def refusal(words: str, rest: str = "") -> str:
    with pytest.raises(PlanFileError) as caught:
        load(words, rest)
    assert len(caught.value.problems) == 1, caught.value
    return str(caught.value)


@pytest.mark.parametrize(
    "words",
    ["rate: [1k@100ms, 1k..5k@900ms]", "profile: '1k@100ms,1k..5k@900ms'", "rate: '1k@100ms,1k..5k@900ms'"],
)
def test_a_profile_is_a_text_or_a_list_under_either_key(words: str) -> None:
    assert (load(words).profile, load(words).rate_per_s) == ("1k@100ms,1k..5k@900ms", None)
    assert load(words).peak_rate_per_s == 5_000


@pytest.mark.parametrize(
    ("words", "shape"),
    [
        ("tls: true", {}),
        ("tls: {}", {}),
        ("tls: {version: 1.3}", {"version": "1.3"}),
        ("tls: false", None),
    ],
)
def test_tls_is_a_word_or_a_mapping(words: str, shape: dict[str, str] | None) -> None:
    tls = load(f"rate: 1/s, {words}").tls
    assert (None if tls is None else tls.model_dump(exclude_defaults=True)) == shape


def test_lists_of_hosts_and_headers_have_their_short_forms() -> None:
    given = load(
        "rate: 1/s, host: ['a.example 3', b.example], headers: {Accept: 1, X-Id: a}, expect_header: {Age: 0}"
    )
    assert given.host == "a.example 3,b.example"
    assert given.headers == (("Accept", "1"), ("X-Id", "a"))
    assert given.expect_header == ("Age", "0")


@pytest.mark.parametrize("body", ["10 KB", "0", "''", "some words", "'{\"id\": 1}'"])
def test_a_request_body_is_a_size_or_a_text(body: str) -> None:
    given = load(f"rate: 1/s, request_body: {body}").request_body
    assert given == {"10 KB": 10_000, "0": 0}.get(body, body.strip("'"))


@pytest.mark.parametrize(
    ("words", "why", "allowed"),
    [
        ("rate: 1/s, profile: 1k@1s", "`profile` is given as well as `rate`", "one of the two"),
        ("profile: 1k@", "`profile`: ", ""),
        ("rate: 1/s, hold_traffic: request:1s", "this plan holds none", "`connections` of 1 or more"),
        ("rate: 1/s, connections: 1, hold_traffic: shout", "`hold_traffic`: shout is none of silent", ""),
        ("loop: closed, arrival: poisson", "a closed loop has no `arrival`", "`loop: open`"),
        ("loop: closed, profile: 1k@1s", "a closed loop has no `rate`", "`loop: open`"),
        ("rate: 1/s, host: 'a.example often'", "`host`: often is not a weight", "write it as"),
        ("rate: 1/s, path: x", "`path`: 'x' is not a path", "starts with /"),
        ("rate: 1/s, host: '@hosts.txt'", "is a file, and a plan is whole by itself", "write its lines here"),
        ("rate: 1/s, request_body: '@body.json'", "is a file, and a plan is whole by itself", ""),
        ("rate: 1/s, method: 'GE T'", "`method`: 'GE T' is not a method", "give one word"),
        ("rate: 1/s, expect_header: {A b: c}", "is not a header field", "write it as 'Name: value'"),
        ("rate: 1/s, tls: {version: 1.1}", "`1.1` is not one of the words", "1.2, 1.3"),
        ("rate: 1/s, tls: {sni: 'a b'}", "neither a host name nor an IP address", ""),
        ("rate: 1/s, tls: {alpn: h2}", "h2: a server that chose it", "offer"),
        ("rate: 1/s, tls: {ca: x}", "unknown key `ca` in `tls`", "version, sni, alpn, resumption"),
        ("rate: 1/s, host: 'h-{1..1000}', path: '/{1..101}'", "101,000 different requests", ""),
        ("rate: 1/s, request_body: 100 GB", "`request_body`: `100 GB` is out of range", "0 B to"),
        ("rate: 1/s, request_body: 10 kb", "`request_body`: `10 kb` is not a size", "such as"),
        ("rate: 1/s, interval: 1 h", "`interval`: `1 h` is out of range", "10 ms to"),
        ("rate: 1/s, connections: 1, hold_traffic: 'request:1s:5'", "request:1s:5 is none of", ""),
        ("profile: [1/s@1s, 2/s@500ms]", "the profile lasts 1.5 s, and `measure` is 1 s", "at least 1.5 s"),
        ("profile: 20M@1s", "`profile`: `20M/s` is out of range", "10M/s"),
        ("rate: 1/s, expect_body: ''", "`expect_body`: ", ""),
        ("rate: 1/s, connections: 1, hold_traffic: request:0.01ms", "that often is not idle", "active connection"),
        ("rate:", "`rate` has no value", "no such key"),
        ("rate: 1/s, tls: on", "`tls` is `yes`, `no` or a mapping", "sni"),
        ("rate: 1/s, spin: on", "`spin`: `on` is not `yes` or `no`, `true` or `false`", ""),
        ("rate: 1/s, expect_header: A", "`expect_header` is a mapping of one name", "X-Cache"),
        ("rate: 1/s, expect_header: {A: 1, B: 2}", "`expect_header` is a mapping of one name", ""),
        ("rate: 1/s, request_body: 5", "1 mistake", "a size such as"),
        ("rate: 1/s, request_body: {a: 1}", "1 mistake", "a size such as"),
        ("rate: [1/s, 2/s]", "`rate` is one value here", "`vary: {rate: [1/s, 2/s]}`"),
        ("rate: 1/s, connections: [1, 2]", "`connections` is one value here", "`vary: {connections: [1, 2]}`"),
        ("rate: 1/s, host: [a.example, '@hosts']", "`@hosts` is a file", ""),
        ("connections: 1, active: 0, lifetime: 1 s", "`lifetime` is of active connections", "no `lifetime`"),
        ("rate: 1/s, connections: 10M", "this load cannot be driven: 10,000,050 connections", "at most 10,000,000"),
    ],
)  # fmt: skip
def test_what_cannot_be_meant_is_refused_where_it_stands(words: str, why: str, allowed: str) -> None:
    text = refusal(words)
    assert why in text
    assert "--" not in text.replace("-----", "")
    assert allowed in text.partition("= allowed: ")[2] or not allowed


def test_a_load_in_the_middle_that_cannot_be_driven_is_refused_before_any_trial() -> None:
    text = refusal("rate: 1/s, hold_traffic: request:1ms", "vary: {connections: [10, 100k, 20]}\n")
    assert "this load cannot be driven" in text


@pytest.mark.parametrize(
    ("words", "vary", "is_fine"),
    [
        ("hold_traffic: request:1s, rate: 1/s", "{connections: [0, 5]}", True),
        ("hold_traffic: request:1s, rate: 1/s", "{connections: [0]}", False),
        ("profile: 1k@1s", "{rate: [1/s]}", False),
        ("rate: 1/s, lifetime: 1 s", "{lifetime: [1 s]}", False),
        ("rate: 1/s", "{timeout: [5 s, 1 s]}", False),
        ("rate: 1/s", "{timeout: [5 s, 4 s], lifetime: [1 s], request_body: [1 KB]}", True),
    ],
)
def test_rules_look_at_what_varies(words: str, vary: str, is_fine: bool) -> None:
    rest = f"vary: {vary}\norigin: {{delay: 2 s}}\n" if "timeout" in vary else f"vary: {vary}\n"
    if is_fine:
        assert load(words, rest)
    else:
        assert refusal(words, rest)
