"""What a plan says of discoverers: which words it may have, what is refused, and the command that comes of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from tests.unit.test_plan_schema import fits, plain

from seatrial.errors import PlanError
from seatrial.machine.address import Address
from seatrial.plan.read import parse_plan
from seatrial.plan.shown.schema import json_schema, options_schema
from seatrial.plan.yaml.problems import PlanFileError
from seatrial.plan.yaml.yaml12 import read_yaml
from seatrial.schema.quantities import FROM_YAML
from seatrial.systems.discovering import QueueNames, Wiring
from seatrial.systems.registry import DISCOVERERS, LOCAL, SYSTEMS, is_discoverer, is_proxy

METRICS = Address("127.0.0.1", 9999)
INTO = Path("/run/into")
CLOUD = Wiring(
    "openstack",
    {
        "OS_AUTH_URL": "http://cloud/v3",
        "OS_USERNAME": "admin",
        "OS_PASSWORD": "hidden",
        "OS_PROJECT_NAME": "all",
    },
    INTO,
    "cloud-1",
)
CLUSTER = Wiring("kubernetes", {"kubeconfig": "/run/source"}, INTO)
PAGE = Wiring("http", {"url": "http://list/services"}, INTO)
ANY = "{command: [/bin/sh], %s}"


def options(kind: str, given: str = "{}") -> Any:
    """Return the options that a plan's reader makes of these words."""
    values = _frozen(plain(read_yaml(given)[0]))
    return SYSTEMS[kind].model_validate(values, context=FROM_YAML, by_alias=True, by_name=False)


def _frozen(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _frozen(item) for key, item in value.items()}
    return tuple(map(_frozen, value)) if isinstance(value, list) else value


def refusal(system: str) -> str:
    """Return what a plan with this system is refused with."""
    with pytest.raises(PlanFileError) as refused:
        parse_plan(
            f"name: a\nphases: {{measure: 1 s}}\nload: {{connections: 1}}\nsystems: [{system}]\n", "a.yaml"
        )
    return str(refused.value)


def flags(kind: str, wiring: Wiring, given: str = "{}", folder: Path = INTO) -> dict[str, str]:
    """Return the flags that a program gets, by their names."""
    arguments = options(kind, given).invocation(wiring, METRICS, folder).arguments
    return dict(word.removeprefix("--").split("=", 1) for word in arguments)


def test_a_discoverer_is_neither_a_proxy_nor_the_baseline() -> None:
    assert {kind for kind in SYSTEMS if is_discoverer(kind)} == set(DISCOVERERS)
    assert {kind: is_proxy(kind) for kind in ("nginx", "contour", "direct", "a-kind-of-tomorrow")} == {
        "nginx": True,
        "contour": True,
        "direct": False,
        "a-kind-of-tomorrow": True,
    }
    assert not any(is_proxy(kind) for kind in DISCOVERERS)
    assert all(of.discovers == (kind in DISCOVERERS) for kind, of in SYSTEMS.items())
    # Started on this machine, but no proxy that a test of all proxies would take.
    assert not set(DISCOVERERS) & set(LOCAL)


