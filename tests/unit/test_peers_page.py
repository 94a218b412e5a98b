"""The page: tables between marks, and every tool in them, measured or not."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from benchmarks.peers import h2load, seatrial, wrk
from benchmarks.peers.base import Load, Report, Row
from benchmarks.peers.cost import CostOutcome
from benchmarks.peers.page import BEGIN, END, PAGE, cost_table, replace_tables, stall_table
from benchmarks.peers.run import Measured, measure
from benchmarks.peers.stall import StallOutcome
from benchmarks.peers.tools import Tool, UnavailableError


def test_only_what_is_between_the_marks_is_replaced() -> None:
    page = f"words\n\n{BEGIN}\n\nold\n{END}\n\nmore\n"
    made = replace_tables(page, "new\n")
    assert made == f"words\n\n{BEGIN}\n\nnew\n\n{END}\n\nmore\n"
    assert replace_tables(made, "new\n") == made


def test_the_page_has_the_marks() -> None:
    assert "made now" in replace_tables(PAGE.read_text(encoding="utf-8"), "made now")


def test_a_tool_that_was_not_measured_is_in_the_tables_with_the_cause() -> None:
    (row,) = h2load.STALL
    stalls = [StallOutcome(row, None, 0, 2.0, "not measured: no compiler")]
    assert "| h2load --rps | paced |  |  |  |  |  | not measured: no compiler |" in stall_table(stalls, 20)
    costs = [CostOutcome(row, [], "no compiler")]
    assert "| h2load --rps | paced | not measured: no compiler |" in cost_table(costs, 3)


def test_costs_are_medians_and_ratios_to_wrk() -> None:
    rounds = [Measured(Report(60_000, 100.0), cost) for cost in (4.0, 5.0, 9.0)]
    ours = [Measured(Report(60_000, 200.0, own_cpu_us_per_request=8.0), 10.0)]
    (base,) = wrk.COST
    table = cost_table([CostOutcome(base, rounds), CostOutcome(seatrial.COST[0], ours)], 3)
    assert "| wrk | closed | 20,000 | 5.0 (4.0 to 9.0) | 1.00 |  | 100 |" in table
    assert "| seatrial -R | open | 20,000 | 10.0 (10.0 to 10.0) | 2.00 | 8.0 | 200 |" in table


def test_rounds_that_seatrial_does_not_believe_are_named() -> None:
    fine, doubted = Report(60_000, 100.0), Report(60_000, 900.0, doubt="generator.late")
    rounds = [Measured(report, 5.0) for report in (fine, doubted, doubted)]
    table = cost_table([CostOutcome(seatrial.COST[0], rounds)], 3)
    assert "| seatrial -R (INVALID in 2 of 3 rounds: generator.late) | open |" in table
    stalls = [StallOutcome(seatrial.STALL[0], doubted, 40_000, 2.0, "true")]
    assert "| true; INVALID by its own rules: generator.late |" in stall_table(stalls, 20)


def test_without_wrk_there_are_no_ratios() -> None:
    table = cost_table([CostOutcome(h2load.COST[0], [Measured(Report(60_000), 5.0)])], 3)
    assert "| h2load | closed | 20,000 | 5.0 (5.0 to 5.0) |  |  | none |" in table


def python_row(program: str) -> Row:
    def read(texts: object, _load: Load) -> Report:
        return Report(int(str(texts).strip("[]'\\n")))

    tool = Tool(Path(sys.executable).name, "here")
    return Row("python", tool, "closed", lambda _load: ["python", "-c", program], read)


@pytest.mark.parametrize(
    ("program", "cause"),
    [
        ("raise SystemExit('no route to host')", "ended with status 1: no route to host"),
        ("print('nothing to see')", "printed no result"),
        ("print(0)", "made no request"),
    ],
)
def test_a_run_that_fails_says_why(program: str, cause: str, tmp_path: Path) -> None:
    with pytest.raises(UnavailableError, match=cause):
        measure(python_row(program), Load("", 1, 1, tmp_path), {0})


def test_cpu_time_of_children_counts(tmp_path: Path) -> None:
    """A tool may do its work in processes that it starts; spinning is seen wherever it is done."""
    spin = "import time\nwhile time.process_time() < 0.3: pass"
    program = (
        f"import subprocess, sys; subprocess.run([sys.executable, '-c', {spin!r}], check=True); print(1)"
    )
    measured = measure(python_row(program), Load("", 1, 1, tmp_path), {0})
    assert measured.cpu_us_per_request >= 300_000


def test_a_package_that_is_not_installed_is_named() -> None:
    with pytest.raises(UnavailableError, match="apt-get install no-such-package"):
        Tool("no-such-program", "Debian", package="no-such-package").find()
