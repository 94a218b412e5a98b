"""Sanity cells of the real program before a real Envoy: the kernel is the judge of what is counted."""

from __future__ import annotations

import json
import socket
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from tests.support.program import wait_until
from tests.support.runs import START_LIMIT_S, Bench, results

from seatrial.errors import ExitCode, RecordError
from seatrial.machine import sockets
from seatrial.record.reader import RunReader

pytestmark = pytest.mark.slow

END_LIMIT_S = 120.0
HELD = 40
PLAN = f"""
name: sane
systems: [envoy]
load: {{rate: 100/s, active: 5, connections: {HELD}, connect_rate: 1k/s, timeout: 1 s, resolution: 10 ms}}
phases: {{stable_for: 0 s, warmup: 0 s, measure: 3 s, cooldown: 5 s}}
repeat: 1
retry: 0
sanity: {{p99: 5 s}}
"""


def measures(run: Path, case_id: str) -> int | None:
    """Return the number of this case's trial where it is in its measure phase."""
    with suppress(RecordError), RunReader.open(run) as reader:
        for trial in reader.trials():
            if trial.case_id == case_id and any(
                phase.name == "measure" for phase in reader.phases(trial.trial)
            ):
                return trial.trial
    return None


def ports(run: Path, trial: int) -> tuple[int, tuple[str, int]]:
    """Return the port on which Envoy listens, and where the origin does."""
    (config,) = run.glob(f"configs/{trial:04d}-envoy/envoy.json")
    resources = json.loads(config.read_text())["static_resources"]
    listens = resources["listeners"][0]["address"]["socket_address"]["port_value"]
    endpoint: dict[str, Any] = resources["clusters"][0]["load_assignment"]["endpoints"][0]["lb_endpoints"][0]
    origin = endpoint["endpoint"]["address"]["socket_address"]
    return listens, (origin["address"], origin["port_value"])


@pytest.mark.parametrize("intruder", [False, True])
def test_idle_connections_are_counted_and_none_goes_on_to_the_origin(tmp_path: Path, intruder: bool) -> None:
    bench = Bench(tmp_path)
    plan = tmp_path / "plan.yaml"
    plan.write_text(PLAN)
    with bench.start(plan) as running:
        run = bench.run_directory()
        assert wait_until(lambda: measures(run, "sanity-idle-envoy"), START_LIMIT_S)
        number = measures(run, "sanity-idle-envoy")
        assert number is not None
        listens, origin = ports(run, number)
        assert sockets.count_established(listens) == HELD
        assert sockets.count_established(origin[1]) == 0
        if intruder:
            socket.create_connection(origin).close()
        outcome = running.wait(END_LIMIT_S)
    document = results(run)
    rate, idle = document["sanity"]
    with RunReader.open(run) as reader:
        assert [trial.case_id for trial in reader.trials()][:2] == ["sanity-rate-envoy", "sanity-idle-envoy"]
        trial = reader.trial(number)
        assert trial is not None
        assert trial.facts.origin_connections == intruder
        looks = [sample.values for sample in reader.system_samples(number)]
    assert max(look["connections_active"] for look in looks) == HELD
    assert {look["upstream_connections"] for look in looks} == {0}
    assert rate["trials"][0]["load"]["requests"]["intended"] == 300
    assert idle["trials"][0]["load"]["requests"]["intended"] == 0
    assert (outcome.code, idle["text"] in outcome.stdout) == (document["run"]["exit_code"], True)
    # On a machine that others keep busy nobody knows; with somebody else at the origin it must not pass even so.
    if not intruder:
        assert idle["outcome"] in {"passed", "doubted"}
        assert document["run"]["trials_begun"] == 1
    elif idle["outcome"] == "failed":
        assert "`connections at the origin == 0` does not hold: 1" in idle["text"]
        assert (outcome.code, document["run"]["state"]) == (ExitCode.OBJECTIVE_FAILED, "stopped")
        assert document["run"]["trials_begun"] == 0
    else:
        assert (idle["outcome"], outcome.code) == ("doubted", ExitCode.INVALID_MEASUREMENT)
