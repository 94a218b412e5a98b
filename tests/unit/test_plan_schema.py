"""The schema says the same as the reader, and the reference page says all that the schema does."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from seatrial.limits import named_limits
from seatrial.plan.metrics import METRICS
from seatrial.plan.model.variables import VARIABLES
from seatrial.plan.read import parse_plan
from seatrial.plan.shown.reference import reference_text
from seatrial.plan.shown.schema import json_schema
from seatrial.plan.written.decode import SECTIONS, allowed_keys
from seatrial.plan.yaml.yaml12 import List, Map, Node, read_yaml

PLANS = sorted((Path(__file__).parents[2] / "plans").glob("*.yaml"))
SCHEMA = json_schema()
TYPES: dict[str, type | tuple[type, ...]] = {
    "object": dict, "array": list, "string": str, "integer": int, "number": (int, float), "null": type(None),
    "boolean": bool,
}  # fmt: skip


def plain(node: Node | None) -> Any:
    if isinstance(node, Map):
        return {key: plain(entry.node) for key, entry in node.entries.items()}
    if isinstance(node, List):
        return [plain(item) for item in node.items]
    assert node is not None
    return node.value


def fits(value: Any, schema: dict[str, Any]) -> bool:
    """Judge by the keywords that our schema uses (JSON Schema 2020-12, validation vocabulary)."""
    schema = SCHEMA["$defs"].get(str(schema.get("$ref")).removeprefix("#/$defs/"), schema)
    if "anyOf" in schema:
        return any(fits(value, option) for option in schema["anyOf"])
    if "const" in schema or "enum" in schema:
        return value in schema.get("enum", [schema.get("const")])
    kinds = [schema["type"]] if isinstance(schema["type"], str) else schema["type"]
    if not any(isinstance(value, TYPES[kind]) for kind in kinds):
        return False
    if isinstance(value, str):
        return re.search(schema.get("pattern", ""), value) is not None
    if isinstance(value, list):
        sizes = schema.get("minItems", 0) <= len(value) <= schema.get("maxItems", len(value))
        return sizes and all(fits(item, schema["items"]) for item in value)
    return not isinstance(value, dict) or object_fits(value, schema)


def object_fits(value: dict[str, Any], schema: dict[str, Any]) -> bool:
    known, further = schema.get("properties", {}), schema["additionalProperties"]
    inside = all(fits(item, known[key]) for key, item in value.items() if key in known)
    beyond = all(further and fits(item, further) for key, item in value.items() if key not in known)
    return inside and beyond and set(schema.get("required", ())) <= set(value)


@pytest.mark.parametrize("path", PLANS, ids=lambda path: path.stem)
def test_the_plans_that_come_along_fit(path):
    assert fits(plain(read_yaml(path.read_text())[0]), SCHEMA)


@pytest.mark.parametrize(
    "line",
    [
        "repeats: 3",
        "origin: {body: 600}",
        "load: {loop: opne}",
        "vary: {rate: 1}",
        "objectives: [p95 < 1 s]",
        "seed: yes",
    ],
)
def test_what_the_reader_refuses_does_not_fit(line):
    text = "name: a\nsystems: [direct, envoy: {label: x}, nginx:]\nphases: {measure: 1 s}\n"
    assert fits(plain(read_yaml(text)[0]), SCHEMA)
    assert not fits(plain(read_yaml(text + line)[0]), SCHEMA)


def test_every_key_has_a_description_and_an_example_and_no_other_name():
    assert SCHEMA["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert set(SCHEMA["properties"]) == set(allowed_keys(()))
    for section, name in ((("load",), "LoadPlan"), (("origin",), "OriginPlan"), (("phases",), "PhasePlan")):
        properties = SCHEMA["$defs"][name]["properties"]
        assert set(properties) == set(allowed_keys(section))
        assert all(schema["description"] and schema["examples"] for schema in properties.values())


def test_the_reference_has_every_key_metric_variable_and_limit():
    page = reference_text()
    words = {key for section in SECTIONS for key in allowed_keys(section)} | {
        *METRICS,
        *VARIABLES,
        *named_limits(),
    }
    assert [word for word in sorted(words) if f"| `{word}` |" not in page] == []


@pytest.mark.parametrize(("word", "is_on"), [("yes", True), ("true", True), ("no", False), ("false", False)])
def test_every_switch_is_written_with_either_pair_of_words(word, is_on):
    text = (
        "name: a\nsystems: [direct, envoy: {tls_upstream: WORD}]\nphases: {measure: 1 s}\n"
        "load: {rate: 1/s, spin: WORD, route_latency: WORD, tls: {resumption: WORD}}\n"
        "kubernetes: {node_probes: WORD, shared_nodes: WORD}\n"
    ).replace("WORD", word)
    plan = parse_plan(text, "plan.yaml")
    assert fits(plain(read_yaml(text)[0]), SCHEMA)
    tls = plan.load.tls
    assert tls is not None
    switches = (plan.load.spin, plan.load.route_latency, tls.resumption)
    assert {*switches, plan.kubernetes.node_probes, plan.kubernetes.shared_nodes} == {is_on}
    assert vars(plan.systems[1].options)["tls_upstream"] is is_on
