"""A run that is gone on with: what is kept, in which order the rest follows, and when it is refused."""

from __future__ import annotations

import asyncio
import copy
import csv
import io
import json
import signal
import sqlite3
import subprocess
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from tests.support.made_run import ENVIRONMENT, PLAN_TEXT, Twist
from tests.support.made_trials import Twists, happened, make_trials_up
from tests.support.runs import START_LIMIT_S

from seatrial.analysis.reasons import Validity
from seatrial.analysis.run.environments import changes_in, differences, mixed, number_of
from seatrial.analysis.run.model import RunSummary
from seatrial.analysis.run.summary import summarise_run
from seatrial.cli.main import main
from seatrial.errors import EnvironmentFault, ExitCode, PlanError, RecordError
from seatrial.machine import proc
from seatrial.machine.undoers import Undone
from seatrial.plan.cases import compile_cases
from seatrial.plan.read import GivenPlan, given_again
from seatrial.plan.scale import parse_scale
from seatrial.plan.shown.compiled import compiled_document
from seatrial.record import events
from seatrial.record.environment import LOAD_NODE
from seatrial.record.reader import RunReader
from seatrial.record.tables.rows import RecordedEnvironment
from seatrial.record.writer import RunWriter
from seatrial.report.csv import results_csv
from seatrial.report.html import render_html
from seatrial.report.json import results_document
from seatrial.report.markdown import render_markdown
from seatrial.run import plan as run_plan_module
from seatrial.run.agenda import Agenda, Past, TrialPlan
from seatrial.run.ending import Ending
from seatrial.run.judgement import validity_of
from seatrial.run.places import machine
from seatrial.run.resume import Resumption, resumption_of

PLAN = PLAN_TEXT.replace("[direct, envoy, nginx]", "[direct]")
LATE = Twist(lateness_us=2_000)


def given(scale: str = "1") -> GivenPlan:
    return given_again(PLAN, "plan.yaml", parse_scale(scale))


def planned(scale: str = "1") -> Agenda:
    plan = given(scale).plan
    return Agenda(plan, compile_cases(plan))


