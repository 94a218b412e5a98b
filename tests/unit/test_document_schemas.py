"""The published schemas of documents: made from the code, and every document is as they have it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from copy import deepcopy
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from tests.support.made_run import make_run
from tests.support.made_runs import KINDS, made
from tests.support.schemas import PUBLISHED, assert_published, validator

import seatrial
from seatrial.report.schemas.documents import SCHEMAS, schema_of


@pytest.mark.parametrize("name", SCHEMAS)
def test_what_is_published_is_what_the_code_says(name):
    published = json.loads((PUBLISHED / f"{name}.json").read_text())
    assert published == schema_of(name), "run: python docs/generate_schemas.py"
    Draft202012Validator.check_schema(published)


@pytest.mark.parametrize("kind", KINDS)
def test_every_document_is_as_its_schema_has_it(tmp_path, kind):
    run = seatrial.open_run(made(tmp_path, kind))
    assert_published("results", run.results())
    for case in run.summary.cases:
        for trial in case.attempts:
            assert trial.load is not None
            assert_published("load", json.loads(json.dumps(trial.load.to_json())))


def test_a_key_that_is_not_documented_fails_wherever_it_is(tmp_path):
    results = seatrial.open_run(make_run(tmp_path, systems=("envoy",), trials=1)).results()
    (case,) = [case for case in results["cases"] if case["trials"]]
    found = 0
    for part in objects_in(case["trials"][0], results["run"], case["verdict"]):
        # What is by name, as statuses are, takes any name, but not any value.
        part["undocumented"] = {"a": object()}
        assert not validator("results").is_valid(results), part
        del part["undocumented"]
        found += 1
    assert found > 50
    assert_published("results", results)


@pytest.mark.parametrize("missing", ["validity", "latency_us", "requests"])
def test_a_key_that_is_missing_fails(tmp_path, missing):
    results = seatrial.open_run(make_run(tmp_path, systems=("envoy",), trials=1)).results()
    load = deepcopy(results["cases"][0]["trials"][0]["load"])
    for reason in load["validity"]["reasons"]:
        del reason["fault"]
    assert_published("load", load)
    del load[missing]
    assert not validator("load").is_valid(load)


def objects_in(*values: Any) -> Iterator[dict[str, Any]]:
    for value in values:
        if isinstance(value, dict):
            yield value
            yield from objects_in(*value.values())
        elif isinstance(value, list):
            # One of a list stands for all of them.
            yield from objects_in(*value[:1])
