"""``observe`` with a real Prometheus that scrapes a page of the test: what is reported is what arithmetic says.

The page counts how often it was asked, n, and all else that it says follows from that: so does each point of a query.
"""

from __future__ import annotations

import csv
import json
import signal
from bisect import bisect_right
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.support.kept import assert_kept_as_made
from tests.support.metrics_page import MetricsPage, metrics_page
from tests.support.program import Outcome, Running, run_seatrial, wait_until
from tests.support.prometheus import Prometheus, prometheus, scrape
from tests.support.runs import Bench
from tests.support.tls_server import issue

from seatrial.errors import ExitCode
from seatrial.record.reader import RunReader

SCRAPED_S = 0.5
MEASURED_S = 4
PLAN = """
name: observed
systems: [direct]
load: {{rate: 100/s, active: 5, timeout: 1 s, resolution: 10 ms}}
phases: {{stable_for: 0 s, warmup: 500 ms, measure: {measure} s, cooldown: 5 s}}
repeat: {repeat}
retry: 0
capacity: never
observe:
  prometheus: {where}
  queries: {queries}
objectives: [{objectives}]
"""
QUERIES = """
    asked: {query: asked_total, unit: times}
    square: {query: 'square{which="$system"}'}
    leaving: leaving
    rare: rare_total
    both: up
    one: up{job="harbour"}
    odd: odd
    rising: {query: "increase(asked_total[$window])", unit: times, step: 1 s}
    absent: {query: 'absent_total{run="$run",case="$case",trial="$trial"}', unit: bytes}
"""


def said(number: int) -> str:
    lines = [
        f"asked_total {number}",
        f'square{{which="direct"}} {number * number}',
        'square{which="other"} 1',
    ]
    if number % 4 < 2:
        lines.append(f"leaving {-number}")
    lines.append(f"odd {('NaN', '+Inf', '7')[number % 3]}")
    return "\n".join(lines) + "\n"


@pytest.fixture(scope="module")
def harbour(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Prometheus, MetricsPage]]:
    folder = tmp_path_factory.mktemp("prometheus")
    with (
        metrics_page(said) as page,
        metrics_page("rare_total 1\n") as rare,
        prometheus(folder, scraped(page), scrape("rare", rare.target, every="2s")) as server,
    ):
        server.wait_for("asked_total")
        server.wait_for("rare_total")
        yield server, page


def scraped(page: MetricsPage) -> dict[str, Any]:
    return scrape("harbour", page.target, every="500ms")


def written(
    folder: Path, where: str, queries: str, objectives: str = "", repeat: int = 1, measure: float = MEASURED_S
) -> Path:
    file = folder / "plan.yaml"
    file.write_text(
        PLAN.format(where=where, queries=queries, objectives=objectives, repeat=repeat, measure=measure)
    )
    return file