@pytest.mark.parametrize(
    ("system", "why"),
    [
        ("discoverer", "missing key `command`"),
        ("discoverer: {command: []}", "names no program"),
        (
            "discoverer: {command: [/bin/x, '--to={intto}']}",
            "`{intto}` stands for nothing; there are `{into}`",
        ),
        ("discoverer: " + ANY % "environment: {A: '{secret}'}", "`{secret}` stands for nothing"),
        ("discoverer: {command: [/bin/x, '{password}']}", "in the list of processes, for everybody"),
        ("discoverer: " + ANY % "metrics: {}", "`metrics` are read at a port that Seatrial chooses"),
        ("discoverer: " + ANY % "metrics: {dept: x}", "unknown key `dept` in `metrics`"),
        ("discoverer: " + ANY % "sources: []", "it reads nothing"),
        ("discoverer: " + ANY % "sources: [consul]", "`consul` is not one of the words"),
        ("gimbal-openstack: {flags: [debug]}", "`debug` is no flag"),
        ("gimbal-openstack: {flags: [-gimbal-client-qps=9]}", "an option of this system does"),
        ("gimbal-kubernetes: {flags: [--gimbal-kubecfg-file=/x]}", "Seatrial sets it"),
        ("endpointslice-mirroring: {flags: ['--master=http://x']}", "Seatrial sets it"),
        ("gimbal-kubernetes: {reconciliation_period: 1 s}", "unknown key `reconciliation_period`"),
        ("gimbal-openstack: {client_qps: 0}", "`0` is out of range"),
        ("seatrial-discoverer: {period: 1 ms}", "out of range"),
        ("gimbel-openstack", "did you mean `gimbal-openstack`?"),
    ],
)
def test_what_cannot_be_is_refused_in_words(system: str, why: str) -> None:
    assert why in refusal(system)


def test_the_keys_of_a_page_are_named_where_one_is_wrong() -> None:
    said = refusal("discoverer: {command: [x], metrics: {dept: x}}")
    assert "allowed: path, depth, enqueued, done, dropped, retries" in said


def test_what_the_reader_takes_fits_the_schema() -> None:
    text = (
        "name: a\nphases: {measure: 1 s}\nsystems:\n"
        "  - seatrial-discoverer: {qps: 5, period: 1 s}\n"
        "  - gimbal-openstack: {binary: /x, client_qps: 5, flags: [--debug]}\n"
        "  - discoverer: {command: [/x, '{metrics_port}'], metrics: {depth: depth}}\n"
    )
    assert fits(plain(read_yaml(text)[0]), json_schema())
    assert not fits(plain(read_yaml(text.replace("depth: depth", "dept: x"))[0]), json_schema())
    # References would lead nowhere: each kind's schema stands in that of the plan.
    assert "$ref" not in str([options_schema(kind) for kind in DISCOVERERS])


def test_gimbals_own_take_the_flags_of_their_source() -> None:
    given = "{client_qps: 50, client_burst: 60, threads: 7, reconciliation_period: 500 ms}"
    assert flags("gimbal-openstack", CLOUD, given) == {
        "gimbal-kubecfg-file": "/run/into",
        "backend-name": "cloud-1",
        "num-threads": "7",
        "gimbal-client-qps": "50",
        "gimbal-client-burst": "60",
        "prometheus-listen-address": "9999",
        "reconciliation-period": "0.5s",
    }
    of_cloud = options("gimbal-openstack").invocation(CLOUD, METRICS, INTO)
    # Its words for a project are older than those of today's clients.
    assert of_cloud.environment == {"OS_TENANT_NAME": "all"}
    assert of_cloud.queue == QueueNames(depth="gimbal_queuesize")
    of_cluster = flags("gimbal-kubernetes", CLUSTER)
    assert of_cluster["discover-kubecfg-file"] == "/run/source"
    assert of_cluster["resync-interval"] == "1800s"


def test_a_program_that_knows_no_contexts_gets_the_current_one(tmp_path: Path) -> None:
    (tmp_path / "config").write_text("current-context: here\n")
    for context, is_read in (("here", True), ("there", False)):
        wiring = Wiring("kubernetes", {"kubeconfig": str(tmp_path / "config"), "context": context}, INTO)
        if is_read:
            assert flags("gimbal-kubernetes", wiring)["discover-kubecfg-file"] == str(tmp_path / "config")
            continue
        with pytest.raises(PlanError, match="reads the current context of a kubeconfig only") as refused:
            flags("gimbal-kubernetes", wiring)
        assert "--context there" in (refused.value.next_step or "")


def test_flags_of_the_plan_come_last_and_a_name_is_a_path_too() -> None:
    made = options("gimbal-openstack", "{flags: [--debug=true, --http-client-timeout=9s]}")
    assert made.invocation(CLOUD, METRICS, INTO).arguments[-2:] == (
        "--debug=true",
        "--http-client-timeout=9s",
    )


