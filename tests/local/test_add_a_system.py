"""A system is added with one file and one line: done so to a copy of the package, and tried from the command line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tests.support.extended import extended, run
from tests.support.runs import Bench, results, trials

FILE = '''
from typing import ClassVar, Literal
from pydantic import Field
from seatrial.schema.fields import Processes
from seatrial.systems.direct import DirectSystem
from seatrial.systems.options import SystemOptions

class MirrorOptions(SystemOptions):
    """Stands before the origin, and is not there."""

    bytes_per_connection: ClassVar[int] = 512

    kind: Literal["mirror"] = "mirror"
    panes: Processes = Field(2, description="How many panes it has.", examples=[2])

    def create(self):
        return DirectSystem()
'''
LINE = '    "mirror": __import__("seatrial.systems.mirror", fromlist=["MirrorOptions"]).MirrorOptions,\n'
BEFORE = '    "direct": DirectOptions,\n'


@pytest.fixture
def program(tmp_path: Path) -> Path:
    """A copy of the package that has one kind of system more."""
    return extended(tmp_path, "systems/mirror.py", FILE, "systems/registry.py", LINE, BEFORE)


def test_it_is_read_shown_checked_and_run(program: Path) -> None:
    plan = Bench(program).plan("direct", "mirror: {panes: 3}", measure="500 ms")
    assert "panes  3" in run(program, "plan", "show", str(plan)).stdout
    assert "mirror" in json.dumps(json.loads(run(program, "plan", "schema").stdout)["properties"]["systems"])
    checked = run(program, "check", str(plan), "--json", "-")
    assert checked.returncode == 0, checked
    ran = run(program, "run", str(plan))
    assert ran.returncode in {0, 3}, ran
    seen = trials(results(Bench(program).run_directory()))
    assert seen["mirror"]["load"]["requests"]["completed"] == 100
    plan.write_text(plan.read_text().replace("mirror: {panes: 3}", "mirror: {pains: 3}"))
    refused = run(program, "plan", "lint", str(plan))
    assert "did you mean `panes`?" in refused.stderr + refused.stdout
