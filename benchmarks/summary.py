"""What a run of thousands of trials takes to be summarised and reported: `python -m benchmarks.summary`.

The record is a made one of 24 trials, copied as often as it takes: two workers and ten frames each in every trial. It
is summarised from what it keeps of its trials, as after a run, and a smaller one from its frames, as after an update.
A third has the talk's nine cells. Each round is a process of its own. Times are of the CPU, imports among them.
"""

from __future__ import annotations

import argparse
import json
import sqlite3
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Any
from unittest.mock import patch

from tests.support import made_run
from tests.support.kept import answered_from_kept, keep_all

from benchmarks.bars import Bar, print_bars, spread
from seatrial.record import events
from seatrial.record.reader import RunReader
from seatrial.record.tables.summary_rows import KeptSummary, summary_row
from seatrial.record.writer import RunWriter

MOST_S_PER_10_000 = 10.0
# From frames a trial takes ten times as long; this is what a machine with half the speed is allowed.
MOST_MADE_S_PER_10_000 = 200.0
MOST_MIB = 1_024.0
# All of `seatrial report` for nine cells: what a person waits for.
CELLS, MOST_REPORT_S = 9, 5.0
# Of each table that has rows of a trial, the columns that number trials and frames.
COPIED = {
    "trials": ("id", None),
    "counts": ("trial", None),
    "loads": ("trial", None),
    "phases": ("trial", None),
    "process_samples": ("trial", None),
    "host_samples": ("trial", None),
    "network_samples": ("trial", None),
    "system_samples": ("trial", None),
    "frames": ("trial", "id"),
    "frame_histograms": (None, "frame"),
}
# What a round runs: it says what each step took, and the most memory it ever had.
ROUND = """
import json, sys, time
from pathlib import Path
from seatrial.analysis.run.summary import summarise_run
from seatrial.record.reader import RunReader
steps, before = {}, 0.0
def took(step):
    global before
    now = time.process_time()
    steps[step], before = now - before, now
with RunReader.open(Path(sys.argv[1])) as reader:
    summary = summarise_run(reader)
took("summary")
if sys.argv[2:]:
    from seatrial.report.csv import results_csv
    from seatrial.report.html import render_html
    from seatrial.report.json import results_json as pieces
    from seatrial.report.markdown import render_markdown
    def results_json(summary):
        with open("/dev/null", "wb") as file:
            file.writelines(pieces(summary))
    for name, make in (("csv", results_csv), ("md", render_markdown), ("html", render_html), ("json", results_json)):
        make(summary)
        took(name)
# What getrusage() says is at least what the process had that started this one.
peak = next(line for line in open("/proc/self/status") if line.startswith("VmHWM"))
steps["MiB"] = int(peak.split()[1]) / 1024
print(json.dumps({"trials": summary.trials, **steps}))
"""


def main() -> None:
    """Make the records and summarise them in rounds."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.summary", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--trials", type=int, default=10_000, help="rounded up to a multiple of 24")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as parent:
        from_kept = _rounds(_record(Path(parent) / "kept", asked.trials, keep=True), asked.rounds, "reports")
        from_frames = _rounds(_record(Path(parent) / "made", asked.trials // 10, keep=False), asked.rounds)
        cells = _rounds(_cells(Path(parent) / "cells"), asked.rounds, "reports")
    for title, seen in (("kept", from_kept), ("from frames", from_frames), (f"{CELLS} cells", cells)):
        print(f"{title}: {seen[0]['trials']:,} trials")
        for step in [step for step in seen[0] if step != "trials"]:
            print(f"  {step:>8}  {spread([one[step] for one in seen], '.1f')}")
    print_bars(
        Bar("10,000 trials", _per_10_000(from_kept), "at most", MOST_S_PER_10_000, " s of CPU"),
        Bar("10,000 from frames", _per_10_000(from_frames), "at most", MOST_MADE_S_PER_10_000, " s of CPU"),
        Bar("peak memory of their reports", _median(from_kept, "MiB"), "at most", MOST_MIB, " MiB"),
        Bar(f"reports of {CELLS} cells", _all_steps(cells), "at most", MOST_REPORT_S, " s of CPU"),
    )


def _median(seen: Sequence[Mapping[str, float]], step: str) -> float:
    return statistics.median(one[step] for one in seen)


def _per_10_000(seen: Sequence[Mapping[str, float]]) -> float:
    return _median(seen, "summary") * 10_000 / seen[0]["trials"]


def _all_steps(seen: Sequence[Mapping[str, float]]) -> float:
    return sum(_median(seen, step) for step in ("summary", "csv", "md", "html", "json"))


def _record(parent: Path, trials: int, *, keep: bool) -> Path:
    parent.mkdir()
    run = made_run.make_run(parent)
    if keep:
        keep_all(run)
    made = copied(run / "record.db", trials)
    if keep:
        _keep_copies(run, made)
    return run


def _cells(parent: Path) -> Path:
    """Return a record of the talk's nine cells, three times each for five minutes, with eight workers."""
    parent.mkdir()
    compiled = made_run.compiled_plan(("envoy",))
    of_four = compiled["cases"]
    compiled["plan"]["repeat"] = 3
    compiled["cases"] = [
        _cell(of_four[0], connections, rate)
        for connections in (100_000, 200_000, 300_000)
        # A hundredth of the talk's rates: samples take long to make up, and to read a histogram little.
        for rate in (100, 200, 300)
    ]
    with (
        _long_trials(),
        RunWriter.create(parent, "cells", made_run.PLAN_TEXT, json.dumps(compiled)) as writer,
    ):
        writer.append(events.RunStarted("cells", "cells", 3 * CELLS))
        for number, (repeat, case) in enumerate(product((1, 2, 3), compiled["cases"]), start=1):
            for event in made_run.trial_events(number, repeat, case, 3 * CELLS, made_run.Twist()):
                writer.append(event)
        writer.append(events.RunEnded("finished"))
    keep_all(writer.path)
    return writer.path


