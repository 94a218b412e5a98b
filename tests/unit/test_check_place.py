"""Where `check` and a dry run look: at the place of the plan, which is a cluster where the plan says so itself."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.support.program import Outcome

from seatrial.errors import ExitCode
from seatrial.plan.cases import compile_cases
from seatrial.plan.read import read_given_plan
from seatrial.plan.shown.compiled import compiled_document
from seatrial.record.events import RunStarted
from seatrial.record.writer import RunWriter

Invoke = Callable[..., Outcome]
PLAN = """
name: at-its-place
systems: [direct]
load: {{active: 1, rate: 10/s}}
phases: {{warmup: 0 s, measure: 1 s}}
repeat: 1
{place}
"""
ON_CLUSTER = "place: kubernetes"
NO_CLUSTER = "no cluster is known here"


@pytest.fixture(autouse=True)
def no_cluster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "there-is-none"))
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)


def plan_at(folder: Path, place: str) -> str:
    file = folder / "plan.yaml"
    file.write_text(PLAN.format(place=place))
    return str(file)


def begun_run(folder: Path, place: str) -> str:
    """Return the directory of a run that was killed before its first trial."""
    given = read_given_plan(plan_at(folder, place))
    compiled = json.dumps(compiled_document(given.plan, compile_cases(given.plan), given.scale))
    with RunWriter.create(folder / "runs", given.plan.name, given.text, compiled) as writer:
        writer.environment({})
        writer.append(RunStarted(writer.path.name, given.plan.name, 1))
    return str(writer.path)


@pytest.mark.parametrize("command", [("check",), ("check", "--network"), ("run", "--dry-run")])
def test_a_plan_of_a_cluster_is_never_held_against_this_machine(
    command: tuple[str, ...], invoke: Invoke, tmp_path: Path
) -> None:
    outcome = invoke(*command, plan_at(tmp_path, ON_CLUSTER))
    assert outcome.code == ExitCode.ENVIRONMENT
    assert outcome.stdout == ""
    assert NO_CLUSTER in outcome.stderr
    assert not (tmp_path / "runs").exists()


def test_a_run_on_a_cluster_is_gone_on_with_there(invoke: Invoke, tmp_path: Path) -> None:
    outcome = invoke("run", "--dry-run", "--resume", begun_run(tmp_path, ON_CLUSTER))
    assert (outcome.code, outcome.stdout) == (ExitCode.ENVIRONMENT, "")
    assert NO_CLUSTER in outcome.stderr


def test_which_cluster_is_said_without_saying_again_that_it_is_one(invoke: Invoke, tmp_path: Path) -> None:
    named = ("--kubeconfig", str(tmp_path / "another"))
    for command in (("check",), ("run", "--dry-run")):
        outcome = invoke(*command, plan_at(tmp_path, ON_CLUSTER), *named)
        assert f"there is no kubeconfig {tmp_path / 'another'}" in outcome.stderr
    for words in (("check",), ("check", plan_at(tmp_path, "")), ("run", "--dry-run", plan_at(tmp_path, ""))):
        outcome = invoke(*words, *named)
        assert outcome.code == ExitCode.BAD_INPUT
        assert "--kubeconfig and --context go with --on kubernetes" in outcome.stderr


@pytest.mark.parametrize(
    ("place", "flags", "error", "hint"),
    [
        (ON_CLUSTER, ("--tune",), "its nodes are not Seatrial's to change", "leave it out: the journal"),
        ("", ("--on", "kubernetes", "--tune"), "--tune is of this machine", "leave it out: the journal"),
        (
            f"{ON_CLUSTER}\nkubernetes: {{nodes: any}}",
            ("--network",),
            "--network: with `kubernetes: {nodes: any}` the roles have no nodes of their own",
            "label the nodes",
        ),
        (ON_CLUSTER, ("--rbac", "--network"), "--rbac prints the least role", "check --on kubernetes --rbac"),
        ("", ("--rbac",), "--rbac goes with --on kubernetes", "check --on kubernetes --rbac"),
    ],
)
def test_what_makes_no_sense_at_a_place_is_refused_before_anything_is_asked(
    place: str, flags: tuple[str, ...], error: str, hint: str, invoke: Invoke, tmp_path: Path
) -> None:
    outcome = invoke("check", plan_at(tmp_path, place), *flags)
    assert (outcome.code, outcome.stdout) == (ExitCode.BAD_INPUT, "")
    assert error in outcome.stderr
    assert hint in outcome.stderr.partition("hint: ")[2]


def test_the_role_of_a_plan_of_a_cluster_is_printed_without_one(invoke: Invoke, tmp_path: Path) -> None:
    outcome = invoke("check", plan_at(tmp_path, ON_CLUSTER), "--rbac")
    assert outcome.code == ExitCode.PASS
    assert "kind: ClusterRole" in outcome.stdout


def test_a_run_of_this_machine_does_not_go_on_on_a_cluster(invoke: Invoke, tmp_path: Path) -> None:
    outcome = invoke("run", "--dry-run", "--resume", begun_run(tmp_path, ""), "--on", "kubernetes")
    assert outcome.code == ExitCode.BAD_INPUT
    assert "was not made on a cluster" in outcome.stderr
    assert "hint: leave out --on kubernetes" in outcome.stderr


def test_where_its_document_cannot_be_written_nothing_is_measured(invoke: Invoke, tmp_path: Path) -> None:
    nowhere = tmp_path / "no-such-folder" / "check.json"
    outcome = invoke("check", plan_at(tmp_path, ""), "--network", "--json", str(nowhere))
    assert (outcome.code, outcome.stdout) == (ExitCode.ENVIRONMENT, "")
    assert str(nowhere) in outcome.stderr
    assert "measuring" not in outcome.stderr
