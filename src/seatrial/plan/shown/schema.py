"""The JSON Schema (draft 2020-12) of a plan as written in YAML, for editors and for the plan reference."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from seatrial import limits
from seatrial.plan.metrics import COMPARISONS, METRICS
from seatrial.plan.model import plan as model
from seatrial.plan.model.cpus import CpusPlan
from seatrial.plan.model.during import DisturbancePlan
from seatrial.plan.model.kubernetes import KubernetesPlan
from seatrial.plan.model.load import LoadPlan, TlsPlan
from seatrial.plan.model.observe import ObservePlan, PrometheusPlan, QueryPlan
from seatrial.plan.model.sanity import SanityPlan
from seatrial.plan.model.variables import VARIABLES
from seatrial.plan.observed import METRIC_PATTERN, NAME_PATTERN
from seatrial.schema.fields import SWITCH_FORMS, Model, model_fields, quantity_of
from seatrial.systems.origins.options import DelayPlan, OriginPlan
from seatrial.systems.registry import SYSTEMS

if TYPE_CHECKING:
    from seatrial.systems.options import SystemOptions
    from seatrial.systems.vocabulary import Lack

DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"

_LABEL = {
    "type": "string",
    "pattern": "^[a-z0-9][a-z0-9._-]{0,63}$",
    "description": "Names the system in every output. If left out: its word, numbered from the second on.",
    "examples": ["envoy-tuned"],
}


def json_schema() -> dict[str, Any]:
    """Return the schema: sections come from the models; the short forms, which models lack, from here."""
    schema = model.Plan.model_json_schema(by_alias=True)
    definitions = schema["$defs"]
    for name in ("SystemPlan", "Variable", "Objective", *(kind.__name__ for kind in SYSTEMS.values())):
        definitions.pop(name, None)
    schema["properties"].update(systems=_systems(), vary=_vary(), objectives=_objectives())
    _load(definitions["LoadPlan"]["properties"])
    origin = definitions["OriginPlan"]["properties"]
    origin["delay"] = _delay(origin["delay"])
    _readable_defaults(schema["properties"], model.Plan)
    cpus = schema["properties"]["cpus"]
    cpus["anyOf"] = cpus.pop("oneOf")
    sanity = schema["properties"]["sanity"]
    given = [form for form in sanity["anyOf"] if form.get("type") != "null"]
    sanity["anyOf"] = [*SWITCH_FORMS, *given]
    for of in (
        LoadPlan,
        TlsPlan,
        OriginPlan,
        model.PhasePlan,
        SanityPlan,
        DisturbancePlan,
        DelayPlan,
        CpusPlan,
        KubernetesPlan,
        ObservePlan,
        PrometheusPlan,
        QueryPlan,
    ):
        _readable_defaults(definitions[of.__name__]["properties"], of)
    _observe(definitions)
    _faults(definitions)
    return {"$schema": DIALECT, **schema, "title": "A plan of Seatrial"}


def options_schema(kind: str) -> dict[str, Any]:
    """Return the schema of one system's options, as they are in YAML."""
    schema = SYSTEMS[kind].model_json_schema(by_alias=True)
    schema = _in_place(schema, schema.get("$defs", {}))
    _readable_defaults(schema["properties"], SYSTEMS[kind])
    properties = {key: value for key, value in schema["properties"].items() if key != "kind"}
    if "config" in properties:
        properties["config"] = _config(properties["config"], SYSTEMS[kind])
    for lack in SYSTEMS[kind].lacks:
        _take_away(properties, lack)
    return {
        "type": "object",
        "description": schema["description"],
        "properties": {**properties, "label": _LABEL},
        "additionalProperties": False,
        "x-not-counted": list(SYSTEMS[kind].not_counted),
        "x-lacks": [{"option": lack.option, "why": lack.why} for lack in SYSTEMS[kind].lacks],
    }


def _in_place(schema: Any, definitions: dict[str, Any]) -> Any:
    """Return it with what it refers to in place of the references."""
    if isinstance(schema, list):
        return [_in_place(item, definitions) for item in schema]
    if not isinstance(schema, dict):
        return schema
    if "$ref" in schema:
        return _in_place(definitions[schema["$ref"].rpartition("/")[2]], definitions)
    return {key: _in_place(value, definitions) for key, value in schema.items() if key != "$defs"}


def _take_away(properties: dict[str, Any], lack: Lack) -> None:
    """Leave only what is allowed of an option: nothing, where all that is allowed is to leave it out."""
    given = [value for value in lack.allowed if value is not None]
    if not given:
        del properties[lack.option]
        return
    rest = {key: value for key, value in properties[lack.option].items() if key in {"default", "description"}}
    properties[lack.option] = {**rest, "enum": given}


def _config(schema: dict[str, Any], kind: type[SystemOptions]) -> dict[str, Any]:
    """Return what is merged in: a mapping in the kind's own language, with its places if it has some, or a file."""
    fragment: dict[str, Any] = {"type": "object"}
    if kind.raw.places:
        places = {
            place: {"type": "string", "description": f"Lines {where}."}
            for place, where in kind.raw.places.items()
        }
        fragment |= {"properties": places, "additionalProperties": False}
    return {**schema, "anyOf": [fragment, {"type": "string"}, {"type": "null"}]}


