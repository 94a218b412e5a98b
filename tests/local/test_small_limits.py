"""A shipped plan on a machine whose port range or listen queues are too small for it: refused, or said why."""

from __future__ import annotations

import re
from pathlib import Path

from tests.support.own_network import own_network
from tests.support.program import run_seatrial
from tests.support.runs import results

PLAN = Path(__file__).parents[2] / "plans/micro/connections.yaml"
SCALED = ("--scale", "1/10")
# 10k/s over 6 nginx = 1,667/s to each listener, x 0.1 s; 60 active connections go on to one origin address.
PORTS, QUEUE = 60, 167


def test_too_few_ports_are_refused_before_anything_is_started(tmp_path):
    with own_network(net__ipv4__ip_local_port_range="40000 40019") as network:
        runs = ("--runs", str(tmp_path / "runs"))
        outcome = run_seatrial("run", str(PLAN), *SCALED, *runs, prefix=network.prefix)
        assert outcome.code == 4
        assert f"up to {PORTS} connections, but has 20 ports for it" in outcome.stderr
        assert not (tmp_path / "runs").exists()
        tuned = run_seatrial("check", str(PLAN), *SCALED, *runs, "--tune", "--apply", prefix=network.prefix)
        assert f"40000 40019 -> 40000 {40_000 + PORTS - 1}, set" in tuned.stdout
        assert re.search(r"^ok +ports-upstream ", tuned.stdout, re.MULTILINE), "now there are enough"


def test_a_listen_queue_that_is_too_short_is_said_before_and_after(tmp_path):
    with own_network(net__core__somaxconn="8") as network:
        checked = run_seatrial("check", str(PLAN), *SCALED, prefix=network.prefix)
        assert re.search(r"^warn +backlog +.*a listen queue of 8 ", checked.stdout, re.MULTILINE)
        assert f"net.core.somaxconn={QUEUE}" in checked.stdout
        run_seatrial(
            "run", str(short(tmp_path)), *SCALED, "--runs", str(tmp_path / "runs"), prefix=network.prefix
        )
    (run,) = (tmp_path / "runs").iterdir()
    document = results(run)
    (trial,) = document["cases"][0]["trials"]
    assert trial["load"]["connections"]["held"]["requested"] == 1_000
    journal = " ".join(entry["text"] for entry in document["journal"])
    assert "preflight, backlog: a listen queue of 8 " in journal
    assert f"net.core.somaxconn is 8, needed: {QUEUE}" in journal
    assert f"net.core.somaxconn is 8, needed: {QUEUE}" in (run / "report.md").read_text()


def short(directory: Path) -> Path:
    """Write the plan with its first case only, for a second."""
    text = PLAN.read_text()
    for pattern, words in (
        (r"connections: \[.*\]", "connections: [10k]"),
        (r"phases: .*", "phases: {stable_for: 0 s, warmup: 200 ms, measure: 1 s, cooldown: 10 s}"),
        (r"repeat: .*", "repeat: 1\nretry: 0"),
    ):
        text, count = re.subn(pattern, words, text)
        assert count == 1, pattern
    file = directory / "short.yaml"
    file.write_text(text)
    return file
