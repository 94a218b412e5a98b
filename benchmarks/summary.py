"""How long a run of thousands of trials takes to be summarised, and the memory for it: `python -m benchmarks.summary`.

The record is a made one of 24 trials, copied as often as it takes: two workers and ten frames each in every trial. Each
round is a process of its own.
"""

from __future__ import annotations

import argparse
import json
import sqlite3
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.support.made_run import make_run

from benchmarks.bars import Bar, print_bars, spread

MOST_S_PER_10_000 = 60.0
MOST_MIB = 1_024.0
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
# What a round runs: it says how long it took, and the most memory it ever had.
ROUND = """
import resource, sys, time
from pathlib import Path
from seatrial.analysis.run.summary import summarise_run
from seatrial.record.reader import RunReader
started_s = time.perf_counter()
with RunReader.open(Path(sys.argv[1])) as reader:
    trials = summarise_run(reader).trials
print(trials, time.perf_counter() - started_s, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
"""


def main() -> None:
    """Make the record and summarise it in rounds."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.summary", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--trials", type=int, default=10_000, help="rounded up to a multiple of 24")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as parent:
        record = make_run(Path(parent))
        trials = copied(record / "record.db", asked.trials)
        seen = [_round(record, trials) for _ in range(asked.rounds)]
    took_s, mib = [took_s for took_s, _ in seen], [mib for _, mib in seen]
    print(
        f"{trials:,} trials summarised\n  {'s':>8}  {spread(took_s, '.1f')}\n  {'MiB':>8}  {spread(mib, '.0f')}"
    )
    print_bars(
        Bar("10,000 trials", statistics.median(took_s) * 10_000 / trials, "at most", MOST_S_PER_10_000, " s"),
        Bar("peak memory", statistics.median(mib), "at most", MOST_MIB, " MiB"),
    )


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


def _round(record: Path, trials: int) -> tuple[float, float]:
    found = subprocess.run(
        [sys.executable, "-c", ROUND, str(record)], capture_output=True, text=True, check=True
    )
    counted, took_s, mib = found.stdout.split()
    assert int(counted) == trials
    return float(took_s), float(mib)


if __name__ == "__main__":
    main()
