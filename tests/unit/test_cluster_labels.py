"""Labels by which what a run made is found again, and the least role for what it does."""

from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as some

from seatrial.cluster.labels import RUN, label_value, labelled, new_run_id, run_of, selector
from seatrial.cluster.rights import Right, least_roles, rights_to

# What the API server's own check is (IsValidLabelValue of k8s.io/apimachinery), but for the empty one.
VALID = re.compile(r"[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?")


@given(some.text(min_size=1, max_size=200))
def test_any_text_becomes_a_value_that_is_allowed(text: str) -> None:
    assert VALID.fullmatch(label_value(text))


@pytest.mark.parametrize("text", ["20261126T164605Z-first", "a", "A.b_c-9", "x" * 63])
def test_what_is_a_value_stays_as_it_is(text: str) -> None:
    assert label_value(text) == text


def test_texts_that_differ_have_values_that_differ() -> None:
    texts = ["a=b", "a+b", "a b", "a-b", "x" * 64, "x" * 65, "-a", "a-", "_", "é", "è"]
    assert len({label_value(text) for text in texts}) == len(texts)
    assert new_run_id("same") != new_run_id("same")


def test_pods_are_found_by_the_run_too() -> None:
    job: dict[str, Any] = {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": "j", "labels": {"own": "1"}},
        "spec": {
            "template": {"metadata": {"labels": {"app": "w"}}, "spec": {"containers": []}},
            "completions": 2,
        },
    }
    made = labelled(job, "run=1")
    assert run_of(made) == run_of(made["spec"]["template"]) == label_value("run=1")
    assert made["metadata"]["labels"]["own"] == "1"
    assert made["spec"]["template"]["metadata"]["labels"]["app"] == "w"
    assert made["spec"]["completions"] == 2
    # The one that was given is as it was.
    assert RUN not in job["metadata"]["labels"]
    assert run_of(labelled({"metadata": {}}, "a")) == "a"
    assert (selector(), selector("a")) == (RUN, f"{RUN}=a")


def test_the_least_role_has_each_right_once() -> None:
    rights = (
        *rights_to("get list", "pods services"),
        *rights_to("get", "pods/log"),
        *rights_to("get", "pods"),
        *rights_to("create", "jobs", group="batch", namespace="n"),
    )
    cluster, role = least_roles(rights)
    assert cluster["kind"] == "ClusterRole"
    assert cluster["rules"] == [
        {"apiGroups": [""], "resources": ["pods/log"], "verbs": ["get"]},
        {"apiGroups": [""], "resources": ["pods", "services"], "verbs": ["get", "list"]},
    ]
    assert (role["kind"], role["metadata"]["namespace"]) == ("Role", "n")
    assert str(Right("batch", "jobs", "status", "get", "n")) == "get jobs.batch/status in n"
