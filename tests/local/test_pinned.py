"""Roles on CPUs of their own, with the kernel as judge: each process's own affinity, read while the run goes on."""

from __future__ import annotations

import asyncio
import os
import re
import shutil
from contextlib import nullcontext, suppress
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from tests.support.networks import alone, need_root
from tests.support.program import Running, wait_until
from tests.support.runs import Bench, codes, processes, results, trials, wait_for_phase

from seatrial.errors import ExitCode, RecordError
from seatrial.machine import proc
from seatrial.machine.processes.changes import Unrecorded
from seatrial.machine.processes.guard import Command, run_to_end
from seatrial.record.reader import RunReader

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.support.program import Outcome

RUN_LIMIT_S = 90.0
MAPPING = {"generator": "0", "system": "1", "origin": "0-1"}
SENTENCE = "generator on CPU 0, system on 1, origin and Seatrial itself on 0-1; generator, origin and Seatrial itself"
KILLED = """
cpus: {generator: 0, system: 1, origin: 0-1}
during: [{at: 500 ms, do: kill, member: 1, for: 100 ms}]
"""

pytestmark = pytest.mark.skipif(
    not {0, 1} <= os.sched_getaffinity(0), reason="CPUs 0 and 1 are not this process's"
)


def allowed(pid: int) -> Iterator[str]:
    """Yield what the kernel allows each thread of a process."""
    with suppress(OSError):
        for task in Path(f"/proc/{pid}/task").iterdir():
            with suppress(OSError):
                status = (task / "status").read_text()
                yield re.findall(r"^Cpus_allowed_list:\s*(\S+)$", status, re.MULTILINE)[0]


class Judge:
    """What was seen of each process that the record knows, by role; and how many there were of each name."""

    def __init__(self, run: Path) -> None:
        self.run = run
        self.lists: dict[str, set[str]] = {}
        self.pids: dict[str, set[int]] = {}

    def look(self) -> None:
        with suppress(RecordError):
            for change in processes(self.run):
                name, pid = str(change.detail["name"]), int(change.detail["pid"])
                role = "origin" if name.startswith("origin") else "system"
                for one in (pid, *proc.descendants(pid)):
                    self._take(role, name, one)
            with RunReader.open(self.run) as reader:
                accounts = [reader.account(trial.trial) for trial in reader.trials()]
            for account in accounts:
                for hello in account.hellos if account is not None else ():
                    self._take("generator", "worker", hello.pid)

    def _take(self, role: str, name: str, pid: int) -> None:
        if seen := set(allowed(pid)):
            self.lists.setdefault(role, set()).update(seen)
            self.pids.setdefault(name, set()).add(pid)


def judged(bench: Bench, running: Running) -> tuple[Judge, Outcome]:
    judge = Judge(bench.run_directory())

    def has_ended() -> bool:
        judge.look()
        return running.process.poll() is not None

    assert wait_until(has_ended, RUN_LIMIT_S)
    return judge, running.wait(RUN_LIMIT_S)


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize("place", ["machine", "namespaces"])
def test_every_process_is_where_the_plan_has_it(tmp_path: Path, place: str) -> None:
    if place == "namespaces":
        need_root()
    bench = Bench(tmp_path)
    plan = bench.plan("envoy", "nginx: {worker_processes: 2, proxies: 2}", measure="3 s")
    plan.write_text(f"{plan.read_text()}place: {place}\n{KILLED}")
    with alone() if place == "namespaces" else nullcontext(), bench.start(plan) as running:
        judge, outcome = judged(bench, running)
    assert outcome.code != ExitCode.ENVIRONMENT, outcome
    assert judge.lists == {role: {cpus} for role, cpus in MAPPING.items()}
    # A master and two workers, and those of the one that was revived; the other was left alone.
    assert (len(judge.pids["nginx-1"]), len(judge.pids["nginx-2"]), len(judge.pids["envoy"])) == (6, 3, 2), (
        judge.pids
    )
    directory = bench.run_directory()
    document = results(directory)
    for system, trial in trials(document).items():
        assert "environment.cpus" not in codes(trial), trial["validity"]
        assert trial["cpus"]["asked"] == {**MAPPING, "seatrial": "0-1"}
        found = trial["cpus"]["found"]
        assert {role: one["cpus"] for role, one in found.items()} == trial["cpus"]["asked"]
        # Those of the killed one and those of the revived one.
        assert len(found["system"]["processes"]) == (2 if system == "envoy" else 9), found
    (sentence,) = document["cpus"]
    assert sentence.startswith(SENTENCE)
    page = (directory / "report.html").read_text()
    for output in (outcome.stdout, (directory / "report.md").read_text(), page):
        assert sentence in output
    rows = (directory / "results.csv").read_text().splitlines()
    assert ["0,1,0-1,0-1" in row for row in rows[1:]] == [True, True]
    assert rows[0].count("_cpu_list") == 4
    assert "kept to their CPUs: generator on CPU 0, system on 1" in (directory / "report.md").read_text()


