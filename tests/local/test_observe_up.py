"""``seatrial observe up`` and ``down``: a real Prometheus that follows real runs, and is always found again."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlencode
from urllib.request import urlopen

import pytest
from tests.support.program import TRACEBACK, Outcome, Running, run_seatrial, wait_until
from tests.support.prometheus import program

from seatrial.errors import ExitCode
from seatrial.machine import proc
from seatrial.record.amend import amend
from seatrial.record.lock import RunLock
from seatrial.run.observer.targets import FOLLOWED, follow

PLAN = """
name: followed
systems: [envoy]
load: {{rate: 100/s, active: 5, timeout: 1 s, resolution: 10 ms}}
# What appears in its files Prometheus looks at every five seconds.
phases: {{stable_for: 0 s, warmup: 7 s, measure: 3 s, cooldown: 5 s}}
repeat: 1
retry: 0
capacity: never
observe:
  prometheus: {url}
  queries:
    requests: envoy_http_downstream_rq_total{{envoy_http_conn_manager_prefix="ingress",system="$system",run="$run"}}
"""


@dataclass(frozen=True, slots=True)
class Up:
    """What is up."""

    runs: Path
    document: list[dict[str, Any]]

    @property
    def url(self) -> str:
        found: str = self.document[0]["url"]
        return found

    @property
    def run(self) -> Path:
        return Path(self.document[0]["run"])

    def living(self) -> list[int]:
        return [
            one["pid"] for one in self.document if proc.started_ticks(one["pid"]) and is_alive(one["pid"])
        ]

    def query(self, query: str, **more: Any) -> list[dict[str, Any]]:
        with urlopen(f"{self.url}/api/v1/query?{urlencode({'query': query, **more})}", timeout=20) as answer:
            result: list[dict[str, Any]] = json.load(answer)["data"]["result"]
        return result


def is_alive(pid: int) -> bool:
    return proc.is_alive(pid, proc.started_ticks(pid) or 0)


def told(*arguments: str) -> Outcome:
    # It is to leave processes behind.
    with Running(*arguments) as running:
        return running.wait(60)


@contextmanager
def observing(runs: Path, *flags: str) -> Iterator[Up]:
    """Have one up; whatever becomes of the test, none is left."""
    program("prometheus")
    outcome = told("observe", "up", *flags, "--port", "0", "--runs", str(runs), "--json", "-")
    assert outcome.code == 0, outcome
    up = Up(runs, outcome.document["up"])
    try:
        yield up
    finally:
        for one in up.document:
            if is_alive(one["pid"]):
                os.kill(one["pid"], signal.SIGKILL)


def test_it_scrapes_the_proxies_of_a_run_while_they_stand_and_its_data_outlives_it(tmp_path: Path) -> None:
    runs = tmp_path / "runs"
    with observing(runs) as up:
        again = told("observe", "up", "--port", "0", "--runs", str(runs))
        assert (again.code, "a Prometheus is up for these runs" in again.stderr) == (
            ExitCode.ENVIRONMENT,
            True,
        )
        assert len(list(runs.glob("*-observe"))) == 1, "and no directory for another"
        plan = tmp_path / "plan.yaml"
        plan.write_text(PLAN.format(url=up.url))
        outcome = run_seatrial("run", str(plan), "--runs", str(runs), "--json", "-", limit_s=90)
        assert outcome.code in {ExitCode.PASS, ExitCode.INVALID_MEASUREMENT}, outcome
        (trial,) = outcome.document["cases"][0]["trials"]
        (requests,) = trial["observed"]
        (series,) = requests["series"]
        labels = {
            name: series["labels"][name] for name in ("job", "system", "kind", "member", "trial", "case")
        }
        assert labels == {
            "job": "proxy", "system": "envoy", "kind": "envoy", "member": "envoy", "trial": "1", "case": "envoy",
        }  # fmt: skip
        # Envoy counted the warm-up, too, and who asked before the load whether its route is there.
        assert 700 * 0.5 < series["last"] <= trial["counts"]["system_requests"] + 10
        assert series["last"] - series["first"] == pytest.approx(
            100 * requests["step_s"] * (requests["moments"] - 1), rel=0.5
        )
        # Once the trial is over, nobody asks where nobody answers.
        assert wait_until(lambda: not up.query('up{job="proxy"}'), 30)
        seen_s = requests["end_s"]
        ended = told("observe", "down", "--runs", str(runs), "--json", "-")
        assert [one["name"] for one in ended.document["down"]][-1:] == ["node exporter"] or len(
            up.document
        ) == 1
        assert (up.living(), (runs / FOLLOWED).exists()) == ([], False)
        assert told("observe", "down", "--runs", str(runs)).stdout == "nothing is up\n"
    with observing(runs, str(up.run)) as later:
        assert later.run == up.run
        found = later.query("max(envoy_http_downstream_rq_total)", time=seen_s)
        assert float(found[0]["value"][1]) >= series["last"]
        told("observe", "down", str(up.run))
        assert later.living() == []
    assert run_seatrial("clean", "--runs", str(runs)).stdout == "nothing left\n"


def test_the_machine_is_scraped_where_there_is_a_node_exporter(tmp_path: Path) -> None:
    program("prometheus-node-exporter")
    with observing(tmp_path, "--interval", "500ms", "--metrics", "127.0.0.1:1") as up:
        assert [one["name"] for one in up.document] == ["prometheus", "node exporter"]
        assert wait_until(lambda: up.query("node_time_seconds"), 30)
        found = float(up.query("node_time_seconds")[0]["value"][1])
        assert found == pytest.approx(time.time(), abs=60)
        # Nothing shows itself there, and that is seen.
        assert wait_until(lambda: up.query('up{job="seatrial"}'), 30)
        assert up.query('up{job="seatrial"}')[0]["value"][1] == "0"
        told("observe", "down", "--runs", str(tmp_path))
        assert up.living() == []


@pytest.mark.parametrize("is_cut", [False, True], ids=["written down", "cut off between the two"])
def test_clean_ends_it_also_where_its_start_was_cut_off(tmp_path: Path, is_cut: bool) -> None:
    with observing(tmp_path, "--no-machine") as up:
        if is_cut:
            # As kill -9 leaves it after the start and before the id is written down.
            amend(up.run, "UPDATE changes SET undone_utc = NULL")
            amend(up.run, "DELETE FROM changes WHERE json_extract(detail, '$.pid') IS NOT NULL")
        outcome = run_seatrial("clean", "--runs", str(tmp_path))
        pid = up.document[0]["pid"]
        assert outcome.stdout == f"ended prometheus (process {pid}) of {up.run}\n"
        assert up.living() == []
    assert run_seatrial("clean", "--runs", str(tmp_path)).stdout == "nothing left\n"


def test_a_port_that_is_taken_leaves_nothing(tmp_path: Path) -> None:
    program("prometheus")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        outcome = run_seatrial("observe", "up", "--port", str(port), "--runs", str(tmp_path / "runs"))
    assert outcome.code == ExitCode.ENVIRONMENT
    assert f"cannot listen on 127.0.0.1:{port}" in outcome.stderr
    assert not (tmp_path / "runs").exists()


def test_what_prometheus_would_not_start_with_is_refused_in_words(
    invoke: Callable[..., Outcome], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for flags, said in (
        (("--interval", "1 s"), "is no duration"),
        (("--interval", "0s"), "is no duration"),
        (("--metrics=9464",), "is no address"),
    ):
        outcome = invoke("observe", "up", "--runs", str(tmp_path), *flags)
        assert (outcome.code, said in outcome.stderr) == (ExitCode.BAD_INPUT, True), outcome
    monkeypatch.setattr(shutil, "which", lambda *_, **__: None)
    outcome = invoke("observe", "up", "--runs", str(tmp_path))
    assert outcome.code == ExitCode.ENVIRONMENT
    assert "apt-get install prometheus" in outcome.stderr
    assert TRACEBACK not in outcome.stderr
    assert list(tmp_path.iterdir()) == []


def test_only_runs_that_go_on_are_followed(tmp_path: Path) -> None:
    folder, live, over = (tmp_path / name for name in (FOLLOWED, "live", "over"))
    for each in (folder, live, over):
        each.mkdir()
    lock = RunLock(live)
    follow(folder, live, over)
    follow(folder, live)
    assert [link.name for link in folder.iterdir()] == ["live.json"]
    (live / "targets.json").write_text("[]")
    assert (folder / "live.json").read_text() == "[]"
    lock.release()
    follow(folder)
    assert list(folder.iterdir()) == []