def killed_run(
    parent: Path,
    trials: int,
    *,
    in_trial: bool = False,
    twists: Twists | None = None,
    scale: str = "1",
    learnt: dict[str, Any] | None = None,
) -> Path:
    """Write a run that was killed after so many trials, or in the next one."""
    plan = given(scale)
    cases = compile_cases(plan.plan)
    compiled = json.dumps(compiled_document(plan.plan, cases, plan.scale))
    agenda, seen = planned(scale), list[Past]()
    with RunWriter.create(parent, plan.plan.name, PLAN, compiled) as writer:
        writer.append(events.RunStarted(writer.path.name, plan.plan.name, agenda.planned))
        writer.environment(ENVIRONMENT)
        if learnt is not None:
            writer.environment({**ENVIRONMENT, **learnt})
        for _ in range(trials + in_trial):
            trial = agenda.next(seen)
            assert trial is not None
            told = happened(trial, (twists or {}).get(trial.order, Twist()))
            is_cut = len(seen) == trials
            for event in told[: len(told) // 2] if is_cut else told:
                writer.append(event)
            if not is_cut:
                with RunReader.open(writer.path) as reader:
                    validity = validity_of(reader, trial.order)
                seen.append(Past(trial.case.id, validity))
    return writer.path


def resume(
    monkeypatch: pytest.MonkeyPatch,
    found: Resumption,
    *,
    twists: Twists | None = None,
    environment: dict[str, Any] = ENVIRONMENT,
    allow_changes: bool = False,
) -> list[TrialPlan]:
    """Go on with a run, with trials that are made up; return those that were run."""
    made = make_trials_up(monkeypatch, twists or {}, environment)
    asyncio.run(
        run_plan_module.resume_plan(found, run_plan_module.Audience(), Ending(), allow_changes=allow_changes)
    )
    return made


def summary_of(run: Path) -> RunSummary:
    with RunReader.open(run) as reader:
        return summarise_run(reader)


@pytest.mark.parametrize(("trials", "in_trial"), [(0, False), (0, True), (3, True), (5, False), (8, False)])
def test_a_run_that_was_killed_is_run_to_its_end(tmp_path, monkeypatch, trials, in_trial):
    run = killed_run(tmp_path, trials, in_trial=in_trial)
    with RunReader.open(run) as reader:
        frames = {trial.trial: reader.frames(trial.trial) for trial in reader.trials()}
    made = resume(monkeypatch, resumption_of(run))
    following = uninterrupted()
    rest = following[trials:]
    assert [(trial.case.id, trial.repeat, trial.seed) for trial in made] == rest
    assert [trial.order for trial in made] == [trials + in_trial + at for at in range(1, len(rest) + 1)]
    summary = summary_of(run)
    assert (summary.run.state, summary.exit_code, summary.set_aside) == ("finished", ExitCode.PASS, in_trial)
    assert all(len(case.trials) == 2 for case in summary.cases)
    with RunReader.open(run) as reader:
        assert {trial: reader.frames(trial) for trial in frames} == frames, "what was measured stays"
        assert len({trial.trial for trial in reader.trials()}) == len(following) + in_trial
    if in_trial:
        assert f"trial {trials + 1} ({made[0].case.id}) was cut off and is run anew" in render_markdown(
            summary
        )
        (aside,) = [trial for case in summary.cases for trial in case.set_aside]
        assert (aside.trial, aside.state) == (trials + 1, "cut off")
    found = resumption_of(run)
    assert found.is_complete
    assert not list(found.rest())


def uninterrupted() -> list[tuple[str, int, int]]:
    agenda, seen, found = planned(), list[Past](), []
    while (trial := agenda.next(seen)) is not None:
        found.append((trial.case.id, trial.repeat, trial.seed))
        seen.append(Past(trial.case.id, Validity()))
    return found


def test_attempts_that_were_set_aside_count_as_they_did(tmp_path, monkeypatch):
    whole = killed_run(tmp_path / "whole", 11, twists={2: LATE, 3: LATE, 9: LATE})
    with RunReader.open(whole) as reader:
        expected = [(trial.case_id, trial.repeat) for trial in reader.trials()]
    run = killed_run(tmp_path / "cut", 5, twists={2: LATE, 3: LATE, 9: LATE}, in_trial=True)
    # Numbers are one higher after the one that was cut off.
    made = resume(monkeypatch, resumption_of(run), twists={10: LATE})
    assert [(trial.case.id, trial.repeat) for trial in made] == expected[5:]
    assert (summary_of(run).set_aside, summary_of(run).exit_code) == (4, ExitCode.PASS)


def test_a_run_that_was_cut_off_again_and_again_has_each_trial_once(tmp_path, monkeypatch):
    run = killed_run(tmp_path, 2, in_trial=True)
    for _ in range(2):
        found = resumption_of(run)
        with RunWriter.reopen(run, found.begun) as writer:
            trial = next(found.rest())
            told = happened(trial, Twist())
            for event in told[: len(told) // 2]:
                writer.append(event)
    found = resumption_of(run)
    assert [trial.trial for trial in found.cut] == [5]
    resume(monkeypatch, found)
    summary = summary_of(run)
    assert (summary.exit_code, summary.trials, summary.set_aside) == (ExitCode.PASS, 11, 3)


def another_kernel() -> dict[str, Any]:
    changed: dict[str, Any] = copy.deepcopy(ENVIRONMENT)
    changed["kernel"] = "Linux 6.2.0"
    changed["binaries"]["envoy"]["sha256"] = "ef" * 32
    return changed


def test_another_environment_is_refused_and_named(tmp_path, monkeypatch):
    run = killed_run(tmp_path, 3)
    before = (run / "record.db").read_bytes()
    with pytest.raises(EnvironmentFault) as caught:
        resume(monkeypatch, resumption_of(run), environment=another_kernel())
    assert "kernel: Linux 6.1.0, then Linux 6.2.0" in caught.value.what
    assert f"program envoy sha256: {'cd' * 32}, then {'ef' * 32}" in caught.value.what
    assert "--allow-changed-environment" in str(caught.value.next_step)
    assert (run / "record.db").read_bytes() == before


def test_another_environment_that_is_allowed_is_named_in_every_output(tmp_path, monkeypatch):
    run = killed_run(tmp_path, 6)
    resume(monkeypatch, resumption_of(run), environment=another_kernel(), allow_changes=True)
    summary = summary_of(run)
    sentence = (
        "the trials from 7 on were run in another environment than those before: kernel: Linux 6.1.0, then"
    )
    assert summary.findings[0].startswith(sentence)
    assert sentence in render_markdown(summary)
    assert sentence in render_html(summary)
    document = results_document(summary)
    assert document["environment_changes"][0]["first_trial"] == 7
    assert [row["environment"] for row in csv.DictReader(io.StringIO(results_csv(summary)))] == [*"11111122"]
    # Four cases twice: of the last two trials, each case has one in both environments.
    mixed = [case for case in summary.cases if case.state == "INVALID"]
    assert len(mixed) == 2
    assert {reason.code for case in mixed for reason in case.validity.reasons} == {"environment.changed"}
    assert summary.exit_code == ExitCode.INVALID_MEASUREMENT


@pytest.mark.parametrize("kernel", ["6.1.0", "6.8.0"])
def test_what_is_known_only_once_a_place_stands_is_held_against_what_was(tmp_path, monkeypatch, kernel):
    run = killed_run(tmp_path, 6, learnt={LOAD_NODE: {"kernel": "6.1.0", "cpus": 4}})
    node = {LOAD_NODE: {"kernel": kernel, "cpus": 4}}
    monkeypatch.setattr(machine._Standing, "learnt", lambda _: node)
    # It is not missed before.
    resume(monkeypatch, resumption_of(run))
    with RunReader.open(run) as reader:
        assert reader.environment() == {**ENVIRONMENT, **node}
        said = [
            note
            for note in map(str, reader.journal())
            if "not as it was: load node kernel: 6.1.0, then" in note
        ]
    summary = summary_of(run)
    if kernel == "6.1.0":
        assert (said, summary.exit_code) == ([], ExitCode.PASS)
        return
    assert len(said) == 1
    assert "load node kernel: 6.1.0, then 6.8.0" in summary.findings[0]
    assert summary.exit_code == ExitCode.INVALID_MEASUREMENT


@pytest.mark.parametrize(
    ("way", "value", "is_other"),
    [
        (("memory", "available_bytes"), 1, False),
        (("binaries", "envoy", "path"), "/elsewhere/envoy", False),
        (("memory", "total_bytes"), 8_000_004_096, False),
        (("memory", "total_bytes"), 9_000_000_000, True),
        (("sysctls", "net.core.somaxconn"), "4097", True),
        (("cpu", "governor"), "powersave", True),
        (("limits", "open_files", "hard"), None, True),
        (("seatrial", "engine_sha256"), "00", True),
    ],
)
def test_what_is_another_environment(way, value, is_other):
    changed: dict[str, Any] = copy.deepcopy(ENVIRONMENT)
    inner = changed
    for name in way[:-1]:
        inner = inner[name]
    inner[way[-1]] = value
    assert bool(differences(ENVIRONMENT, changed)) is is_other


def test_only_environments_that_trials_were_run_in_count():
    first, other = dict(ENVIRONMENT), another_kernel()
    # Resumed elsewhere and cut off at once, then on the first machine again; then elsewhere, and back.
    recorded = [(1, first), (5, other), (5, first), (7, other), (8, first)]
    changes = changes_in([RecordedEnvironment(trial, "", document) for trial, document in recorded])
    assert [(change.first_trial, change.number) for change in changes] == [(7, 2), (8, 1)]
    assert [number_of(changes, trial) for trial in (4, 5, 7, 8)] == [1, 1, 2, 1]
    assert not mixed(changes, [4, 5, 9])
    assert [reason.code for reason in mixed(changes, [4, 7])] == ["environment.changed"]


def test_trials_of_an_unknown_environment_are_of_another():
    assert [str(one) for one in differences({}, ENVIRONMENT)] == ["the environment: not recorded, then known"]


def test_another_plan_is_refused_with_what_differs(tmp_path):
    run = killed_run(tmp_path, 1)
    other, same = tmp_path / "other.yaml", tmp_path / "same.yaml"
    other.write_text(PLAN.replace("measure: 6 s", "measure: 7 s").replace("active: 50", "active: 60"))
    same.write_text("# The same, with a remark.\n" + PLAN)
    with pytest.raises(
        PlanError, match=r"active: 50 in the run, 60 here; phases measure_s: 6.0 in the run, 7.0"
    ):
        resumption_of(run, other)
    assert resumption_of(run, same).given.text == PLAN
    (run / "plan.yaml").write_text(other.read_text())
    with pytest.raises(PlanError, match=r"plan\.yaml is not the plan of"):
        resumption_of(run)
    # The record has it, too.
    (run / "plan.yaml").unlink()
    assert len(resumption_of(run).history) == 1


def test_the_scale_is_that_of_the_run(tmp_path):
    run = killed_run(tmp_path, 1, scale="1/10")
    assert resumption_of(run, scale="0.1").given.plan.name == "made-run-at-1-10"
    with pytest.raises(PlanError, match="--scale 1/5 is not that of"):
        resumption_of(run, scale="1/5")
    whole = killed_run(tmp_path, 1)
    with pytest.raises(PlanError, match="at 1 of its plan's size"):
        resumption_of(whole, scale="1/10")


def test_what_a_killed_run_left_behind_is_ended_first(tmp_path, monkeypatch):
    run = killed_run(tmp_path, 8)
    with subprocess.Popen(["sleep", "600"]) as left:
        ticks = proc.started_ticks(left.pid)
        ours = {
            "boot_id": proc.boot_id(),
            "pid": left.pid,
            "started_ticks": ticks,
            "name": "proxy",
            "argv": ["sleep"],
        }
        with RunWriter.reopen(run, 8) as writer:
            writer.will_start("process", ours)
        resume(monkeypatch, resumption_of(run))
        assert left.wait(START_LIMIT_S) == -signal.SIGTERM
    with RunReader.open(run) as reader:
        assert all(change.undone_utc for change in reader.changes())


def test_what_was_changed_last_is_put_back_first(tmp_path, monkeypatch):
    run, put_back = killed_run(tmp_path, 3), list[str]()

    def undo(detail: Mapping[str, Any], _run: Path) -> Undone:
        put_back.append(detail["name"])
        return Undone(detail["name"])

    monkeypatch.setattr("seatrial.run.resume.UNDOERS", {"objects": undo})
    with RunWriter.reopen(run, 3) as writer:
        for name in ("namespace", "definition", "object"):
            writer.will_start("objects", {"name": name})
    resume(monkeypatch, resumption_of(run))
    assert put_back == ["object", "definition", "namespace"]


def test_what_cannot_be_put_back_keeps_a_run_from_going_on(tmp_path, monkeypatch):
    run = killed_run(tmp_path, 3)
    with RunWriter.reopen(run, 3) as writer:
        writer.will_start("of a later version", {"name": "x"})
    with pytest.raises(EnvironmentFault, match="cannot be put back: of a later version"):
        resume(monkeypatch, resumption_of(run))
    assert len(resumption_of(run).history) == 3


def test_numbers_whose_folders_are_there_are_not_used_again(tmp_path, monkeypatch):
    run = killed_run(tmp_path, 2)
    # As after a power failure: the record lacks the last trial, the disk has its folders.
    (run / "configs" / "0003-direct").mkdir()
    assert [trial.order for trial in resume(monkeypatch, resumption_of(run))] == list(range(4, 10))


def test_a_run_that_is_being_written_is_left_alone(tmp_path):
    run = killed_run(tmp_path, 2)
    found = resumption_of(run)
    with RunWriter.reopen(run, found.begun) as writer:
        with pytest.raises(RecordError, match="is being written by another run"):
            resumption_of(run)
        with pytest.raises(RecordError, match="is being written by another run"):
            RunWriter.reopen(run, found.begun)
        for event in happened(next(found.rest()), Twist()):
            writer.append(event)
    with pytest.raises(RecordError, match="gone on with by another process"):
        RunWriter.reopen(run, found.begun)


def test_what_cannot_be_read_is_not_gone_on_with(tmp_path):
    run = killed_run(tmp_path, 2)
    with closing(sqlite3.connect(run / "record.db")) as connection:
        connection.execute("UPDATE trials SET facts = '{' WHERE id = 1")
        connection.commit()
    with pytest.raises(RecordError) as caught:
        resumption_of(run)
    assert "row 1 of the table trials" in str(caught.value.cause)
    (run / "record.db").write_bytes(b"no database" * 1_000)
    with pytest.raises(RecordError):
        resumption_of(run)
    with pytest.raises(RecordError, match="is not a run directory"):
        resumption_of(tmp_path)


def test_a_record_that_was_cut_off_as_it_began_is_not_gone_on_with(tmp_path):
    run = killed_run(tmp_path, 0)
    with closing(sqlite3.connect(run / "record.db")) as connection:
        connection.execute("DELETE FROM cases WHERE position = 2")
        connection.commit()
    with pytest.raises(RecordError) as caught:
        resumption_of(run)
    assert "does not have all cases" in str(caught.value.cause)


def test_trials_of_another_order_are_not_gone_on_with(tmp_path):
    run = killed_run(tmp_path, 2)
    with closing(sqlite3.connect(run / "record.db")) as connection:
        connection.execute(
            "UPDATE trials SET case_id = (SELECT case_id FROM trials WHERE id = 2) WHERE id = 1"
        )
        connection.commit()
    with pytest.raises(RecordError, match="cannot be gone on with"):
        resumption_of(run)


def code_of(*arguments: str) -> int:
    """Run ``seatrial run`` in this process; return its exit code."""
    with pytest.raises(SystemExit) as ended:
        main(["run", *arguments])
    assert isinstance(ended.value.code, int)
    return ended.value.code


def test_the_command_line_says_what_cannot_go_together(tmp_path, capsys):
    run = str(killed_run(tmp_path, 1))
    for arguments, said in [
        ([], "a plan file, or --resume DIR"),
        (["--resume", run, "--runs", "elsewhere"], "--resume goes on with the one there is"),
        (["plan.yaml", "--allow-changed-environment"], "--allow-changed-environment is of --resume"),
        (["--resume", run, "--scale", "1/2"], "at 1 of its plan's size"),
        (["--resume", str(tmp_path)], "is not a run directory"),
    ]:
        assert code_of(*arguments) == ExitCode.BAD_INPUT
        assert said in capsys.readouterr().err


def test_a_dry_run_shows_what_is_left(tmp_path, capsys):
    run = killed_run(tmp_path, 5, in_trial=True)
    before = (run / "record.db").read_bytes()
    # The environment is made up, so this machine is another one.
    assert code_of("--resume", str(run), "--dry-run") == ExitCode.ENVIRONMENT
    said = capsys.readouterr().out
    assert "5 of 8 planned trials are there; trial 6 (direct-" in said
    assert "trials    3\n" in said
    assert "refuse  environment" in said
    assert "not as it was: host: bench-1, then" in said
    code_of("--resume", str(run), "--dry-run", "--allow-changed-environment")
    assert "warn    environment" in capsys.readouterr().out
    assert (run / "record.db").read_bytes() == before


def test_a_complete_run_says_so_and_ends_as_it_did(tmp_path, monkeypatch, capsys):
    run = killed_run(tmp_path, 8, twists={1: Twist(counts_off=1)})
    # Nothing but its end is missing.
    resume(monkeypatch, resumption_of(run))
    for target in ([], ["--json", "-"]):
        assert code_of("--resume", str(run), *target) == ExitCode.INVALID_MEASUREMENT
        found = capsys.readouterr()
        assert "is complete: 8 of 8 planned trials are there, and none is left to run" in found.err
    assert json.loads(found.out)["run"]["exit_code"] == ExitCode.INVALID_MEASUREMENT
