"""Plans with the options of ``seatrial load``, run for real: what they ask for is what reaches the origin."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from tests.support.kept import assert_kept_as_made
from tests.support.runs import Bench, results, trials
from tests.support.systems import require

from seatrial.systems.registry import LOCAL

if TYPE_CHECKING:
    from pathlib import Path

PLAN = """
name: options
systems: [direct, envoy, nginx]
load:
  active: 4
  connections: 3
  resolution: 10 ms
{load}
phases: {{stable_for: 0 s, warmup: 0 s, measure: 1 s, cooldown: 5 s}}
repeat: 1
retry: 0
"""
SENT = 200
LIMIT_S = 90
LIMIT_BELOW_THE_INTERVAL_S = 50


def run(directory: Path, load: str, rest: str = "") -> dict[str, dict[str, Any]]:
    """Run the plan; return the trial of each system, having held its counts against the system's and the origin's."""
    bench = Bench(directory)
    plan = directory / "plan.yaml"
    plan.write_text(PLAN.format(load=load) + rest)
    bench.start(plan).wait(LIMIT_S)
    seen = trials(results(bench.run_directory()))
    assert set(seen) == {"direct", "envoy", "nginx"}
    assert_kept_as_made(bench.run_directory(), {1, 2, 3})
    for trial in seen.values():
        assert "system.counts" not in {reason["code"] for reason in trial["validity"]["reasons"]}, trial
        assert trial["load"]["requests"]["completed"] == trial["load"]["requests"]["sent"]
    return seen


@pytest.mark.parametrize(("version", "resumption"), [("1.3", "false"), ("1.2", "true")])
def test_clients_speak_tls_to_what_stands_in_front(tmp_path: Path, version: str, resumption: str) -> None:
    tls = f"{{version: {version}, sni: shop.example, resumption: {resumption}}}"
    seen = run(tmp_path, f"  rate: 200/s\n  requests_per_connection: 25\n  tls: {tls}")
    for trial in seen.values():
        load = trial["load"]
        assert load["url"].startswith("https://")
        assert load["requests"]["completed"] == SENT
        assert load["errors"] == {}
        # Each active connection is opened anew after 25 answers.
        assert load["tls"]["handshakes"] >= 3 + 4 + SENT // 25 - 4
        assert set(load["tls"]["versions"]) == {version}
        assert bool(load["tls"]["resumed"]) == (resumption == "true")


def test_a_mixture_a_profile_and_a_body_reach_the_origin(tmp_path: Path) -> None:
    seen = run(
        tmp_path,
        "  profile: [100@500ms, 300@500ms]\n  host: [a.example 3, b.example]\n  path: /x/{1..2}\n"
        "  method: POST\n  request_body: 1 KB\n  expect_status: [200]\n  expect_header: {Content-Length: 600}",
    )
    for trial in seen.values():
        load = trial["load"]
        assert load["requests"]["completed"] == SENT
        assert load["rate_per_s"]["requested"] == 200
        assert load["answers"]["unexpected"] == 0
        routes = {route["route"]: route["sent"] for route in load["routes"]}
        assert set(routes) == {f"{host}.example /x/{item}" for host in "ab" for item in (1, 2)}
        assert routes["a.example /x/1"] == pytest.approx(3 * routes["b.example /x/1"], abs=6)
        assert load["bytes"]["sent"] > SENT * 1_000


@pytest.mark.parametrize("traffic", ["request:100ms", "slow-read:100ms:50", "slow-send:100ms"])
def test_what_idle_connections_send_is_in_the_counts_of_every_side(tmp_path: Path, traffic: str) -> None:
    seen = run(tmp_path, f"  rate: 200/s\n  hold_traffic: {traffic}")
    for trial in seen.values():
        assert (trial["load"]["connections"]["held_requests"] > 0) == (not traffic.startswith("slow-send"))


def test_answers_that_a_proxy_gives_by_itself_are_failures_of_the_system(tmp_path: Path) -> None:
    seen = run(tmp_path, "  rate: 200/s\n  method: CONNECT", "objectives: [unexpected == 0]")
    for system in ("envoy", "nginx"):
        trial = seen[system]
        assert trial["load"]["answers"]["unexpected"] == SENT
        assert trial["counts"]["origin_requests"] == 0


def test_an_origin_answers_every_method_whatever_the_size_of_its_body(tmp_path: Path) -> None:
    seen = run(
        tmp_path, "  rate: 50/s\n  method: POST\n  request_body: 1 KB", "origin: {kind: nginx, body: 100 KB}"
    )
    for trial in seen.values():
        assert trial["load"]["status"] == {"200": 50}
        assert trial["load"]["bytes"]["received"] > 50 * 100_000


def test_a_trial_does_not_wait_for_an_interval(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    plan = tmp_path / "plan.yaml"
    words = PLAN.format(load="  rate: 200/s\n  interval: 60 s").replace("stable_for: 0 s", "stable_for: 1 s")
    plan.write_text(words.replace("[direct, envoy, nginx]", "[direct]"))
    bench.start(plan).wait(LIMIT_BELOW_THE_INTERVAL_S)
    (trial,) = trials(results(bench.run_directory())).values()
    assert trial["load"]["requests"]["completed"] == SENT


@pytest.mark.parametrize("kind", LOCAL)
def test_every_kind_counts_what_comes_and_goes_to_the_last_request(tmp_path: Path, kind: str) -> None:
    """Connections that are closed before they sent anything, others that are opened anew all the time, and TLS."""
    require(kind)
    words = "  rate: 200/s\n  connections: 50\n  requests_per_connection: 7\n  tls: true"
    plan = PLAN.format(load=words).replace("\n  connections: 3\n", "\n")
    bench = Bench(tmp_path)
    path = tmp_path / "plan.yaml"
    path.write_text(plan.replace("[direct, envoy, nginx]", f"[{kind}]"))
    bench.start(path).wait(LIMIT_S)
    (trial,) = trials(results(bench.run_directory())).values()
    counts = trial["counts"]
    assert trial["load"]["requests"]["completed"] == SENT
    assert {count for count in counts.values() if count is not None} == {SENT}, counts
    assert kind == "direct" or counts["system_requests"] == SENT
