"""``seatrial run`` with real proxies: from a plan to a report that can be believed, and back from every accident."""

from __future__ import annotations

import os
import random
import signal
from pathlib import Path

import pytest
from tests.support.kept import assert_kept_as_made
from tests.support.program import GONE_LIMIT_S, Outcome, Running, run_seatrial, wait_until
from tests.support.runs import (
    Bench,
    codes,
    processes,
    results,
    survivors,
    trials,
    wait_for_answers,
    wait_for_phase,
)

from seatrial.errors import ExitCode
from seatrial.plan.cases import compile_cases, trial_order
from seatrial.plan.read import read_plan
from seatrial.record.reader import RunReader

pytestmark = pytest.mark.slow

RUN_LIMIT_S = 90.0
BUSY_MACHINE = {
    "generator.late",
    "generator.frames",
    "generator.cpu",
    "generator.stalled",
    "generator.unread",
    "environment.steal",
    "environment.busy",
}
"""What a run on a machine that does other things, too, may be doubted for."""
MEASURED = 400
MEASURE_S = 2.0
WARMED_UP = 40


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def assert_everything_is_gone(running: Running, run: Path) -> None:
    running.assert_nothing_left()
    assert wait_until(lambda: not survivors(run), GONE_LIMIT_S), survivors(run)


def assert_clean_finds_nothing(bench: Bench) -> None:
    outcome = run_seatrial("clean", "--runs", str(bench.runs))
    assert (outcome.code, outcome.stdout) == (0, "nothing left\n"), outcome


def run_whole(bench: Bench, plan: Path) -> tuple[Outcome, Path]:
    # All of it, from the script's first line to its drawings.
    with bench.start(plan, fresh=True) as running:
        outcome = running.wait(RUN_LIMIT_S)
        run = bench.run_directory()
        assert_everything_is_gone(running, run)
    return outcome, run


def test_a_plan_gives_a_report_whose_counts_agree(bench) -> None:
    outcome, run = run_whole(bench, bench.plan("direct", "envoy", "nginx"))
    document = results(run)
    doubted = {system for system, trial in trials(document).items() if codes(trial)}
    assert outcome.code == ExitCode.PASS or (doubted and outcome.code == ExitCode.INVALID_MEASUREMENT), (
        outcome
    )
    assert document["run"]["state"] == "finished"
    # stderr is no terminal here: a line for each trial, and none for its phases.
    lines = [line for line in outcome.stderr.splitlines() if line.startswith("trial ")]
    assert [line.split(":")[0] for line in lines] == ["trial 1 of 3", "trial 2 of 3", "trial 3 of 3"]
    for trial in trials(document).values():
        # An answer that comes after the window's end is completed, and not of its rate.
        achieved = trial["load"]["rate_per_s"]["achieved"]
        assert 0.9 * MEASURED <= achieved * MEASURE_S <= MEASURED
        assert any(f", repeat 1: {achieved:,.0f} of 200 requests/s, p50 " in line for line in lines), lines
    assert "  measure" not in outcome.stderr
    # stdout is none either: sentences are not cut into lines.
    for sentence in (*document["answers"], *(system["sentence"] for system in document["systems"])):
        assert sentence in outcome.stdout.splitlines()
    seen = trials(document)
    assert set(seen) == {"direct", "envoy", "nginx"}
    for system, trial in seen.items():
        # Counts are exact on any machine. What may be doubted on a busy one is how long it took.
        assert codes(trial) <= BUSY_MACHINE
        assert trial["validity"]["state"] == ("INVALID" if system in doubted else "VALID")
        assert trial["load"]["requests"]["intended"] == trial["load"]["requests"]["completed"] == MEASURED
        counts = trial["counts"]
        assert counts["generator_completed"] == counts["origin_requests"] == MEASURED + WARMED_UP
        # What lies under the curve of the rate is what the origin counted, and the measure phase has its CPU.
        under = sum(
            step["completed_per_s"] * (step["end_s"] - step["start_s"]) for step in trial["series"]["steps"]
        )
        assert under == pytest.approx(counts["origin_requests"])
        roles = trial["resources"]["roles"]
        assert {role["memory_measure"] for role in roles.values()} == {"PSS"}
        assert roles["origin"]["cpu_covers_s"] > MEASURE_S / 2
        # Without a proxy there is nothing else that could count; nginx does not count what it sends on.
        assert counts["system_requests"] == (None if system == "direct" else MEASURED + WARMED_UP)
        assert counts["system_upstream_requests"] == (MEASURED + WARMED_UP if system == "envoy" else None)
        held = trial["load"]["connections"]["held"]
        assert held == {"requested": 50, "established": 50}
    assert_the_page_and_the_table_are_there(outcome, run, doubted)
    assert_kept_as_made(run, {1, 2, 3})
    assert_the_report_is_made_again(run, outcome.code)
    assert all(change.undone_utc for change in processes(run))
    assert_clean_finds_nothing(bench)


