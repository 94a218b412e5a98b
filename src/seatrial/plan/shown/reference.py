"""The plan reference as Markdown, made from the JSON Schema: every key, its form, its default and an example."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from seatrial.limits import named_limits
from seatrial.plan.metrics import COMPARISONS, METRICS
from seatrial.plan.observed import STATISTICS
from seatrial.plan.shown.schema import json_schema, options_schema
from seatrial.systems.registry import SYSTEMS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

_INTRODUCTION = """\
# The plan file

Made from the schema that `seatrial plan schema` prints; do not edit. A plan is YAML 1.2: `on` is a word, `012` is
twelve, and a key given twice is a mistake. Durations and sizes have units (`30 s`, `5 min`, `250 us`; `600 B`, `22 KB`,
`22 KiB`), rates and counts may have a `k` or `M` (`10k/s`, `100k`). `seatrial plan lint FILE` says every mistake with
its place; `seatrial plan show FILE` prints the plan with every default filled in.
"""


def reference_text() -> str:
    """Return the page."""
    schema = json_schema()
    return (
        "\n".join([_INTRODUCTION, *_top(schema), *_systems(), *_sections(schema), *_metrics(), *_limits()])
        + "\n"
    )


def _top(schema: Mapping[str, Any]) -> Iterator[str]:
    yield "## The whole\n"
    yield from _table(schema["properties"], schema["required"], schema["$defs"])


def _systems() -> Iterator[str]:
    yield "\n## `systems`\n"
    yield "A list; each entry is one of these words, or one word with a mapping of options: `envoy: {concurrency: 2}`."
    for kind in SYSTEMS:
        schema = options_schema(kind)
        yield f"\n### `{kind}`\n\n{schema['description']}\n"
        yield from _table(schema["properties"], (), {})
        yield from _mappings_of(kind, schema)
        yield from _said_of(schema)


def _mappings_of(kind: str, schema: Mapping[str, Any]) -> Iterator[str]:
    """Yield the keys of each option that is a mapping of known keys."""
    for key, option in schema["properties"].items():
        for form in option.get("anyOf", ()):
            if "properties" in form and key != "config":
                yield f"\n#### `{key}` of `{kind}`\n\n{form['description']}\n"
                yield from _table(form["properties"], (), {})


def _said_of(schema: Mapping[str, Any]) -> Iterator[str]:
    """Yield what a kind does not count, and which options it has not."""
    if schema["x-not-counted"]:
        yield f"\nNot counted: {'; '.join(schema['x-not-counted'])}."
    for lack in schema["x-lacks"]:
        yield f"\n`{lack['option']}`: {lack['why']}."


_SECTIONS = {
    "origin": "OriginPlan",
    "cpus": "CpusPlan",
    "kubernetes": "KubernetesPlan",
    "topology": "TopologyPlan",
    "load": "LoadPlan",
    "phases": "PhasePlan",
    "objects": "ObjectsPlan",
    "discovery": "DiscoveryPlan",
    "observe": "ObservePlan",
    "sanity": "SanityPlan",
}


def _sections(schema: Mapping[str, Any]) -> Iterator[str]:
    definitions = schema["$defs"]
    for key, name in _SECTIONS.items():
        yield f"\n## `{key}`\n\n{definitions[name]['description']}\n"
        yield from _table(definitions[name]["properties"], definitions[name].get("required", ()), definitions)
    yield f"\n### `tls` as a mapping\n\n{definitions['TlsPlan']['description']}\n"
    yield from _table(definitions["TlsPlan"]["properties"], (), definitions)
    yield f"\n### `delay` as a mapping\n\n{definitions['DelayPlan']['description']}\n"
    yield from _table(definitions["DelayPlan"]["properties"], (), definitions)
    for key, name in (("`prometheus`", "PrometheusPlan"), ("Each of `queries`", "QueryPlan")):
        yield f"\n### {key} as a mapping\n\n{definitions[name]['description']}\n"
        yield from _table(definitions[name]["properties"], definitions[name].get("required", ()), definitions)
    during = definitions["DisturbancePlan"]
    yield f"\n## `during`\n\n{schema['properties']['during']['description']} Each is a mapping:\n"
    yield from _table(during["properties"], during["required"], definitions)
    yield f"\n## `vary`\n\n{schema['properties']['vary']['description']}\n"
    yield from _table(schema["properties"]["vary"]["properties"], (), definitions)


def _metrics() -> Iterator[str]:
    yield "\n## `objectives`\n"
    comparisons = ", ".join(f"`{comparison}`" for comparison in COMPARISONS)
    yield f"Each is a metric, a comparison ({comparisons}) and a value: `p99 < 30 ms`, `errors == 0`.\n"
    yield from _rows(
        ("metric", "meaning"), ((f"`{name}`", metric.meaning) for name, metric in METRICS.items())
    )
    yield (
        "\nOf what a Prometheus is asked (`observe`): `observed.NAME` is the mean of the query of that name over the "
        "measure phase, and `observed.NAME.max` its largest value; there are also "
        f"{', '.join(f'`.{one}`' for one in STATISTICS if one not in {'mean', 'max'})}. The value is a number, with "
        "the query's own unit after it or without one. Where a query yields several series, it has to hold of each."
    )


def _limits() -> Iterator[str]:
    yield "\n## Limits\n"
    yield from _rows(
        ("limit", "value"), ((f"`{name}`", str(value)) for name, value in named_limits().items())
    )


def _table(
    properties: Mapping[str, Any], required: Sequence[str], definitions: Mapping[str, Any]
) -> Iterator[str]:
    rows = ((f"`{key}`", *_cells(key in required, schema, definitions)) for key, schema in properties.items())
    yield from _rows(("key", "form", "default", "meaning", "example"), rows)


def _cells(required: object, schema: Mapping[str, Any], definitions: Mapping[str, Any]) -> Sequence[str]:
    described = {**definitions.get(str(schema.get("$ref")).rpartition("/")[2], {}), **schema}
    default = "required" if required else _yaml(schema.get("default"))
    example = _yaml(schema["examples"][0]) if schema.get("examples") else ""
    return _form(schema), default, described.get("description", ""), example


def _form(schema: Mapping[str, Any]) -> str:
    """Say in a few words what a value looks like."""
    if "x-unit" in schema:
        return f"{schema['x-unit']}, {schema['x-range']}"
    if "enum" in schema:
        return ", ".join(f"`{word}`" for word in schema["enum"])
    if "anyOf" in schema:
        forms = [
            _form(form) for form in schema["anyOf"] if form.get("type") != "null" and "const" not in form
        ]
        return " or ".join(dict.fromkeys(forms))
    names = {
        "string": "text",
        "array": "list",
        "object": "mapping",
        "boolean": "`true` or `false`",
        "number": "number",
    }
    return names.get(str(schema.get("type")), "mapping")


def _yaml(value: object) -> str:
    if value is None or value in ({}, []):
        return "none"
    # JSON is YAML, but nobody writes a plan with its quotes.
    text = value if isinstance(value, str) else json.dumps(value).replace('"', "")
    return f"`{text}`"


def _rows(head: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    for row in (head, ("---",) * len(head), *rows):
        yield f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in row)} |"
