"""What is doubted of a load by pods: one that started late, a clock that is not known, a quota."""

from __future__ import annotations

from dataclasses import replace

import pytest
from tests.support.accounts import account_of
from tests.support.channels import EMPTY_FRAME
from tests.support.made_run import Twist, compiled_plan, made_account, made_frames

from seatrial.analysis.load.summarise import summarise
from seatrial.analysis.load.window import Window
from seatrial.analysis.validity.doubts import doubts_of
from seatrial.analysis.validity.evidence import TrialEvidence, worker_evidence
from seatrial.analysis.validity.rules.delays import throttled
from seatrial.generator.clocks import WorkerClock
from seatrial.generator.frames import Frame

MS = 1_000_000
S = 1_000 * MS


def test_pods_that_started_together_by_clocks_that_are_known_are_believed() -> None:
    clocks = (WorkerClock(0, 10**15, 2 * MS, MS), WorkerClock(1, -(10**15), 2 * MS, -MS))
    assert doubts_of(account_of(driven__clocks=clocks, driven__late=(("worker 0", 0.002),))) == ()


def test_one_that_heard_of_the_start_after_it_is_named() -> None:
    (reason,) = doubts_of(
        account_of(driven__late=(("worker 0", 0.01), ("worker 3 (pod a)", 0.4), ("worker 4", 0.2)))
    )
    assert reason.code == "generator.late_start"
    assert reason.text == "worker 3 (pod a) heard of the start 0.40 s after it, and 1 other late, too"


@pytest.mark.parametrize(("error_ms", "drift_ms"), [(101, 0), (2, 99), (2, -99)])
def test_a_clock_that_is_not_known_or_drifts_is_named(error_ms: int, drift_ms: int) -> None:
    clocks = (WorkerClock(0, 0, MS, 0), WorkerClock(7, 5, error_ms * MS, drift_ms * MS))
    (reason,) = doubts_of(account_of(driven__clocks=clocks))
    assert reason.code == "generator.clocks"
    assert "worker 7" in reason.text


def test_a_pod_that_went_silent_is_not_called_a_bug() -> None:
    silent = "worker 0 (pod a on node b) did not finish (last heard of 25 s ago)"
    (reason,) = doubts_of(account_of(driven__lost=(silent,)))
    assert "kubectl get nodes" in reason.remedy


def test_a_load_whose_workers_were_all_lost_may_have_measured() -> None:
    lost = account_of(driven__dones=(), driven__interrupted=True, driven__lost=("worker 0 was deleted",))
    assert [reason.code for reason in doubts_of(lost)] == ["generator.lost"]
    stopped = account_of(driven__dones=(), driven__interrupted=True)
    assert [reason.code for reason in doubts_of(stopped)] == ["environment.cut_off"]


def frames(throttled_ns: list[int]) -> list[Frame]:
    made = []
    for seq, so_far_ns in enumerate(throttled_ns):
        values = {"seq": seq, "start_ns": seq * S, "end_ns": (seq + 1) * S, "throttled_ns": so_far_ns}
        made.append(Frame.from_json(EMPTY_FRAME | {"worker": 2, "held": 0, "active": 1} | values))
    return made


def test_a_pod_that_its_quota_held_back_in_the_window_is_named() -> None:
    window = Window(2 * S, 7 * S)
    # What was before the window, in the ramp, is not of it.
    seen = worker_evidence(
        2, frames([5 * S, 6 * S, 6 * S, 6 * S + 40 * MS, 6 * S + 90 * MS, 7 * S, 7 * S, 9 * S]), window
    )
    assert seen.throttled_s == pytest.approx(1.0)
    case = compiled_plan(("envoy",))["cases"][0]
    load = summarise(made_account(1, case), list(made_frames(1, case, Twist())))
    reason = throttled(
        TrialEvidence("completed", load, workers=(seen, replace(seen, worker=1, throttled_s=0.1)))
    )
    assert reason is not None
    assert reason.code == "environment.throttled"
    assert reason.text.startswith("worker 2 was held back by its CPU quota for 1.00 s of ")