@pytest.fixture(scope="module")
def run(harbour: tuple[Prometheus, MetricsPage], tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("run")
    asked = "observed.asked > 0 times, observed.square.max > 1e12"
    plan = written(folder, harbour[0].url, QUERIES, asked)
    outcome = run_seatrial("run", str(plan), "--runs", str(folder / "runs"))
    assert outcome.code in {ExitCode.OBJECTIVE_FAILED, ExitCode.INVALID_MEASUREMENT}, outcome
    (found,) = (folder / "runs").iterdir()
    return found


def results(run: Path) -> dict[str, Any]:
    document: dict[str, Any] = json.loads((run / "results.json").read_text())
    return document


def observed(run: Path) -> dict[str, dict[str, Any]]:
    (trial,) = results(run)["cases"][0]["trials"]
    return {one["name"]: one for one in trial["observed"]}


def test_each_point_is_the_last_scrape_before_it_and_none_is_of_before_the_phase(
    run: Path, harbour: tuple[Prometheus, MetricsPage]
) -> None:
    one = observed(run)["asked"]
    (series,) = one["series"]
    # What Prometheus keeps, sample by sample with its own times: no evaluation of ours.
    (raw,) = harbour[0].instant("asked_total[2m]", at_s=one["end_s"])
    times = [at_s for at_s, _ in raw["values"]]
    expected = [
        [at_s, float(raw["values"][bisect_right(times, at_s) - 1][1])] for at_s, _ in series["points"]
    ]
    assert series["points"] == expected
    assert one["end_s"] - one["start_s"] == pytest.approx(MEASURED_S, abs=0.002)
    moments = [at_s for at_s, _ in series["points"]]
    assert one["moments"] == MEASURED_S / SCRAPED_S
    # A scrape that a busy machine does not answer in time leaves a gap, and no other number.
    assert one["moments"] - 2 <= len(moments) <= one["moments"]
    assert moments[-1] <= one["end_s"]
    assert moments[0] - SCRAPED_S >= one["start_s"] - 0.002
    assert one["step_s"] == SCRAPED_S
    assert one["interval_text"] == "500 ms, of 1 target (job harbour)"
    # The page itself kept what it said, and when.
    given = {int(text.split()[1]): at_s for at_s, text in harbour[1].given if text}
    assert all(given[int(value)] <= at_s + 0.1 for at_s, value in series["points"])


def test_the_step_is_the_scrape_interval_of_what_the_query_selects(run: Path) -> None:
    found = {name: (one["step_s"], one["interval_text"]) for name, one in observed(run).items()}
    assert found["rare"] == (2.0, "2 s, of 1 target (job rare)")
    assert found["both"] == (2.0, "up to 2 s, of 2 targets (job harbour, rare)")
    assert found["one"] == (0.5, "500 ms, of 1 target (job harbour)")


def test_the_figures_are_those_of_the_points(run: Path) -> None:
    found = observed(run)
    counts = {at_s: int(value) for at_s, value in found["asked"]["series"][0]["points"]}
    asked, (square,) = found["asked"]["series"][0], found["square"]["series"]
    values = list(counts.values())
    assert (asked["first"], asked["last"], asked["count"]) == (values[0], values[-1], len(values))
    assert asked["mean"] == pytest.approx(sum(values) / len(values))
    assert square["labels"]["which"] == "direct"
    assert square["points"] == [[at_s, float(count**2)] for at_s, count in counts.items()]
    assert (square["min"], square["max"]) == (values[0] ** 2, values[-1] ** 2)
    rising = found["rising"]
    assert (rising["step_s"], rising["moments"], rising["query"]) == (
        1.0,
        MEASURED_S,
        "increase(asked_total[4000ms])",
    )
    # One time each scrape, whatever the edges are extrapolated to.
    assert rising["series"][0]["mean"] == pytest.approx(MEASURED_S / SCRAPED_S, rel=0.3)


def test_what_vanishes_is_not_there_and_what_is_no_number_is_none(run: Path) -> None:
    found = observed(run)
    counts = {at_s: int(value) for at_s, value in found["asked"]["series"][0]["points"]}
    (leaving,), (odd,) = found["leaving"]["series"], found["odd"]["series"]
    there = {at_s: count for at_s, count in counts.items() if count % 4 < 2}
    assert leaving["points"] == [[at_s, float(-count)] for at_s, count in there.items()]
    assert leaving["count"] == len(there) < len(counts)
    texts: dict[int, float | str] = {0: "NaN", 1: "+Inf", 2: 7.0}
    assert odd["points"] == [[at_s, texts[count % 3]] for at_s, count in counts.items()]
    assert (odd["mean"], odd["min"], odd["max"]) == (7.0, 7.0, 7.0)
    assert odd["count"] + odd["not_numbers"] == len(counts)


def test_a_series_that_is_missing_is_named_and_is_no_zero(run: Path) -> None:
    absent = observed(run)["absent"]
    assert (absent["series"], absent["problem"]) == ([], None)
    assert absent["query"] == f'absent_total{{run="{run.name}",case="direct",trial="1"}}'
    with RunReader.open(run) as reader:
        texts = [entry.text for entry in reader.journal()]
    assert any("`absent` was not observed: Prometheus has no such series" in text for text in texts)
    for report in ("report.md", "report.html"):
        assert "no such series" in (run / report).read_text(), report


def test_it_is_the_same_in_every_report_and_in_what_was_kept(run: Path) -> None:
    assert_kept_as_made(run, {1})
    asked = observed(run)["asked"]["series"][0]
    (row,) = csv.DictReader((run / "results.csv").read_text().splitlines())
    assert float(row["observed_asked_mean_times"]) == asked["mean"]
    assert int(row["observed_asked_points"]) == asked["count"]
    assert "observed_absent_mean_bytes" not in row
    text = f"{asked['mean']:,.6g}"
    for report in ("report.md", "report.html"):
        page = (run / report).read_text()
        assert text in page
        assert "scrape interval 500 ms, of 1 target (job harbour)" in page
        assert "measure 20" in page, "when the phases were"


def test_objectives_are_judged_by_it(run: Path) -> None:
    outcomes = {one["objective"]: one for one in results(run)["cases"][0]["verdict"]["objectives"]}
    asked, square = outcomes["observed.asked > 0 times"], outcomes["observed.square.max > 1e12"]
    found = observed(run)["asked"]
    (series,) = found["series"]
    assert asked["unit"] == "times"
    if series["count"] < found["moments"]:
        # Of a phase of 8 points one that is missing is more than a tenth.
        assert (asked["held"], square["held"]) == (None, None)
        return
    assert (asked["held"], asked["values"]) == (True, [series["mean"]])
    assert (square["held"], square["values"]) == (False, [series["last"] ** 2])
    assert results(run)["cases"][0]["verdict"]["state"] in {"FAIL", None}


def checked(plan: Path) -> Outcome:
    return run_seatrial("check", str(plan))


def test_wrong_promql_is_the_plans_fault_and_found_before_the_run(
    harbour: tuple[Prometheus, MetricsPage], tmp_path: Path
) -> None:
    wrong = "{right: up, open: 'sum(up', range: 'up[5m]'}"
    plan = written(tmp_path, harbour[0].url, wrong)
    for command in (("check", str(plan)), ("run", str(plan), "--runs", str(tmp_path / "runs"))):
        outcome = run_seatrial(*command)
        assert outcome.code == ExitCode.BAD_INPUT, outcome
        assert "the query `open` is not understood: invalid parameter" in outcome.stderr
        assert "unclosed left parenthesis" in outcome.stderr
        assert "the query `range` yields a matrix" in outcome.stderr
        assert "right" not in outcome.stderr
    assert not (tmp_path / "runs").exists()


def test_check_says_what_it_found_and_that_a_phase_is_short(
    harbour: tuple[Prometheus, MetricsPage], tmp_path: Path
) -> None:
    outcome = checked(written(tmp_path, harbour[0].url, "{asked: asked_total, none: none_total}", measure=1))
    assert outcome.code == ExitCode.PASS, outcome
    assert "understands 2 queries" in outcome.stdout
    assert "no series yet for `none`" in outcome.stdout
    assert "`asked` has 2 points in a measure phase of 1 s" in outcome.stdout


def test_one_that_wants_a_password_over_tls_is_asked_with_it_and_it_is_nowhere(tmp_path: Path) -> None:
    pem = issue(tmp_path, "127.0.0.1", "localhost")
    web = {
        "tls_server_config": {"cert_file": str(pem.cert), "key_file": str(pem.key)},
        # Of `open sesame`.
        "basic_auth_users": {"reader": SESAME},
    }
    (tmp_path / "password").write_text("open sesame\n")
    (tmp_path / "wrong").write_text("open barley")
    known = f"ca_file: {pem.ca}, username: reader"
    with prometheus(tmp_path / "data", web=web) as server:

        def outcome(access: str) -> Outcome:
            return checked(written(tmp_path, f"{{url: {server.url}{access}}}", "{up: up}"))

        let_in = outcome(f", {known}, password_file: {tmp_path / 'password'}")
        assert (let_in.code, "understands 1 query" in let_in.stdout) == (ExitCode.PASS, True), let_in
        assert "sesame" not in let_in.stdout + let_in.stderr
        refused = outcome(f", {known}, password_file: {tmp_path / 'wrong'}")
        assert refused.code == ExitCode.ENVIRONMENT
        assert "lets nobody in so (401)" in refused.stdout
        assert "barley" not in refused.stdout + refused.stderr
        unknown = outcome("")
        assert unknown.code == ExitCode.ENVIRONMENT
        assert "its certificate is not trusted" in unknown.stdout
        assert "SEATRIAL_NO_SUCH" in outcome(f", {known}, password_env: SEATRIAL_NO_SUCH").stdout


SESAME = "$2b$04$20ZG.kG5At0ktA3R9r2LTOmMakPXkEAUhuiiqYGzU4e0DySYGSLMe"


def test_one_that_goes_away_in_the_middle_is_a_line_in_the_journal_and_nothing_else(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    with metrics_page(said) as page, prometheus(tmp_path / "data", scraped(page)) as server:
        server.wait_for("asked_total")
        plan = written(tmp_path, server.url, "{asked: asked_total}", repeat=2, measure=2)
        with Running("run", str(plan), "--runs", str(bench.runs)) as running:
            assert wait_until(lambda: begun(bench) == 2, 60)
            server.stop(signal.SIGKILL)
            outcome = running.wait(60)
            running.assert_nothing_left()
    assert outcome.code in {ExitCode.PASS, ExitCode.INVALID_MEASUREMENT}, outcome
    (found,) = bench.runs.iterdir()
    with RunReader.open(found) as reader:
        texts = {entry.trial: entry.text for entry in reader.journal() if "observes" in entry.text}
        assert [trial.state for trial in reader.trials()] == ["completed"] * 2
        assert (len(reader.observed(1)), len(reader.observed(2))) == (1, 0)
    assert list(texts) == [2]
    assert (
        f"nothing is known of what the plan observes: Prometheus at {server.url} is not reached" in texts[2]
    )


def begun(bench: Bench) -> int:
    try:
        (found,) = bench.runs.iterdir()
        with RunReader.open(found) as reader:
            return len(reader.trials())
    except Exception:  # noqa: BLE001 - it is being made
        return 0
