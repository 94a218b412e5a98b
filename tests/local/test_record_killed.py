"""A real process writes a run and is killed at a random moment; what it had written is read."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from seatrial.record.reader import RunReader

WRITER = """
import json, sys, time
from pathlib import Path
from seatrial.record import events
from seatrial.record.writer import RunWriter
from tests.support.made_run import PLAN_TEXT, Twist, compiled_plan, trial_events

compiled = compiled_plan()
writer = RunWriter.create(Path(sys.argv[1]), "killed", PLAN_TEXT, json.dumps(compiled))
writer.append(events.RunStarted("killed", "killed", 12))
print(writer.path, flush=True)
for number in range(1, 100_000):
    case = compiled["cases"][number % 12]
    for event in trial_events(number, 1, case, 12, Twist()):
        writer.append(event)
        time.sleep(0.002)
"""


@pytest.mark.parametrize("seed", range(3))
def test_a_killed_writer_leaves_a_record_that_is_read(tmp_path, seed):
    root = Path(__file__).parents[2]
    child = subprocess.Popen(
        [sys.executable, "-c", WRITER, str(tmp_path)], stdout=subprocess.PIPE, text=True, cwd=root
    )
    try:
        assert child.stdout is not None
        run = Path(child.stdout.readline().strip())
        _wait_for_frames(run)
        time.sleep(random.Random(seed).uniform(0, 0.7))
    finally:
        child.send_signal(signal.SIGKILL)
        child.communicate(timeout=30)
    with RunReader.open(run) as reader:
        assert reader.run().state == "cut off"
        trials = reader.trials()
        assert trials[-1].state in {"cut off", "completed"}
        frames = reader.frames(1)
        assert frames
        assert [frame.seq for frame in frames] == sorted(frame.seq for frame in frames)
        assert not reader.is_live()


def _wait_for_frames(run: Path) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        with RunReader.open(run) as reader:
            assert reader.is_live()
            if reader.trials() and reader.frames(1):
                return
        time.sleep(0.05)
    pytest.fail("the writer wrote no frame in a minute")
