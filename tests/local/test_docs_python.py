"""The page on Python and pytest: its code blocks, taken out of it and run against a real origin."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from tests.support import hostile
from tests.support.made_run import make_run
from tests.support.program import running_origin

PAGE = Path(__file__).parents[2] / "docs/guides/python.md"
URL_OF_THE_PAGE = "http://127.0.0.1:8080/"
RUN_OF_THE_PAGE = "runs/20261123T101028Z-first"


def blocks() -> list[str]:
    found = re.findall(r"^```python\n(.*?)^```$", PAGE.read_text(), re.MULTILINE | re.DOTALL)
    assert len(found) == 4
    return found


def run(*arguments: str, url: str, directory: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *arguments], capture_output=True, text=True, timeout=60, check=False, cwd=directory,
        env={**os.environ, "SERVICE_URL": url, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},
    )  # fmt: skip


@pytest.mark.parametrize("index", [0, 1])
def test_the_scripts_run(index: int, tmp_path: Path) -> None:
    with running_origin() as origin:
        code = blocks()[index]
        assert URL_OF_THE_PAGE in code
        outcome = run("-c", code.replace(URL_OF_THE_PAGE, origin.url), url=origin.url, directory=tmp_path)
    assert (outcome.returncode, outcome.stderr) == (0, "")
    assert re.search(r"VALID 2000 \d+|'count': 500", outcome.stdout)


def test_the_run_opens(tmp_path: Path) -> None:
    path = make_run(tmp_path, systems=("envoy",), trials=2)
    code = blocks()[3]
    assert RUN_OF_THE_PAGE in code
    outcome = run("-c", code.replace(RUN_OF_THE_PAGE, str(path)), url="", directory=tmp_path)
    assert (outcome.returncode, outcome.stderr) == (0, "")
    assert "finished; 2 trials: 2 VALID" in outcome.stdout
    assert "envoy 2000 " in outcome.stdout
    assert "latency of trial 1, measure: VALID" in outcome.stdout


def run_tests(url: str, directory: Path) -> subprocess.CompletedProcess[str]:
    """Run the page's tests, again where they could not measure because the hypervisor took the CPU."""
    (directory / "test_service.py").write_text(blocks()[2])
    command = ("-m", "pytest", "-q", "-p", "no:cacheprovider", "test_service.py")
    for _ in range(5):
        outcome = run(*command, url=url, directory=directory)
        if "environment.steal" not in outcome.stdout:
            return outcome
    pytest.skip("the hypervisor took the CPU of this machine all the time")


def test_the_tests_pass_on_a_quick_service(tmp_path: Path) -> None:
    with running_origin() as origin:
        outcome = run_tests(origin.url, tmp_path)
    assert outcome.returncode == 0, outcome.stdout
    assert "2 passed" in outcome.stdout


def test_the_tests_fail_on_a_slow_service_that_answers_wrongly(tmp_path: Path) -> None:
    with running_origin("--delay", "400ms", "--status", "503") as origin:
        outcome = run_tests(origin.url, tmp_path)
    assert outcome.returncode == 1, outcome.stdout
    assert "2 failed" in outcome.stdout


def hang_up(connection: socket.socket) -> None:
    connection.recv(65536)


def test_a_measurement_that_is_invalid_is_an_error_with_its_remedy(tmp_path: Path) -> None:
    with hostile.serving(hang_up) as url:
        outcome = run_tests(url, tmp_path)
    assert "2 errors" in outcome.stdout
    assert "InvalidMeasurement: system." in outcome.stdout
    assert "hint: " in outcome.stdout
