"""The command that `plan show` prints drives the very load of the case."""

from __future__ import annotations

import shlex
from dataclasses import replace
from typing import Any

import pytest

from seatrial.cli.load import load as load_command_of_the_shell
from seatrial.machine.address import Address
from seatrial.plan.cases import compile_cases
from seatrial.plan.read import parse_plan
from seatrial.plan.shown.command import load_command
from seatrial.run.case_load import load_spec
from seatrial.workload.spec import LoadSpec
from seatrial.workload.words.options import LoadOptions

PLAN = """
name: shown
systems: [direct]
{rest}
phases: {{stable_for: {stable}, warmup: 1 min 30 s, measure: 10 s}}
"""
ADDRESS = Address("127.0.0.1", 8080)
# What the command says of its files and of what it prints is no part of the load.
OUTPUTS = ("json_target", "hdr_log", "csv", "latency", "quiet")


def spec_of(command: str) -> LoadSpec:
    words = shlex.split(command)
    assert words[:2] == ["seatrial", "load"]
    context = load_command_of_the_shell.make_context("load", words[2:])
    options: dict[str, Any] = {name: value for name, value in context.params.items() if name not in OUTPUTS}
    return LoadOptions(**options).spec()


def comparable(spec: LoadSpec) -> LoadSpec:
    """A plan's statuses are judged from what workers count, a command has the workers look; its URL has a name."""
    return replace(spec, expect=None, expected_status=spec.status_expected, authority=None)


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
        "vary: {connections: [10, 20], rate: [1k/s, 1500/s, 0.5/s]}",
    ],
)
@pytest.mark.parametrize("stable", ["0 s", "10 s"])
def test_the_command_of_a_case_is_its_load(rest: str, stable: str) -> None:
    for case in compile_cases(parse_plan(PLAN.format(rest=rest, stable=stable), "shown.yaml")):
        own = load_spec(case, [ADDRESS], 1)
        assert comparable(spec_of(load_command(case, str(ADDRESS)))) == comparable(own)
