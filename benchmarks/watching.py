"""What Seatrial's own looking costs beside a load: `python -m benchmarks.watching`.

The same plan runs several times: with nobody who watches, in a terminal (which is what a person has without asking for
anything), and with the page, a browser's worth of events, and a scrape every second. What is counted is the CPU of the
program that samples, records and draws, and of the one that serves, over the measure phase, by the kernel.
"""

from __future__ import annotations

import argparse
import os
import pty
import socket
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.request import urlopen

from benchmarks.bars import Bar, print_bars
from seatrial.record.reader import RunReader

MOST_CORES = 0.02
PLAN = """\
name: watching
systems: [{{nginx: {{proxies: 2}}}}]
load: {{connections: 100, rate: 500/s, active: 20}}
phases: {{stable_for: 0 s, warmup: 1 s, measure: {seconds} s, cooldown: 0 s}}
repeat: 1
retry: 0
"""


def main() -> None:
    """Run them in turn, and print what each took of a core."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.watching", description=__doc__)
    parser.add_argument("--seconds", type=int, default=30)
    parser.add_argument("--times", type=int, default=5)
    arguments = parser.parse_args()
    ways: Mapping[str, Callable[[Path], Path]] = {"quiet": quiet, "terminal": in_terminal, "all": with_all}
    found: dict[str, list[Mapping[str, float]]] = {name: [] for name in ways}
    for _ in range(arguments.times):
        for name, way in ways.items():
            with TemporaryDirectory(prefix="seatrial-bench-") as scratch:
                plan = Path(scratch) / "plan.yaml"
                plan.write_text(PLAN.format(seconds=arguments.seconds))
                found[name].append(cores_of(way(plan)))
    for name, runs in found.items():
        for member in sorted({member for run in runs for member in run}):
            cores = statistics.median(run.get(member, 0.0) for run in runs)
            print(f"{name:<9} {member:<9} {cores:.4f} cores, median of {len(runs)} runs")
    default = statistics.median(sum(run.values()) for run in found["terminal"])
    print_bars(Bar("looking, by default", default, "at most", MOST_CORES, " cores", digits=4))


def cores_of(run: Path) -> Mapping[str, float]:
    """Return the mean cores of each member of Seatrial itself over the measure phase."""
    with RunReader.open(run) as reader:
        measure = next(phase for phase in reader.phases(1) if phase.name == "measure")
        end_s = measure.end_s or float("inf")
        looks: dict[str, list[tuple[float, float]]] = {}
        for sample in reader.process_samples(1):
            if sample.role == "seatrial" and measure.start_s <= sample.at_s <= end_s:
                used_s = sample.cpu_user_s + sample.cpu_system_s
                looks.setdefault(sample.member, []).append((sample.at_s, used_s))
    return {
        member: (own[-1][1] - own[0][1]) / (own[-1][0] - own[0][0])
        for member, own in looks.items()
        if own[-1][0] > own[0][0]
    }


def command(plan: Path, *more: str) -> list[str]:
    """Return the command that runs it."""
    runs = str(plan.parent / "runs")
    return [sys.executable, "-m", "seatrial", "run", str(plan), "--runs", runs, "--share-machine", *more]


def only_run(plan: Path) -> Path:
    """Return the directory of the one run."""
    (run,) = (plan.parent / "runs").iterdir()
    return run


def quiet(plan: Path) -> Path:
    """Run it with nobody who watches."""
    subprocess.run(command(plan, "--quiet"), check=False, capture_output=True)
    return only_run(plan)


def in_terminal(plan: Path, *more: str) -> Path:
    """Run it in a terminal of 120 columns, which is read."""
    master, slave = pty.openpty()
    environment = {**os.environ, "COLUMNS": "120", "LINES": "40", "TERM": "xterm-256color"}
    with subprocess.Popen(
        command(plan, *more), stdin=slave, stdout=subprocess.DEVNULL, stderr=slave, env=environment
    ) as process:
        os.close(slave)
        with suppress(OSError):
            while os.read(master, 65_536):
                pass
        process.wait()
    os.close(master)
    return only_run(plan)


def with_all(plan: Path) -> Path:
    """Run it in a terminal, with the page, one that watches it, and a scrape every second."""
    page, metrics = free_port(), free_port()
    with watched(plan, page), scraped(metrics):
        return in_terminal(plan, "--serve", f"127.0.0.1:{page}", "--metrics", f"127.0.0.1:{metrics}")


@contextmanager
def watched(plan: Path, port: int) -> Iterator[None]:
    """Read the events of the page once there are some."""

    def read() -> None:
        with (
            suppress(OSError),
            urlopen(f"http://127.0.0.1:{port}/api/run/{only_run(plan).name}/events") as events,
        ):
            while events.readline():
                pass

    with repeated(read):
        yield


@contextmanager
def scraped(port: int) -> Iterator[None]:
    """Scrape once a second."""

    def scrape() -> None:
        with suppress(OSError), urlopen(f"http://127.0.0.1:{port}/metrics") as page:
            page.read()

    with repeated(scrape):
        yield


@contextmanager
def repeated(work: Callable[[], None]) -> Iterator[None]:
    """Do something once a second in a thread; what does not work yet is tried again."""
    is_over = threading.Event()

    def run() -> None:
        while not is_over.wait(1.0):
            with suppress(Exception):
                work()

    threading.Thread(target=run, daemon=True).start()
    try:
        yield
    finally:
        is_over.set()
        time.sleep(0.1)


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


if __name__ == "__main__":
    main()
