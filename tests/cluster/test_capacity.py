"""What the network between nodes carries, measured by pods; the counters of a node's own interface are the judge."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from pathlib import Path
from typing import Any

import pytest
from tests.support.cluster_runs import ENDS_WITHIN_S, ClusterBench
from tests.support.program import wait_until
from tests.support.runs import Bench

from seatrial.errors import ExitCode
from seatrial.preflight.capacity import DIRECTIONS, Capacity, capacity_text
from seatrial.record.changes import open_changes
from seatrial.record.reader import RunReader
from seatrial.run.capacity.ways import MEASURE_S

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(600)]
LINK_IN_NODE = "eth0"
MORE_AT_MOST = 3.0
"""Beside what is measured of each figure its connections settle for a fifth of that, answers under way still come, and
packets have heads. A figure in bits, or of one way taken for another, is further off."""


@pytest.fixture
def bench(cluster: Any, tmp_path: Path) -> ClusterBench:
    return ClusterBench(cluster, Bench(tmp_path))


def bytes_over_link(bench: ClusterBench) -> dict[str, int]:
    """Return what the kernel has counted at the node of the load: responses come in there, requests leave."""
    network = next(node.namespace.name for node in bench.cluster.nodes if node.role == "load")
    words = ("ip", "-n", network, "-s", "-j", "link", "show", LINK_IN_NODE)
    (link,) = json.loads(subprocess.run(words, check=True, capture_output=True, text=True).stdout)
    return {"responses": link["stats64"]["rx"]["bytes"], "requests": link["stats64"]["tx"]["bytes"]}


def test_a_plan_beyond_what_the_nodes_links_carried_is_refused_and_nothing_is_left(
    bench: ClusterBench,
) -> None:
    plan = bench.plan("direct", **{"body: 600 B": "body: 60 MB", "rate: 100/s": "rate: 10k/s"})
    before = bytes_over_link(bench)
    outcome, document = bench.played(plan)
    after = bytes_over_link(bench)
    assert outcome.code == ExitCode.ENVIRONMENT, outcome
    assert "the network cannot carry what the plan asks for" in outcome.stderr
    assert "10k/s x 60 MB of responses = 600 GB/s; measured " in outcome.stderr
    with RunReader.open(bench.bench.run_directory()) as reader:
        (capacity,) = reader.capacities()
        assert reader.trials() == ()
        node = reader.environment()["load node"]
    assert document["network"] == [capacity.document()]
    assert capacity.way == "load - origin"
    assert_carried(capacity, {name: after[name] - before[name] for name in before})
    # What the probe has read is of that node: of this kernel, and of a pod with ports of its own.
    assert node["kernel"] == os.uname().release
    assert node["sysctls"]["net.ipv4.ip_local_port_range"] == "1024 65535"
    assert "Node of the load: kernel" in (bench.bench.run_directory() / "report.html").read_text()


def assert_carried(capacity: Capacity, over_link: dict[str, int]) -> None:
    for direction in DIRECTIONS:
        figures = [figure for figure in capacity.figures if figure.direction == direction]
        assert [(figure.tool, figure.connections) for figure in figures] == [("seatrial", 1), ("seatrial", 8)]
        carried = sum(figure.bytes_per_s for figure in figures) * MEASURE_S
        # A body of a megabyte has come in each at least.
        assert carried > 2e6
        assert carried <= over_link[direction] <= MORE_AT_MOST * carried, (capacity, over_link)
    assert capacity.requests_per_s > 20
    assert capacity.missing == ("iperf3 is not in the image (workers and origins are all that pods run)",)


def test_check_measures_the_same_without_a_trial(bench: ClusterBench) -> None:
    plan = bench.plan("direct", **{"body: 600 B": "body: 60 MB", "rate: 100/s": "rate: 10k/s"})
    made, before = bench.made(), bytes_over_link(bench)
    with bench.command("check", str(plan), "--network", "--json", "-") as checking:
        outcome = checking.wait(ENDS_WITHIN_S)
    after = bytes_over_link(bench)
    assert bench.made() == made
    document = outcome.document
    assert (outcome.code, document["fits"]) == (ExitCode.ENVIRONMENT, False), outcome
    (found,) = document["network"]
    capacity = Capacity.from_document(found)
    assert capacity.way == "load - origin"
    assert_carried(capacity, {name: after[name] - before[name] for name in before})
    texts = {finding["code"]: (finding["severity"], finding["text"]) for finding in document["findings"]}
    assert texts["network"] == ("ok", f"load - origin: {capacity_text(capacity)}")
    severity, text = texts["network-responses"]
    assert severity == "refuse"
    assert "10k/s x 60 MB of responses = 600 GB/s; measured " in text
    with RunReader.open(bench.bench.run_directory()) as reader:
        assert reader.capacities() == (capacity,)
        assert (reader.run().state, reader.trials()) == ("finished", ())


def test_nothing_is_left_where_a_person_ends_it(bench: ClusterBench) -> None:
    made = bench.made()
    with bench.command("check", str(bench.plan("direct")), "--network") as checking:
        assert wait_until(lambda: bench.pods("network-"), ENDS_WITHIN_S, 0.5)
        checking.signal(signal.SIGINT)
        outcome = checking.wait(ENDS_WITHIN_S)
        checking.assert_nothing_left()
    assert (outcome.code, outcome.stdout) == (ExitCode.INTERRUPTED, "")
    assert "interrupted: everything is being put back" in outcome.stderr
    assert bench.made() == made
    run = bench.bench.run_directory()
    assert open_changes(run) == ((), ())
    with RunReader.open(run) as reader:
        assert reader.run().state == "interrupted"
