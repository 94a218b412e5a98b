"""`seatrial plan` and `seatrial check` as a person meets them, through the real command."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.support.program import Outcome, run_seatrial

ROOT = Path(__file__).parents[2]


@pytest.fixture
def seatrial(invoke: Callable[..., Outcome], monkeypatch: pytest.MonkeyPatch) -> Callable[..., Outcome]:
    """Run a command in the project's own directory."""
    monkeypatch.chdir(ROOT)
    return invoke


def test_the_installed_command_says_the_same(seatrial):
    assert run_seatrial("plan", "show", "plans/quick.yaml") == seatrial("plan", "show", "plans/quick.yaml")


def test_show(snapshot, seatrial):
    run = seatrial("plan", "show", "plans/quick.yaml")
    assert (run.code, run.stderr) == (0, "")
    assert run.stdout == snapshot


def test_show_as_json_goes_to_stdout_alone_or_to_a_file_beside_the_text(tmp_path, seatrial):
    alone = seatrial("plan", "show", "plans/quick.yaml", "--json", "-")
    document = json.loads(alone.stdout)
    assert document["schema"] == "seatrial.plan/1"
    assert (len(document["cases"]), len(document["trials"])) == (12, 24)
    target = tmp_path / "plan.json"
    beside = seatrial("plan", "show", "plans/quick.yaml", "--json", str(target))
    assert json.loads(target.read_text()) == document
    assert beside.stdout.startswith("plan       quick\n")


def test_show_of_a_plan_with_mistakes_says_them_and_leaves_with_2(seatrial):
    run = seatrial("plan", "show", "tests/snapshot/malformed/no_rate.yaml")
    assert (run.code, run.stdout) == (2, "")
    assert "no_rate.yaml:3:1: no `rate`" in run.stderr


def test_a_document_that_cannot_be_written_is_the_environments_fault(tmp_path, seatrial):
    run = seatrial("plan", "schema", "--json", str(tmp_path / "none" / "schema.json"))
    assert run.code == 4
    assert run.stderr.startswith("error: ")
    assert "No such file or directory" in run.stderr


def test_lint_of_the_plans_that_come_along(seatrial):
    run = seatrial(
        "plan", "lint", *sorted(str(path.relative_to(ROOT)) for path in (ROOT / "plans").rglob("*.yaml"))
    )
    assert (run.code, run.stderr) == (0, "")
    assert run.stdout.count(": ok\n") == 25


def test_help(snapshot, seatrial):
    assert [
        seatrial(*command, "--help").stdout for command in (["plan"], ["plan", "show"], ["check"])
    ] == snapshot


def test_check_says_what_fits(seatrial):
    run = seatrial("check", "plans/quick.yaml")
    assert (run.code, run.stderr) == (0, "")
    assert "descriptors-proxy" in run.stdout
    assert "refuse" not in run.stdout


def test_check_refuses_with_4_and_the_arithmetic(tmp_path, seatrial):
    plan = tmp_path / "large.yaml"
    text = "name: large\nsystems: [envoy]\nload: {rate: 1k/s, connections: 9M, workers: 1}\nphases: {measure: 1 s}\n"
    plan.write_text(text)
    run = seatrial("check", str(plan), "--json", "-")
    document = json.loads(run.stdout)
    assert run.code == 4
    assert document["schema"] == "seatrial.check/1"
    assert document["fits"] is False
    refused = {finding["code"] for finding in document["findings"] if finding["severity"] == "refuse"}
    assert {"descriptors-workers", "descriptors-proxy", "memory"} <= refused
    assert all(finding["remedy"] for finding in document["findings"] if finding["severity"] != "ok")
