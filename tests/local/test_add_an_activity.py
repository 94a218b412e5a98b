"""An activity is added with one file and one line: done so to a copy of the package, and run beside the traffic."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.support.extended import extended, run
from tests.support.runs import Bench, codes, results, survivors, trials

from seatrial.record.reader import RunReader
from seatrial.record.tables.rows import RecordedPhase

FILE = '''
import time
from seatrial.errors import SystemFault
from seatrial.record.events import Noted
from seatrial.run.activities.base import Takes, sleep_until

STROKES = 3

class Bell:
    """Strikes in the measure phase, from its start on."""

    completed = 0

    def __init__(self, setting):
        self._setting = setting

    async def start(self):
        return Takes()

    async def ready(self):
        return True

    async def run(self, timeline):
        for stroke in range(STROKES):
            await sleep_until(timeline.measure_ns + stroke * 100_000_000)
            self._strike(time.monotonic_ns())

    def _strike(self, at_ns):
        self._setting.record(Noted("seatrial", f"bell at {at_ns}", self._setting.trial.order))

    async def finish(self, ending):
        pass

    async def close(self):
        pass

def bell_of(setting):
    return Bell(setting) if setting.trial.case.system.label == "direct" else None
'''
STROKE = "            self._strike(time.monotonic_ns())\n"
BREAKS = '        raise SystemFault("the bell has a crack")\n'
LINE = '    __import__("seatrial.run.activities.bell", fromlist=["bell_of"]).bell_of,\n'
BEFORE = "    traffic_of,\n"

WARMED_UP, MEASURED = 40, 100


def ran(directory: Path, text: str, *systems: str) -> tuple[int, Path]:
    """Run a small plan with the activity; return the exit code, and where its record is."""
    program = extended(directory, "run/activities/bell.py", text, "run/activities/registry.py", LINE, BEFORE)
    bench = Bench(program)
    outcome = run(program, "run", str(bench.plan(*systems, measure="500 ms")))
    assert "Traceback" not in outcome.stderr, outcome
    return outcome.returncode, bench.run_directory()


def struck_s(reader: RunReader) -> list[tuple[int | None, float]]:
    """Return when the bell was struck, by trial; CLOCK_MONOTONIC."""
    bell = [entry for entry in reader.journal() if entry.text.startswith("bell at ")]
    return [(entry.trial, int(entry.text.split()[-1]) / 1e9) for entry in bell]


def phase(reader: RunReader, trial: int, name: str) -> RecordedPhase:
    (found,) = [phase for phase in reader.phases(trial) if phase.name == name]
    return found


def assert_traffic_is_exact(trial: dict[str, Any]) -> None:
    assert trial["load"]["requests"]["completed"] == MEASURED
    counts = trial["counts"]
    assert counts["generator_completed"] == counts["origin_requests"] == WARMED_UP + MEASURED
    assert trial["state"] == "completed"


def test_it_follows_the_timeline_of_the_traffic_whose_counts_stay_exact(tmp_path: Path) -> None:
    code, where = ran(tmp_path, FILE, "direct", "direct: {label: plain}")
    assert code in {0, 3}
    for trial in trials(results(where)).values():
        assert_traffic_is_exact(trial)
    with RunReader.open(where) as reader:
        (number,) = [trial.trial for trial in reader.trials() if trial.system == "direct"]
        measure = phase(reader, number, "measure")
        assert measure.end_s is not None
        struck = struck_s(reader)
    # The other case did not ask for it.
    assert [of for of, _ in struck] == [number] * 3
    assert all(measure.start_s <= at_s <= measure.end_s for _, at_s in struck), (measure, struck)


def test_where_it_fails_the_trial_fails_and_the_traffic_is_ended_in_order(tmp_path: Path) -> None:
    code, where = ran(tmp_path, FILE.replace(STROKE, STROKE + BREAKS), "direct")
    assert code == 3
    (trial,) = trials(results(where)).values()
    assert trial["state"] == "failed: the bell has a crack"
    assert "system.failed" in codes(trial)
    with RunReader.open(where) as reader:
        names = [phase.name for phase in reader.phases(1)]
        account = reader.account(1)
        assert [entry.text for entry in reader.journal() if "crack" in entry.text] == ["the bell has a crack"]
        assert all(change.undone_utc for change in reader.changes())
    assert names == ["set up", "ramp", "warm up", "measure", "cool down"]
    assert account is not None
    assert account.driven is not None
    # All of the traffic's workers have said their last word.
    assert account.driven.interrupted
    assert len(account.dones) == len(account.hellos)
    assert not account.driven.lost
    assert not survivors(where)
