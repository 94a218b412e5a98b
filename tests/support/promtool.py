"""Prometheus's own tool: what it says of rules, and which alerts it sees fire for given series."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

Series = dict[str, str]
"""Values by series, in promtool's notation: one each 15 s."""


def promtool(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run it; skips where it is not installed."""
    program = shutil.which("promtool")
    if program is None:
        pytest.skip("promtool is not installed: make tools")
    return subprocess.run([program, *arguments], capture_output=True, text=True, timeout=60, check=False)


def assert_rules(*files: Path) -> None:
    """Assert that Prometheus takes files of rules, and finds nothing strange in them."""
    outcome = promtool("check", "rules", "--lint=all", "--lint-fatal", *map(str, files))
    assert outcome.returncode == 0, outcome.stdout + outcome.stderr


def assert_firing(rules: Path, series: Series, firing: dict[str, float], at: str = "1m") -> None:
    """Assert that with these series, and at this time, just these alerts fire, each so many times."""
    expressions = [
        {
            "expr": 'count by (alertname) (ALERTS{alertstate="firing"})',
            "eval_time": at,
            "exp_samples": [
                {"labels": f'{{alertname="{name}"}}', "value": times} for name, times in firing.items()
            ],
        }
    ]
    test: dict[str, Any] = {
        "rule_files": [rules.name],
        "evaluation_interval": "15s",
        "tests": [
            {
                "interval": "15s",
                "input_series": [{"series": name, "values": values} for name, values in series.items()],
                "promql_expr_test": expressions,
            }
        ],
    }
    file = rules.with_name("test.yml")
    file.write_text(yaml.safe_dump(test))
    outcome = promtool("test", "rules", str(file))
    assert outcome.returncode == 0, outcome.stdout + outcome.stderr
