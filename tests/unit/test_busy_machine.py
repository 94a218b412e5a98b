"""Whose the CPU of this machine was, and whether another load ran beside: held against processes of our own."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import cast

import pytest
from tests.support.loads import with_values
from tests.support.made_run import Twist, make_run
from tests.unit.test_document import ACCOUNT

from seatrial.analysis.load.summarise import summarise
from seatrial.analysis.load.window import Window
from seatrial.analysis.run.summary import summarise_run
from seatrial.analysis.validity.evidence import TrialEvidence
from seatrial.analysis.validity.judge import remarks_on
from seatrial.analysis.validity.load import judge_load, remarks_of
from seatrial.analysis.validity.shares import cpu_shares, looks_at_machine, steal_fraction
from seatrial.machine.cpus.shares import CpuShares, CpuTimes, read_times, shares_between
from seatrial.observe.samples import HostSample, ProcessSample
from seatrial.record.reader import RunReader

HOG = "while True: pass"
HOGGED_S = 0.3


def test_the_shares_of_a_machine_add_up():
    before = CpuTimes(processes_s=100.0, idle_s=50.0, ours_s=10.0, total_s=160.0)
    after = CpuTimes(processes_s=106.0, idle_s=53.0, ours_s=12.0, total_s=170.0)
    found = shares_between(before, after)
    assert found is not None
    assert [found.others, found.idle, found.steal] == pytest.approx([0.4, 0.3, 0.0])
    stolen = shares_between(before, replace(after, stolen_s=1.0))
    assert stolen is not None
    assert stolen.steal == pytest.approx(0.1)
    assert shares_between(before, replace(before, total_s=160.4)) is None
    assert shares_between(None, after) is None


def test_what_another_process_takes_is_others_and_what_ours_takes_is_not():
    with subprocess.Popen([sys.executable, "-c", HOG]) as hog:
        try:
            before = read_times([os.getpid()]), read_times([os.getpid(), hog.pid])
            used_s = used_by(hog.pid)
            while used_by(hog.pid) - used_s < HOGGED_S:
                time.sleep(0.02)
            after = read_times([os.getpid()]), read_times([os.getpid(), hog.pid])
        finally:
            hog.kill()
    without, with_hog = (shares_between(*pair) for pair in zip(before, after, strict=True))
    assert without is not None
    assert with_hog is not None
    assert after[0] is not None
    assert before[0] is not None
    hogged = HOGGED_S / (after[0].total_s - before[0].total_s)
    # Ticks are of 10 ms each, of one process and of the machine.
    assert without.others >= 0.8 * hogged
    assert without.others - with_hog.others >= 0.8 * hogged


def used_by(pid: int) -> float:
    found = read_times([pid])
    assert found is not None
    return found.ours_s


BUSY, ROOM = CpuShares(others=0.6, idle=0.05), CpuShares(others=0.2, idle=0.7)


def test_a_load_to_another_machine_is_doubted_where_its_own_is_busy():
    validity = judge_load(summarise(ACCOUNT, []), [], with_values(ACCOUNT, cost__cpu=BUSY))
    assert "environment.busy" in [reason.code for reason in validity.reasons]


def test_where_the_server_runs_here_its_part_is_not_held_against_it_and_yet_said():
    account = with_values(ACCOUNT, cost__cpu=BUSY, asked__served_here=True)
    validity = judge_load(summarise(account, []), [], account)
    assert "environment.busy" not in [reason.code for reason in validity.reasons]
    (remark,) = remarks_of(account)
    assert "5% of its CPU time to spare" in remark
    assert remarks_of(with_values(account, cost__cpu=ROOM)) == ()
    assert remarks_of(ACCOUNT) == ()


@pytest.mark.parametrize("served_here", [False, True])
@pytest.mark.parametrize(("steal", "is_doubted"), [(0.05, False), (0.06, True)])
def test_a_load_is_doubted_where_the_hypervisor_took_the_cpu(steal, is_doubted, served_here):
    account = with_values(ACCOUNT, cost__cpu=replace(ROOM, steal=steal), asked__served_here=served_here)
    result = summarise(account, [])
    codes = [reason.code for reason in judge_load(result, [], account).reasons]
    assert ("environment.steal" in codes) == is_doubted
    assert result.machine.cpu_steal_fraction == steal


@pytest.mark.parametrize("kinds", [5, 7, 8, 10])
def test_what_the_kernel_calls_steal_is_the_eighth_of_its_counts(monkeypatch, kinds):
    ticks = [1000, 200, 300, 4000, 50, 60, 70, 800, 9000, 0][:kinds]
    text = f"cpu  {' '.join(map(str, ticks))}\ncpu0 1 2\n"
    monkeypatch.setattr(Path, "read_text", lambda _: text)
    found = read_times(())
    assert found is not None
    assert found.stolen_s == pytest.approx(8.0 if kinds >= 8 else 0.0)
    assert found.total_s == pytest.approx(sum(ticks[:8]) / 100)


class Samples:
    """A reader of nothing but samples: a machine of two CPUs, of which our process takes a half and others a whole."""

    def host_samples(self, _trial: int) -> tuple[HostSample, ...]:
        kinds = {"cpu_user_s": 1.5, "cpu_nice_s": 0.0, "cpu_system_s": 0.0, "cpu_idle_s": 0.5}
        return tuple(
            HostSample(float(at_s), {kind: at_s * cores for kind, cores in kinds.items()})
            for at_s in range(11)
        )

    def process_samples(self, _trial: int) -> tuple[ProcessSample, ...]:
        return tuple(
            ProcessSample(float(at_s), "generator", "w", "7@1", "w", at_s * 0.5, 0.0, 1, None, None, 1, None)
            for at_s in range(11)
        )


def test_a_trial_is_distinguished_from_its_neighbours_by_its_samples():
    reader = cast(RunReader, Samples())
    hosts = reader.host_samples(1)
    cpu = cpu_shares(reader.process_samples(1), looks_at_machine(hosts, Window(2 * 10**9, 8 * 10**9)))
    assert cpu is not None
    assert [cpu.others, cpu.idle] == pytest.approx([0.5, 0.25])
    assert cpu_shares(reader.process_samples(1), looks_at_machine(hosts, None)) is None


def looks(at_s: float, *, stolen_s: float) -> list[HostSample]:
    """Two looks at a machine of two CPUs, of which others' processes take a half."""
    return [
        HostSample(seconds, {
            "cpu_count": 2, "cpu_user_s": seconds, "cpu_nice_s": 0.0, "cpu_system_s": 0.0, "cpu_idle_s": seconds,
            "cpu_steal_s": stolen,
        })
        for seconds, stolen in ((0.0, 0.0), (at_s, stolen_s))
    ]  # fmt: skip