def _systems() -> dict[str, Any]:
    by_name = {kind: {"anyOf": [{"type": "null"}, options_schema(kind)]} for kind in SYSTEMS}
    with_options = {"type": "object", "minProperties": 1, "maxProperties": 1, "additionalProperties": False}
    return {
        "type": "array",
        "description": "The systems under test; each case runs on each of them.",
        "examples": [["direct", {"envoy": {"concurrency": 2}}, "nginx"]],
        "minItems": 1,
        "maxItems": limits.MAX_SYSTEMS,
        "items": {"anyOf": [{"enum": list(SYSTEMS)}, {**with_options, "properties": by_name}]},
    }


def _vary() -> dict[str, Any]:
    properties = {
        name: {
            "type": "array",
            "description": kind.meaning[0].upper() + kind.meaning[1:] + ".",
            "examples": [list(kind.example)],
            "minItems": 1,
            "maxItems": limits.MAX_VALUES_PER_VARIABLE,
            "uniqueItems": True,
            "items": kind.quantity.json_schema(),
        }
        for name, kind in VARIABLES.items()
    }
    return {
        "type": "object",
        "description": "Variables and their values; the cases are the product of all of them.",
        "properties": properties,
        "additionalProperties": False,
        "default": {},
    }


def _objectives() -> dict[str, Any]:
    return {
        "type": "array",
        "description": "What must hold for a PASS, in every valid case.",
        "examples": [["p99 < 30 ms", "errors == 0"]],
        "maxItems": limits.MAX_OBJECTIVES,
        "items": {
            "type": "string",
            "pattern": rf"^\s*(({'|'.join(METRICS)})\s*({'|'.join(COMPARISONS)})\s*"
            rf"|{METRIC_PATTERN}\s*({'|'.join(COMPARISONS)})\s*[+-]?)[0-9].*$",
        },
        "default": [],
    }


def _load(properties: dict[str, Any]) -> None:
    """Put in the short forms: lists of what is one text with commas, mappings of header fields, ``tls: true``."""
    texts = {"type": "array", "minItems": 1, "items": {"type": "string"}}
    for key in ("host", "path", "profile"):
        forms = properties[key].pop("anyOf", [{"type": properties[key].pop("type", "string")}])
        properties[key]["anyOf"] = [*forms, texts]
    rate = properties["rate"]
    rate["anyOf"] = [
        *rate["anyOf"],
        {"type": "string", "pattern": "@", "description": "A profile, as under `profile`."},
    ]
    field = {"type": "object", "additionalProperties": {"type": ["string", "number", "boolean"]}}
    properties["headers"] |= {**field, "maxProperties": limits.MAX_HEADERS, "default": {}}
    for key in ("items", "maxItems"):
        del properties["headers"][key]
    expected = properties["expect_header"]
    expected["anyOf"] = [{**field, "minProperties": 1, "maxProperties": 1}, {"type": "null"}]
    properties["tls"]["anyOf"] = [*SWITCH_FORMS, *properties["tls"]["anyOf"]]


def _observe(definitions: dict[str, Any]) -> None:
    """Put in the short forms: a URL, and a mapping of names to queries."""
    properties = definitions["ObservePlan"]["properties"]
    properties["prometheus"]["anyOf"] = [{"type": "string"}, {"$ref": "#/$defs/PrometheusPlan"}]
    # Together or not at all.
    definitions["ObservePlan"]["dependentRequired"] = {"prometheus": ["queries"], "queries": ["prometheus"]}
    query = definitions["QueryPlan"]
    del query["properties"]["name"]
    query["required"].remove("name")
    queries = properties["queries"]
    for key in ("items", "maxItems", "default"):
        queries.pop(key, None)
    queries |= {
        "type": "object",
        "propertyNames": {"pattern": f"^{NAME_PATTERN}$"},
        "minProperties": 1,
        "maxProperties": limits.MAX_QUERIES,
        "additionalProperties": {"anyOf": [{"type": "string"}, {"$ref": "#/$defs/QueryPlan"}]},
    }


def _faults(definitions: dict[str, Any]) -> None:
    """Put in the short forms: words, or a place with words."""
    del definitions["FaultPlan"]
    places = {place: {"type": "string"} for place in ("source", "destination")}
    at = {"type": "object", "properties": places, "additionalProperties": False}
    definitions["DiscoveryPlan"]["properties"]["faults"]["items"] = {
        "anyOf": [{"type": "string"}, {**at, "minProperties": 1, "maxProperties": 1}]
    }


def _delay(section: dict[str, Any]) -> dict[str, Any]:
    fixed = DelayPlan.model_json_schema(by_alias=True)["properties"]["mean"]["anyOf"]
    rest = {key: value for key, value in section.items() if key not in {"$ref", "default"}}
    return {"anyOf": [*fixed, {"$ref": "#/$defs/DelayPlan"}], "default": 0, **rest}


def _readable_defaults(properties: dict[str, Any], of: type[Model]) -> None:
    """Print defaults as a plan file would have them; drop titles and the defaults of whole sections."""
    fields = model_fields(of)
    for name, schema in properties.items():
        schema.pop("title", None)
        if isinstance(schema.get("default"), dict) and schema["default"]:
            del schema["default"]
        quantity = quantity_of(fields[name])
        if quantity and isinstance(schema.get("default"), int | float):
            shown = quantity.unit.show(schema["default"])
            schema["default"] = int(shown) if shown.isdigit() else shown