def assert_the_page_and_the_table_are_there(outcome: Outcome, run: Path, doubted: set[str]) -> None:
    assert f"report: {run / 'report.html'}" in outcome.stdout
    for system in {"direct", "envoy", "nginx"} - doubted:
        assert f"{system}: PASS" in outcome.stdout
    assert len(list((run / "histograms").glob("*.hlog"))) == 6
    for name in ("report.html", "report.md", "results.csv", "results.json", "plan.yaml"):
        assert (run / name).stat().st_size > 0
    assert (run / "report.html").read_text().count('<svg role="img"') == 2 + 3


def assert_the_report_is_made_again(run: Path, code: int = ExitCode.PASS) -> None:
    before = results(run)
    (run / "report.html").unlink()
    (run / "results.json").unlink()
    again = run_seatrial("report", str(run))
    assert again.code == code
    assert (run / "report.html").is_file()
    assert results(run)["cases"] == before["cases"]


def seed_with_first(bench: Bench, *systems: str) -> int:
    """Return a seed of the plan's order that begins with the first of these systems."""
    for seed in range(1, 100):
        plan = read_plan(bench.plan(*systems, seed=seed))
        if trial_order(plan, compile_cases(plan))[0][0].system.label == systems[0]:
            return seed
    raise AssertionError("a hundred shuffles of two began with the same one")


def test_a_plan_from_a_pipe_is_read_once_and_recorded_as_it_was(bench) -> None:
    plan = bench.plan("direct", measure="1 s")
    plan.write_bytes(b"\xef\xbb\xbf" + plan.read_bytes().replace(b"\n", b"\r\n"))
    piped = ("bash", "-c", f'exec "$0" "$@" <(cat {plan})')
    with Running("run", prefix=piped, directory=bench.directory) as running:
        outcome = running.wait(RUN_LIMIT_S)
        run = bench.run_directory()
        assert_everything_is_gone(running, run)
    assert f"report: {run / 'report.html'}" in outcome.stdout, outcome
    assert (run / "plan.yaml").read_bytes() == plan.read_bytes()
    with RunReader.open(run) as reader:
        assert reader.plan_text().encode() == plan.read_bytes()
        assert reader.cases()
    assert_the_report_is_made_again(run, outcome.code)