@pytest.mark.parametrize(
    ("wiring", "of_source"),
    [
        (CLOUD, []),
        (PAGE, ["--source-url", "http://list/services"]),
        (CLUSTER, ["--source-kubeconfig", "/run/source"]),
        (
            Wiring("kubernetes", {"kubeconfig": "/s", "context": "b"}, INTO),
            ["--source-kubeconfig", "/s", "--source-context", "b"],
        ),
    ],
    ids=["openstack", "http", "kubernetes", "context"],
)
def test_ours_is_given_its_source_and_no_secret(wiring: Wiring, of_source: list[str]) -> None:
    made = options("seatrial-discoverer", "{period: 250 ms, workers: 4, qps: 9, burst: 8, retries: 0}")
    invocation = made.invocation(wiring, METRICS, INTO)
    words = list(invocation.arguments)
    assert words[: words.index("--from")] == ["-P", "-m", "seatrial", "discoverer"]
    assert words[words.index("--from") :] == [
        *("--from", wiring.kind, "--into", "/run/into", "--backend", wiring.backend, "--period", "0.25s"),
        *("--workers", "4", "--qps", "9", "--burst", "8", "--retries", "0", "--metrics", "127.0.0.1:9999"),
        *of_source,
    ]
    assert "hidden" not in words
    assert invocation.metrics_url == "http://127.0.0.1:9999/metrics"


def test_placeholders_stand_for_what_the_source_has() -> None:
    given = (
        "{command: [/bin/x, '--into={into}', '{backend}/{metrics_port}', '{auth_url} {username} {project}'], "
        "environment: {A: 'p={password}'}, metrics: {path: /m, depth: 'd{a=\"b\"}'}}"
    )
    invocation = options("discoverer", given).invocation(CLOUD, METRICS, INTO)
    assert invocation.arguments == ("--into=/run/into", "cloud-1/9999", "http://cloud/v3 admin all")
    assert invocation.environment == {"A": "p=hidden"}
    assert invocation.metrics_url == "http://127.0.0.1:9999/m"
    assert invocation.queue == QueueNames(depth='d{a="b"}')
    with pytest.raises(PlanError, match=r"is of a source that is openstack, and this one is http"):
        options("discoverer", given).invocation(PAGE, METRICS, INTO)
    of_list = options("discoverer", "{command: [/bin/x, '{url}']}").invocation(PAGE, METRICS, INTO)
    assert (of_list.arguments, of_list.metrics_url) == (("http://list/services",), None)


def test_a_command_that_is_a_link_stays_one(tmp_path: Path) -> None:
    # As the interpreter of a virtual environment is: by the path of what it leads to, it would know no packages.
    link = tmp_path / "discover"
    link.symlink_to("/bin/sh")
    assert options("discoverer", f"{{command: [{link}]}}").program() == link


def test_a_period_is_what_each_kind_calls_it() -> None:
    periods = {
        ("seatrial-discoverer", "{period: 2 s}"): 2.0,
        ("gimbal-openstack", "{}"): 30.0,
        ("gimbal-kubernetes", "{resync_interval: 3 s}"): 3.0,
        ("endpointslice-mirroring", "{period: 1 s, batch_period: 4 s}"): 4.0,
        ("discoverer", "{command: [x], period: 7 s}"): 7.0,
    }
    assert {key: options(*key).create().period_s for key in periods} == periods


def test_the_command_has_every_flag_that_ours_is_given() -> None:
    command = pytest.importorskip(
        "seatrial.cli.discovery.discoverer", reason="the command is not here"
    ).discoverer
    known = {name for parameter in command.params for name in parameter.opts}
    given = {
        word
        for wiring in (CLOUD, PAGE, Wiring("kubernetes", {"kubeconfig": "/s", "context": "b"}, INTO))
        for word in options("seatrial-discoverer").invocation(wiring, METRICS, INTO).arguments[4:]
        if word.startswith("--")
    }
    assert given <= known
    assert {"--source-context", "--source-url", "--burst"} <= given
