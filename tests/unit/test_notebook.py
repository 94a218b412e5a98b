"""The example notebook: its cells run, without Jupyter, on runs of every kind."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from tests.support.made_runs import made
from tools.notebook import executed

NOTEBOOK = Path(__file__).parents[2] / "docs/examples/open-a-run.ipynb"


@pytest.fixture
def notebook():
    return json.loads(NOTEBOOK.read_text())


def text_of(outputs: list[dict[str, Any]]) -> str:
    return "".join("".join(one.get("text") or one["data"]["text/plain"]) for one in outputs)


def test_the_cells_run_on_a_run_with_doubts(notebook, tmp_path, monkeypatch):
    monkeypatch.setenv("RUN", str(made(tmp_path, "doubts")))
    opened, table, reasons, believed, compared, chart, histogram, worst = executed(notebook)
    assert "INVALID: system.died" in text_of(opened)
    assert "INVALID: see `validity`" in text_of(table)
    assert "<table>" in "".join(table[0]["data"]["text/html"])
    assert "trial 3, system: " in text_of(reasons)
    assert "direct-connections=200-rate=2000" in text_of(believed)
    assert "direct-connections=500-rate=1000" not in text_of(believed), "its trial is INVALID"
    assert "ms (INVALID), envoy" in text_of(compared)
    assert "".join(chart[0]["data"]["image/svg+xml"]).startswith("<svg")
    assert "99.9%" in text_of(histogram)
    assert "validity         VALID" in text_of(worst)


@pytest.mark.parametrize("kind", ["cut", "pods", "again"])
def test_the_cells_run_on_the_newest_of_any_runs(notebook, tmp_path, monkeypatch, kind):
    made(tmp_path / "runs", kind)
    monkeypatch.delenv("RUN", raising=False)
    monkeypatch.chdir(tmp_path)
    opened, *_ = executed(notebook)
    assert "made-run" in text_of(opened)


def test_it_is_a_notebook_with_outputs_and_without_anybodys_paths(notebook):
    assert (notebook["nbformat"], notebook["metadata"]["kernelspec"]["language"]) == (4, "python")
    cells = [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]
    assert all(cell["outputs"] for cell in cells), "run: python -m tools.notebook NOTEBOOK --run RUN"
    assert [cell["execution_count"] for cell in cells] == list(range(1, len(cells) + 1))
    assert "/root" not in NOTEBOOK.read_text()
    assert "/tmp" not in NOTEBOOK.read_text()
