"""A plan has every option of ``seatrial load``; the command that ``plan show`` prints drives the load of its case."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Any

import pytest

from seatrial._engine import issue_certificate
from seatrial.cli.load import load as load_command_of_the_shell
from seatrial.machine.address import Endpoint
from seatrial.plan.cases import compile_cases
from seatrial.plan.load_options import load_options
from seatrial.plan.model.load import LoadPlan, TlsPlan
from seatrial.plan.model.variables import VARIABLES
from seatrial.plan.read import parse_plan
from seatrial.plan.shown.command import case_command
from seatrial.schema.fields import model_fields, quantity_of
from seatrial.workload.spec import LoadSpec
from seatrial.workload.words.options import LoadOptions

PLAN = """
name: shown
systems: [direct]
{rest}
phases: {{stable_for: {stable}, warmup: 1 min 30 s, measure: 10 s}}
"""
# What the command says of its files and of what it prints is no part of the load.
OUTPUTS = ("json_target", "hdr_log", "csv", "latency", "quiet", "share_machine")


@pytest.fixture(scope="module")
def ca(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("ca") / "ca.pem"
    file.write_text(issue_certificate(["127.0.0.1"])[0])
    return file


def spec_of(command: str) -> LoadSpec:
    words = shlex.split(command)
    assert words[:2] == ["seatrial", "load"]
    context = load_command_of_the_shell.make_context("load", words[2:])
    options: dict[str, Any] = {name: value for name, value in context.params.items() if name not in OUTPUTS}
    return LoadOptions(**options).spec()


def loads_of(rest: str, ca: Path, stable: str = "0 s") -> list[LoadSpec]:
    """Return the loads of a plan's cases, having compared each with that of its command."""
    loads = []
    for case in compile_cases(parse_plan(PLAN.format(rest=rest, stable=stable), "shown.yaml")):
        endpoint = Endpoint("127.0.0.1", 8080, None if case.load.tls is None else ca)
        loads.append(load_options(case, [endpoint]).spec())
        assert spec_of(case_command(case, str(endpoint), str(ca))) == loads[-1]
    return loads


@pytest.mark.parametrize(
    "rest",
    [
        "load: {rate: 2k/s}",
        "load: {rate: 12345/s, active: 1k, connections: 100k, connect_rate: 333/s, arrival: poisson, timeout: 1.5 s}",
        "load: {loop: closed, active: 7}",
        "load: {connections: 20, active: 0}",
        "load: {rate: 1/s, resolution: fine, workers: 3, sources: [127.0.1.0/30, 127.0.2.1]}",
        "load: {rate: 10/s, resolution: 250 us, method: POST, path: '/a?b=1', host: shop.example, "
        "headers: {Accept: '*/*', X-Quote: \"it's\"}, expect_status: [200, 404]}",
        "load: {profile: [1k@1s, 1k..5k@9 s], host: ['a.example 3', 'b-{1..3}.example'], tls: {version: 1.3}}",
        "vary: {connections: [10, 20], rate: [1k/s, 1500/s, 0.5/s]}",
        "load: {rate: 12345.678/s, timeout: 1.23456789 s, connect_rate: 333.337/s, connections: 1234567}",
        "load: {rate: 5/s}\nvary: {request_body: [0, 1000001 B], lifetime: [1 s, 1.5 s], workers: [1, 2]}",
        "load: {rate: 5/s}\nvary: {requests_per_connection: [1, 7], timeout: [1 ms, 2 s], resolution: [10 us]}",
        "load: {rate: 5/s, hold_traffic: 'slow-read:1s:10'}\nvary: {interval: [10 ms, 1 s], connections: [0, 5]}",
    ],
)
@pytest.mark.parametrize("stable", ["0 s", "10 s"])
def test_the_command_of_a_case_is_its_load(rest: str, stable: str, ca: Path) -> None:
    assert loads_of(rest, ca, stable)


CHANGED = {
    "connections": "7",
    "hold_traffic": "request:10s",
    "rate": "2k/s",
    "profile": "[1k@1s, 2k..3k@2s]",
    "active": "3",
    "connect_rate": "77/s",
    "requests_per_connection": "5",
    "lifetime": "3 s",
    "reuse": "mru",
    "arrival": "poisson",
    "loop": "closed",
    "timeout": "1500 ms",
    "workers": "2",
    "driver": "io_uring",
    "resolution": "fine",
    "spin": "true",
    "interval": "250 ms",
    "sources": "[127.0.0.9]",
    "tls": "true",
    "method": "PUT",
    "path": "'/{a,b}'",
    "host": "[a.example, b.example 2.5]",
    "route_latency": "true",
    "headers": "{Accept: text/html}",
    "request_body": "some words",
    "expect_status": "[204]",
    "expect_header": "{X-Cache: HIT}",
    "expect_body": "'on'",
}


@pytest.mark.parametrize("key", model_fields(LoadPlan))
def test_every_key_of_a_load_changes_the_load(key: str, ca: Path) -> None:
    base = {"rate": "1k/s", "active": "9", "connections": "5"}
    changed = base | {key: CHANGED[key]}
    if key in {"profile", "loop"}:
        del changed["rate"]

    def load(keys: dict[str, str]) -> LoadSpec:
        return loads_of(f"load: {{{', '.join(f'{name}: {value}' for name, value in keys.items())}}}", ca)[0]

    assert load(changed) != load(base)


@pytest.mark.parametrize(
    ("key", "value"),
    {"version": "1.2", "sni": "shop.example", "alpn": "''", "resumption": "false"}.items(),
)
def test_every_key_of_tls_changes_the_load(key: str, value: str, ca: Path) -> None:
    assert key in model_fields(TlsPlan)
    (plain,) = loads_of("load: {rate: 1/s, tls: true}", ca)
    (changed,) = loads_of(f"load: {{rate: 1/s, tls: {{{key}: {value}}}}}", ca)
    assert plain.tls is not None
    assert changed.tls not in {None, plain.tls}


ELSEWHERE = {
    # The trial knows where its system listens and who issued its certificate, and draws a seed of its own.
    "target", "seed", "ca", "insecure", "cert", "key",
    "duration", "stable_for", "warmup",  # Of `phases`.
    "closed",  # `loop: closed`
    "hold",  # `connections`, as the talk counts them; those that carry requests are `active`.
    "header", "body", "source",  # `headers`, `request_body`, `sources`
    "sni", "alpn", "no_resumption",  # Of `tls`.
    *OUTPUTS,
}  # fmt: skip


def test_every_flag_of_the_command_has_its_key() -> None:
    flags = {str(option.name) for option in load_command_of_the_shell.params} - {"url"}
    assert flags - ELSEWHERE == flags & set(model_fields(LoadPlan))
    assert not ELSEWHERE - flags


def test_every_number_is_a_variable() -> None:
    numbers = {name for name, field in model_fields(LoadPlan).items() if quantity_of(field)}
    assert numbers - set(VARIABLES) == {"expect_status"}
