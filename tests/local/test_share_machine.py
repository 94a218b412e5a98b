"""Two commands that measure at a time on one machine: the second is refused, or both outputs say so."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest
from tests.support.program import Running, run_seatrial, running_origin, wait_until
from tests.support.runs import Bench, results, wait_for_phase

LOCKS = Path(os.environ["SEATRIAL_LOCK_DIR"])
BESIDE = "another measurement of Seatrial"


def test_a_second_measurement_is_refused_or_said_in_every_output(tmp_path):
    bench = Bench(tmp_path)
    plan = bench.plan("direct", measure="60 s")
    with running_origin() as origin, bench.start(plan) as first:
        run = bench.run_directory()
        wait_for_phase(run, "measure")
        for command in (("load", origin.url, "-R", "50", "-d", "500ms"), ("run", str(plan))):
            refused = run_seatrial(*command)
            assert refused.code == 4, refused
            assert f"`seatrial run` in {run}, process {first.process.pid} of " in refused.stderr
            assert "hint: wait for its end" in refused.stderr
        for allowed in (("check", str(plan)), ("run", str(plan), "--dry-run")):
            assert BESIDE not in run_seatrial(*allowed).stderr

        flags = ("-R", "50", "-c", "2", "-d", "500ms", "-q", "--share-machine")
        text = run_seatrial("load", origin.url, *flags)
        assert f"note: {BESIDE} was on this machine" in text.stdout
        assert str(run) in text.stdout
        assert not list(LOCKS.glob(".*")), "no draft is left"
        with Running("load", origin.url, *flags[:-4], "-d", "60s", "--share-machine", "--json", "-") as load:
            assert wait_until(lambda: len(list(LOCKS.glob("*.load"))) == 2, 20.0)
            first.signal(signal.SIGINT)
            assert first.wait(60).code == 130
            load.signal(signal.SIGINT)
            assert any(str(run) in remark for remark in load.wait(20).document["remarks"])
    document = results(run)
    (trial,) = document["cases"][0]["trials"]
    assert "`seatrial load`" in trial["beside"][0]
    assert "1 of 1 trials had another measurement" in document["findings"][0]
    for report in ("report.md", "report.html", "results.csv"):
        assert "seatrial load" in (run / report).read_text(), report


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT])
def test_however_the_first_ends_the_next_one_begins(number):
    short = ("-d", "300ms", "-c", "1", "-R", "20", "-q")
    with running_origin() as origin:
        with Running("load", origin.url, "-R", "50", "-c", "2", "-d", "60s", "-q") as first:
            # Who asks too early takes the place himself.
            assert wait_until(lambda: list(LOCKS.glob("*.load")), 20.0)
            assert run_seatrial("load", origin.url, *short).code == 4
            first.signal(number)
            first.process.wait(20)
        outcome = run_seatrial("load", origin.url, *short, "--json", "-")
        assert outcome.code in {0, 3}
        assert not any(BESIDE in remark for remark in outcome.document["remarks"])
