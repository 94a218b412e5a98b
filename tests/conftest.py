"""Makes `tests.support` importable from every test, however pytest is started."""

from __future__ import annotations

import atexit
import json
import os
import shutil
import signal
import sys
import tempfile
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Any

import pytest
import vl_convert

# A suite that nohup or a script's background starts would hand on to the programs under test that these are ignored.
signal.signal(signal.SIGHUP, signal.SIG_DFL)
signal.signal(signal.SIGINT, signal.default_int_handler)

sys.path.insert(0, str(Path(__file__).parents[1]))

# Tests that run at a time are no measurements that disturb each other: each process of pytest has locks of its own.
os.environ["SEATRIAL_LOCK_DIR"] = tempfile.mkdtemp(prefix="seatrial-test-locks-")
atexit.register(shutil.rmtree, os.environ["SEATRIAL_LOCK_DIR"], ignore_errors=True)

from tests.support.program import TRACEBACK, Outcome  # noqa: E402

from seatrial.cli.main import main  # noqa: E402

# Each is 100 KB of SVG.
DRAWINGS_KEPT_LIMIT = 128


@pytest.fixture(scope="session", autouse=True)
def _the_same_chart_is_drawn_once():
    """Draw each chart once: a third of a second each, and the same made runs are reported again and again."""
    draw = vl_convert.vegalite_to_svg

    @lru_cache(DRAWINGS_KEPT_LIMIT)
    def drawn(spec: str) -> str:
        return draw(json.loads(spec))

    def draw_once(spec: dict[str, Any]) -> str:
        return drawn(json.dumps(spec))

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(vl_convert, "vegalite_to_svg", draw_once)
        yield


@pytest.fixture
def invoke(capsys: pytest.CaptureFixture[str]) -> Callable[..., Outcome]:
    """Run a command in this process, with the net that catches everything: to start a process takes a second.

    For what is about processes, signals, streams and exit codes there is ``run_seatrial``.
    """

    def run(*arguments: str) -> Outcome:
        with pytest.raises(SystemExit) as ended:
            main(list(arguments))
        said = capsys.readouterr()
        assert TRACEBACK not in said.out + said.err
        assert "has a bug" not in said.err
        assert isinstance(ended.value.code, int)
        return Outcome(ended.value.code, said.out, said.err)

    return run