@pytest.mark.slow
def test_a_process_that_is_moved_is_doubted(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    plan = bench.plan("direct")
    plan.write_text(f"{plan.read_text()}cpus: {{generator: 0, origin: 1, seatrial: 0}}\n")
    with bench.start(plan) as running:
        wait_for_phase(bench.run_directory(), "ramp")
        (origin,) = (change.detail["pid"] for change in processes(bench.run_directory()))
        assert set(allowed(running.process.pid)) == {"0"}
        for task in Path(f"/proc/{origin}/task").iterdir():
            os.sched_setaffinity(int(task.name), {0})
        outcome = running.wait(RUN_LIMIT_S)
    assert outcome.code == ExitCode.INVALID_MEASUREMENT
    assert "environment.cpus" in codes(trials(results(bench.run_directory()))["direct"])
    # On a busy machine the first look in the window may have been before.
    assert re.search(r"the origin on 0(-1)?, to be on 1", outcome.stdout), outcome
    assert "generator, origin and Seatrial itself shared CPU 0" in outcome.stdout


def test_a_program_finds_its_cpus_as_it_starts(tmp_path: Path) -> None:
    async def ran() -> int:
        log = tmp_path / "nproc"
        return await run_to_end(
            Command("nproc", ("/usr/bin/nproc",), log, log, cpus=frozenset({1})), Unrecorded(), 20
        )

    assert asyncio.run(ran()) == 0
    assert (tmp_path / "nproc").read_text() == "1\n"


@pytest.mark.parametrize("command", [("run",), ("run", "--dry-run"), ("check",)])
def test_cpus_that_are_not_there_are_refused_before_anything_starts(
    tmp_path: Path, command: tuple[str, ...], invoke: Callable[..., Outcome], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    plan = Bench(tmp_path).plan("direct")
    plan.write_text(f"{plan.read_text()}cpus: {{generator: 0, origin: 4000-4001}}\n")
    outcome = invoke(command[0], str(plan), *command[1:])
    assert outcome.code == ExitCode.ENVIRONMENT
    said = outcome.stdout + outcome.stderr
    assert "the plan's `cpus` asks for CPUs 4000-4001 for the origin: this machine has" in said
    assert "`cpus: auto`" in said
    assert not (tmp_path / "runs").exists()


def test_cpus_that_this_process_may_not_use_are_refused(tmp_path: Path) -> None:
    if shutil.which("taskset") is None:
        pytest.skip("no taskset to be kept to a CPU with")
    plan = Bench(tmp_path).plan("direct")
    plan.write_text(f"{plan.read_text()}cpus: {{system: 1}}\n")
    with Running("run", "--dry-run", str(plan), prefix=("taskset", "--cpu-list", "0")) as running:
        outcome = running.wait(RUN_LIMIT_S)
    assert outcome.code == ExitCode.ENVIRONMENT
    assert "CPU 1 for the system: this process may use 0 only" in outcome.stdout