def test_two_looks_side_by_side_say_nothing_of_the_machine():
    assert steal_fraction(looks(0.03, stolen_s=0.01)) is None
    assert steal_fraction(looks(1.0, stolen_s=0.2)) == pytest.approx(0.1)
    assert cpu_shares(Samples().process_samples(1), looks(0.2, stolen_s=0.2)) is None
    assert steal_fraction(looks(1.0, stolen_s=0.2)[:1]) is None


def test_a_busy_machine_is_found_in_the_record_and_a_pass_holds_all_the_same(tmp_path):
    path = make_run(tmp_path, twists={1: Twist(busy=True)}, systems=("direct",))
    with RunReader.open(path) as reader:
        case = summarise_run(reader).cases[0]
    (reason,) = case.validity.reasons
    assert (reason.code, reason.direction) == ("environment.busy", "inflates")
    assert "10% of it was idle" in reason.text
    assert (case.state, case.at_most) == ("PASS", True)


def test_a_load_and_a_trial_remark_on_others_in_the_same_words():
    account = with_values(ACCOUNT, cost__cpu=ROOM)
    assert remarks_of(account) == remarks_on(TrialEvidence("completed", None, cpu=ROOM))
    assert remarks_of(account) == (
        "other programs took 20% of this machine's CPU time, while 70% of it was idle",
    )
