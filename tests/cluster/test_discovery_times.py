"""The times of a discovery, held against a discoverer that replicates at set moments and keeps a journal of its own."""

from __future__ import annotations

import json
import sqlite3
import sys
from collections import defaultdict
from contextlib import closing
from pathlib import Path
from statistics import median
from typing import Any

import pytest
from tests.support.api_server import ApiServer
from tests.support.program import Running
from tests.support.runs import Bench, results

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(200)]

AFTER_S = 0.4
# A busy machine may keep the program that looks from looking for so long, and no look of its own need fall into that.
BUSY_S = 0.5
PLAN = """
name: set-moments
systems:
  - discoverer:
      command: [{python}, -m, tests.support.discoverers, moments, --from, http, --source-url, "{{url}}",
        --into, "{{into}}", --backend, "{{backend}}", --metrics, "127.0.0.1:{{metrics_port}}",
        --after, 400ms, --journal, {journal}]
      environment: {{PYTHONPATH: "{path}"}}
      sources: [http]
      period: 1 s
discovery: {{source: http, services: 24, namespaces: 4, samples: 6, idle_periods: 1, settle: 10 s}}
phases: {{stable_for: 0 s, warmup: 0 s, measure: 40 s, cooldown: 5 s}}
repeat: 1
retry: 0
objectives: [not_discovered == 0, idle_writes == 0]
"""


@pytest.fixture(scope="module")
def run(server: ApiServer, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the directory of a run."""
    bench = Bench(tmp_path_factory.mktemp("moments"))
    plan = bench.directory / "plan.yaml"
    path = ":".join(word for word in sys.path if word)
    journal = bench.directory / "journal"
    plan.write_text(PLAN.format(python=sys.executable, journal=journal, path=path))
    where = {"KUBECONFIG": str(server.kubeconfig)}
    with Running("run", str(plan), directory=bench.directory, environment=where) as running:
        outcome = running.wait(150)
    # A busy machine may have kept it from a verdict; what was seen holds all the same.
    assert outcome.code in {0, 3}, outcome
    return bench.run_directory()


def journal_of(run: Path) -> dict[tuple[str, str], list[dict[str, Any]]]:
    """Return the writes of each service by its namespace and name, in order."""
    found: defaultdict[tuple[str, str], list[dict[str, Any]]] = defaultdict(list)
    for line in (run.parents[1] / "journal").read_text().splitlines():
        write = json.loads(line)
        found[write["namespace"], write["name"]].append(write)
    return found


def seen_in(run: Path) -> list[dict[str, Any]]:
    """Return every change, with when it was visible at the source and when it was seen at the destination."""
    statement = (
        "SELECT a.subject, a.change, a.at_s AS visible_s, b.at_s AS seen_s, b.after_s FROM milestones a"
        " JOIN milestones b USING (subject, generation) WHERE a.milestone = 'asked' AND b.milestone = 'replicated'"
    )
    with closing(sqlite3.connect(run / "record.db")) as connection:
        connection.row_factory = sqlite3.Row
        return [dict(row) for row in connection.execute(statement)]


def test_every_change_is_seen_just_after_the_write_that_made_it(run: Path) -> None:
    (trial,) = results(run)["cases"][0]["trials"]
    lag_s = trial["discovery"]["lag_s_max"]
    writes, seen = journal_of(run), seen_in(run)
    assert len(seen) == 24 + 3 * 6
    late = []
    for one in seen:
        own = [
            write
            for write in writes[tuple(one["subject"].split("/"))]
            if write["sent_ns"] / 1e9 <= one["seen_s"]
        ]
        last = max(own, key=lambda write: write["sent_ns"])
        # Nobody sees a write before it was made.
        assert last["sent_ns"] / 1e9 >= one["visible_s"]
        late.append(one["seen_s"] - last["sent_ns"] / 1e9)
        assert late[-1] <= (last["answered_ns"] - last["sent_ns"]) / 1e9 + lag_s + BUSY_S, one
    # As late as a write of Seatrial's own is seen, which is what the report says of it.
    assert median(late) <= 3 * trial["discovery"]["lag_s_p50"] + 0.02


def test_the_times_that_are_reported_are_the_set_one_and_no_more_than_the_lag(run: Path) -> None:
    (trial,) = results(run)["cases"][0]["trials"]
    steps = {step["step"]: step for step in trial["discovery"]["steps"]}
    by_change: defaultdict[str, list[float]] = defaultdict(list)
    for one in seen_in(run):
        by_change[one["change"]].append(round(one["seen_s"] - one["visible_s"], 6))
    for change in ("new", "update", "delete"):
        times = steps[change]["times_s"]
        assert times == pytest.approx(sorted(by_change[change]), abs=2e-6)
        assert len(times) == steps[change]["asked"] == 6
        assert steps[change]["missing"] == 0
        # It begins to write at the set moment, and not before.
        assert min(times) >= AFTER_S
        assert median(times) <= AFTER_S + trial["discovery"]["lag_s_p50"] + 0.2
    assert steps["all"]["asked"] == len(steps["all"]["times_s"]) == 24
    assert steps["idle"]["writes"] == steps["idle"]["changed"] == 0