@pytest.mark.parametrize("system", ["envoy", "nginx"])
def test_a_proxy_that_is_killed_makes_its_trial_invalid_and_the_run_goes_on(bench, system: str) -> None:
    seed = seed_with_first(bench, system, "direct")
    # Long enough to be met in it on a busy machine.
    with bench.start(bench.plan(system, "direct", measure="6 s", seed=seed)) as running:
        run = bench.run_directory()
        wait_for_phase(run, "measure", system)
        (proxy,) = [one for one in processes(run) if one.detail["name"] == system and not one.undone_utc]
        os.kill(proxy.detail["pid"], signal.SIGKILL)
        outcome = running.wait(RUN_LIMIT_S)
        assert_everything_is_gone(running, run)
    assert outcome.code == ExitCode.INVALID_MEASUREMENT
    seen = trials(results(run))
    assert "system.died" in codes(seen[system])
    assert "INVALID" in outcome.stdout
    assert seen["direct"]["state"] == "completed"
    assert seen["direct"]["load"]["requests"]["completed"] == 3 * MEASURED
    assert seen["direct"]["counts"]["origin_requests"] == 3 * MEASURED + WARMED_UP
    assert codes(seen["direct"]) <= BUSY_MACHINE
    assert_kept_as_made(run, {1, 2})
    assert_clean_finds_nothing(bench)


@pytest.mark.parametrize("seed", range(5))
def test_a_run_that_is_killed_leaves_no_process_and_a_record_that_is_read(bench, seed: int) -> None:
    moment = random.Random(seed)
    systems = ("envoy", "nginx", "direct")
    with bench.start(bench.plan(*systems, measure="4 s", seed=seed)) as running:
        run = bench.run_directory()
        wait_for_phase(run, moment.choice(("set up", "ramp", "warm up", "measure")), moment.choice(systems))
        running.signal(signal.SIGKILL)
        assert_everything_is_gone(running, run)
    assert_the_cut_record_is_read(run)
    assert_clean_finds_nothing(bench)


def assert_the_cut_record_is_read(run: Path) -> None:
    outcome = run_seatrial("report", str(run))
    assert outcome.code == ExitCode.INVALID_MEASUREMENT, outcome
    document = results(run)
    assert document["run"]["state"] == "cut off"
    assert len(trials(document)) >= 1
    last = max(trials(document).values(), key=lambda trial: trial["order"])
    assert last["validity"]["state"] == "INVALID" or last["state"] == "completed"
    assert (run / "report.html").stat().st_size > 0


def test_a_run_that_is_killed_at_its_very_beginning_is_reported_in_words(bench) -> None:
    with bench.start(bench.plan("envoy")) as running:
        run = bench.run_directory()
        running.signal(signal.SIGKILL)
        running.assert_nothing_left()
    outcome = run_seatrial("report", str(run))
    assert outcome.code in {ExitCode.INVALID_MEASUREMENT, ExitCode.ENVIRONMENT, ExitCode.BAD_INPUT}, outcome
    assert_clean_finds_nothing(bench)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_one_ctrl_c_puts_everything_back_and_reports(bench, number: signal.Signals) -> None:
    with bench.start(bench.plan("envoy", "nginx", measure="60 s")) as running:
        run = bench.run_directory()
        wait_for_answers(run)
        running.signal(number)
        outcome = running.wait(RUN_LIMIT_S)
        assert_everything_is_gone(running, run)
    assert outcome.code == ExitCode.INTERRUPTED, outcome
    assert f"report: {run / 'report.html'}" in outcome.stdout
    document = results(run)
    assert document["run"]["state"] == "interrupted"
    (trial,) = trials(document).values()
    assert trial["state"] == "cut off"
    assert codes(trial) >= {"environment.cut_off"}
    requests = trial["load"]["requests"]
    assert (
        requests["completed"] == requests["intended"] == pytest.approx(200 * trial["load"]["window_s"], abs=4)
    )
    assert all(change.undone_utc for change in processes(run))
    assert_clean_finds_nothing(bench)


def test_ctrl_c_before_anything_is_measured_is_an_interrupted_run(bench) -> None:
    with bench.start(bench.plan("nginx")) as running:
        run = bench.run_directory()
        wait_for_phase(run, "set up")
        running.signal(signal.SIGINT)
        outcome = running.wait(RUN_LIMIT_S)
        assert_everything_is_gone(running, run)
    assert outcome.code == ExitCode.INTERRUPTED, outcome
    assert results(run)["run"]["state"] == "interrupted"
    assert_clean_finds_nothing(bench)
