"""Asking a Prometheus: what is no answer in words, secrets, clocks, and which scrape interval a query has."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from seatrial.errors import EnvironmentFault, PlanError, SeatrialError
from seatrial.observe.prometheus.ask import observed as ask_about
from seatrial.observe.prometheus.ask import step_of
from seatrial.observe.prometheus.client import ANSWER_LIMIT_BYTES, Access, Answer, Prometheus
from seatrial.observe.prometheus.intervals import interval_of, seconds_of, selectors
from seatrial.plan.model.observe import ObservePlan, PrometheusPlan, QueryPlan
from seatrial.plan.read import parse_plan
from seatrial.run.observed.access import access_of
from seatrial.run.observed.check import observed_or_refused

PLAN = """
name: observed
systems: [nginx]
load: {rate: 100/s}
phases: {measure: 10 s}
observe: {prometheus: 'http://127.0.0.1:1', queries: {a: up}}
"""


@pytest.mark.parametrize(
    ("query", "found"),
    [
        (
            'sum by (job) (rate(a_total{code=~"b.."}[5m])) / on(c) group_left(d) e',
            ('a_total{code=~"b.."}', "e"),
        ),
        ('label_replace(up{x="}[5m] by (y) z{"}, "x", "$1", "y", "foo.*")', ('up{x="}[5m] by (y) z{"}',)),
        ("histogram_quantile(0.99, sum(rate(b_bucket[1m])) BY (le))", ("b_bucket",)),
        ('{__name__="foo", x="y"} offset 5m', ('{__name__="foo", x="y"}',)),
        ("max_over_time(rate(a[1m])[5m:1s]) > bool 1e5 or a", ("a",)),
        ("topk(3, x) unless y @ end()", ("x", "y")),
        ("vector(1) + time()", ()),
    ],
)
def test_what_promql_selects_is_found(query: str, found: tuple[str, ...]) -> None:
    assert selectors(query) == found


def test_durations_are_read_as_prometheus_writes_them() -> None:
    assert [seconds_of(text) for text in ("15s", "1m30s", "500ms", "1h")] == [15, 90, 0.5, 3600]
    with pytest.raises(ValueError, match="no duration"):
        seconds_of("15 s")


@contextmanager
def answering(status: int, body: bytes, *, to: str | None = None, **headers: str) -> Iterator[str]:
    """Serve one answer to whatever is asked; 401 where others ask than ``to``, by their header."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            is_let_in = to is None or self.headers.get("Authorization") == to
            self.send_response(status if is_let_in else 401)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            with suppress(OSError):
                self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        serving = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        serving.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        serving.join()


def asked(url: str) -> tuple[object, tuple[str, ...]]:
    async def ask() -> tuple[object, tuple[str, ...]]:
        async with Prometheus(Access(url, 5.0)) as client:
            answer = await client.instant("up")
            return answer.data, answer.warnings

    return asyncio.run(ask())


@pytest.mark.parametrize(
    ("status", "body", "headers", "kind", "said"),
    [
        (302, b"", {"Location": "http://elsewhere/login?token=x"}, EnvironmentFault, "sends elsewhere, to http://elsewhere/login"),
        (404, b"<html>", {}, EnvironmentFault, "answers 404 to /api/v1/query"),
        (403, b"no", {}, EnvironmentFault, "lets nobody in so (403)"),
        (503, b"busy", {}, EnvironmentFault, "answers 503"),
        (200, b"hello", {}, EnvironmentFault, "not as Prometheus does"),
        (200, b'{"status":"success","data":{"result":[7],"resultType":"vector"}}', {}, EnvironmentFault, "and not as"),
        (200, b'{"status":"success","data":[]}', {}, EnvironmentFault, "and not as"),
        (422, b'{"status":"error","errorType":"execution","error":"many-to-many"}', {}, PlanError, "many-to-many"),
        (503, b'{"status":"error","errorType":"timeout","error":"took long"}', {}, EnvironmentFault, "took long"),
        (200, b" " * (ANSWER_LIMIT_BYTES + 1), {}, PlanError, "more than 64 MiB"),
    ],
)  # fmt: skip
def test_what_is_no_answer_is_said_in_words(
    status: int, body: bytes, headers: dict[str, str], kind: type[SeatrialError], said: str
) -> None:
    with answering(status, body, **headers) as url, pytest.raises(kind) as raised:
        asked(url)
    assert said in str(raised.value)
    assert "token" not in str(raised.value)


def test_warnings_of_prometheus_are_passed_on() -> None:
    nothing = {"result": [], "resultType": "vector"}
    body = {"status": "success", "data": nothing, "warnings": ["half a store"], "infos": ["odd name"]}
    with answering(200, json.dumps(body).encode()) as url:
        assert asked(url) == (nothing, ("half a store", "odd name"))