def _cell(like: Mapping[str, Any], connections: int, rate: int) -> dict[str, Any]:
    return {
        **like,
        "id": f"envoy-connections={connections}-rate={rate}",
        "variables": {"connections": connections, "rate": rate},
        "load": {**like["load"], "connections": connections, "rate_per_s": rate},
    }


@contextmanager
def _long_trials() -> Iterator[None]:
    """Have trials made that measure for five minutes, not for six seconds."""
    with patch.multiple(made_run, MEASURE_S=300, WARMUP_S=30, TRIAL_S=400, WORKERS=8):
        yield


def _keep_copies(run: Path, trials: int) -> None:
    """Keep of every copy what is kept of the trial that it is a copy of, under its own number."""
    with RunReader.open(run) as reader:
        kept = [one for number in range(1, trials + 1) if (one := reader.kept_summary(number)) is not None]
        made = len(kept)
        rows = [
            summary_row(_renumbered(kept[(number - 1) % made], number, reader.digest_of(number)))
            for number in range(made + 1, trials + 1)
        ]
    with closing(sqlite3.connect(run / "record.db")) as connection, connection:
        for row in rows:
            connection.execute(*row)
    assert len(answered_from_kept(run)) == trials


def _renumbered(kept: KeptSummary, number: int, made_from: str | None) -> KeptSummary:
    assert made_from is not None
    document = json.loads(kept.document)
    document["summary"] |= {"trial": number, "order": number}
    return replace(kept, trial=number, made_from=made_from, document=json.dumps(document))


def copied(database: Path, trials: int) -> int:
    """Copy what the record has of its trials until it has so many; return how many it has."""
    with sqlite3.connect(database) as connection:
        made: int = connection.execute("SELECT max(id) FROM trials").fetchone()[0]
        frames = connection.execute("SELECT max(id) FROM frames").fetchone()[0]
        rows = {table: connection.execute(f"SELECT * FROM {table}") for table in COPIED}
        names = {table: [column[0] for column in found.description] for table, found in rows.items()}
        copies = -(-trials // made)
        for copy in range(1, copies):
            for table, own in names.items():
                values = ", ".join(_value(table, name, copy * made, copy * frames) for name in own)
                beginning = (
                    f"frame <= {frames}" if table == "frame_histograms" else f"{COPIED[table][0]} <= {made}"
                )
                connection.execute(f"INSERT INTO {table} SELECT {values} FROM {table} WHERE {beginning}")
        _plan_for(connection, 2 * copies)
    connection.close()
    return copies * made


def _value(table: str, name: str, trials: int, frames: int) -> str:
    of_trial, of_frame = COPIED[table]
    if name == of_trial or (table == "trials" and name == "ord"):
        return f"{name} + {trials}"
    if name == of_frame:
        return f"{name} + {frames}"
    return "NULL" if name == "id" else name


def _plan_for(connection: sqlite3.Connection, repeats: int) -> None:
    compiled = json.loads(connection.execute("SELECT compiled FROM plan").fetchone()[0])
    compiled["plan"]["repeat"] = repeats
    connection.execute("UPDATE plan SET compiled = ?", (json.dumps(compiled),))


def _rounds(record: Path, rounds: int, *words: str) -> list[dict[str, float]]:
    command = [sys.executable, "-c", ROUND, str(record), *words]
    return [
        json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
        for _ in range(rounds)
    ]


if __name__ == "__main__":
    main()