def test_a_token_comes_from_a_file_or_the_environment_and_is_in_nothing_that_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    body = b'{"status":"success","data":{"result":[1,"1"],"resultType":"scalar"}}'
    (tmp_path / "token").write_text("s3sam\n")
    (tmp_path / "two lines").write_text("a\nb")
    monkeypatch.setenv("TOKEN_OF_TEST", "s3sam")
    with answering(200, body, to="Bearer s3sam") as url:
        for key, value in (("bearer_token_file", tmp_path / "token"), ("bearer_token_env", "TOKEN_OF_TEST")):
            access = access_of(PrometheusPlan.model_validate({"url": url, key: str(value)}))
            assert "s3sam" not in repr(access)

            async def ask(access: Access = access) -> object:
                async with Prometheus(access) as client:
                    return (await client.instant("1")).data

            assert asyncio.run(ask()) == {"result": [1, "1"], "resultType": "scalar"}
        with pytest.raises(EnvironmentFault, match="lets nobody in so"):
            asked(url)
    for file, said in (("absent", "No such file"), ("two lines", "several lines")):
        with pytest.raises(EnvironmentFault) as raised:
            access_of(PrometheusPlan(url=url, bearer_token_file=str(tmp_path / file)))
        assert said in str(raised.value.cause)


class FakePrometheus:
    """Answers as one whose clock is ``ahead_s`` ahead, and that scrapes nothing that it says anything of."""

    def __init__(self, ahead_s: float = 0.0, pairs: int = 0, config: object = None) -> None:
        self.ahead_s = ahead_s
        self.pairs = [{"metric": {"job": "x", "instance": str(n)}, "value": [0, "1"]} for n in range(pairs)]
        self.config = config
        self.ranges: list[tuple[float, float, float]] = []

    async def instant(self, query: str, at_s: float | None = None) -> Answer:
        if query == "time()":
            now_s = time.time() + self.ahead_s
            return Answer({"resultType": "scalar", "result": [now_s, str(now_s)]})
        return Answer({"resultType": "vector", "result": self.pairs})

    async def range(self, query: str, start_s: float, end_s: float, step_s: float) -> Answer:
        self.ranges.append((start_s, end_s, step_s))
        return Answer({"resultType": "matrix", "result": []})

    async def read(self, path: str, **parameters: str) -> object:
        return self.config if path == "status/config" else None


def test_the_phase_is_put_onto_the_clock_of_prometheus() -> None:
    client: Any = FakePrometheus(ahead_s=3_600.0)
    query = QueryPlan(name="a", query="up", step_s=2.0)
    (one,) = asyncio.run(ask_about(client, (query,), {}, (1_000.0, 1_007.0)))
    assert one.clock_ahead_s == pytest.approx(3_600.0, abs=1.0)
    assert one.start_s == pytest.approx(4_600.0, abs=1.0)
    assert one.end_s == pytest.approx(4_607.0, abs=1.0)
    # The last moment is the end, and the first is a step after the begin or later: 7 s have 3 steps of 2 s.
    assert (one.moments, one.step_s) == (3, 2.0)
    assert client.ranges == [(pytest.approx(one.end_s - 4.0), one.end_s, 2.0)]


@pytest.mark.parametrize(
    ("client", "query", "seconds", "is_known", "said"),
    [
        (FakePrometheus(), "up", 1.0, False, "there is no such series"),
        (FakePrometheus(), "vector(1)", 1.0, False, "it reads no series"),
        (FakePrometheus(pairs=2), "up", 60.0, False, "Prometheus does not say"),
        (
            FakePrometheus(pairs=2, config={"yaml": "global: {scrape_interval: 15s}"}),
            "up",
            15.0,
            True,
            "default",
        ),
        (FakePrometheus(pairs=2, config={"yaml": "global: [1]"}), "up", 60.0, False, "does not say"),
    ],
)
def test_where_no_target_is_known_the_interval_is_the_servers_or_the_plans(
    client: Any, query: str, seconds: float, is_known: bool, said: str
) -> None:
    found = asyncio.run(interval_of(client, query, 1_000.0, 10.0))
    assert (found.seconds, found.is_known, found.targets) == (seconds, is_known, frozenset())
    assert said in found.text
    assert step_of(QueryPlan(name="a", query=query, step_s=5.0), found) == (
        max(5.0, seconds) if is_known else 5.0
    )


def test_nobody_there_refuses_a_plan_that_observes_and_no_other() -> None:
    plan = parse_plan(PLAN, "a.yaml")
    (finding,) = asyncio.run(observed_or_refused(plan, ()))
    assert (finding.severity, "is not reached (Connection refused)" in finding.text) == ("refuse", True)
    assert asyncio.run(observed_or_refused(plan.model_copy(update={"observe": ObservePlan()}), ())) == ()
