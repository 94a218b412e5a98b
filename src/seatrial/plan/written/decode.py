"""From nodes to the models, and from pydantic's complaints back to places in the file."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ValidationError

from seatrial.plan.model import plan as model
from seatrial.plan.model.cpus import CpusPlan
from seatrial.plan.model.discovery import DiscoveryPlan
from seatrial.plan.model.during import DisturbancePlan
from seatrial.plan.model.kubernetes import KubernetesPlan
from seatrial.plan.model.load import LoadPlan, TlsPlan
from seatrial.plan.model.objects import ObjectsPlan
from seatrial.plan.model.observe import ObservePlan, PrometheusPlan, QueryPlan
from seatrial.plan.model.sanity import SanityPlan
from seatrial.plan.written.forms import describe
from seatrial.plan.yaml.problems import Problem, Span, listed, nearest_word, quoted, refusal
from seatrial.plan.yaml.yaml12 import List, Map, Node, Scalar
from seatrial.schema.fields import model_fields
from seatrial.schema.quantities import FROM_YAML
from seatrial.systems.discoverers.command import PageOptions
from seatrial.systems.origins.options import DelayPlan, OriginPlan
from seatrial.systems.registry import SYSTEMS
from seatrial.topology.options import TopologyPlan

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from pydantic_core import ErrorDetails

Location = tuple[int | str, ...]

# The mappings of a plan by their path, with the places in lists left out.
SECTIONS: Mapping[tuple[str, ...], type[BaseModel]] = {
    (): model.Plan,
    ("origin",): OriginPlan,
    ("origin", "delay"): DelayPlan,
    ("topology",): TopologyPlan,
    ("load",): LoadPlan,
    ("load", "tls"): TlsPlan,
    ("phases",): model.PhasePlan,
    ("during",): DisturbancePlan,
    ("objects",): ObjectsPlan,
    ("discovery",): DiscoveryPlan,
    ("observe",): ObservePlan,
    ("observe", "prometheus"): PrometheusPlan,
    ("observe", "queries"): QueryPlan,
    ("sanity",): SanityPlan,
    # A mapping of that name, where a word may stand too.
    ("cpus", "cpus"): CpusPlan,
    ("kubernetes",): KubernetesPlan,
    **{("systems", "options", kind): options for kind, options in SYSTEMS.items()},
    ("systems", "options", "discoverer", "metrics"): PageOptions,
}

_KINDS = {
    "model_type": "a mapping",
    "model_attributes_type": "a mapping",
    "dict_type": "a mapping",
    "tuple_type": "a list",
    "bool_type": "`yes` or `no`, `true` or `false`",
    "bool_parsing": "`yes` or `no`, `true` or `false`",
    "string_type": "text",
}


def decode(root: Map) -> tuple[model.Plan | None, list[Problem]]:
    """Return the plan, or None and every mistake that the models found. ``root`` is in the models' shape."""
    try:
        return model.Plan.model_validate(_plain(root), context=FROM_YAML, by_alias=True, by_name=False), []
    except ValidationError as error:
        details = error.errors(include_url=False, include_input=False)
        return None, _merged(_problem(root, detail) for detail in details)


def allowed_keys(section: tuple[str, ...]) -> tuple[str, ...]:
    """Return the keys that a mapping of the plan may have, as they are in YAML."""
    keys = tuple(model_fields(SECTIONS[section]))
    if section[:2] != ("systems", "options") or len(section) > 3:
        return keys
    return (*(key for key in keys if key != "kind"), "label")


def _plain(node: Node) -> Any:
    if isinstance(node, Map):
        return {key: _plain(entry.node) for key, entry in node.entries.items()}
    return tuple(_plain(item) for item in node.items) if isinstance(node, List) else node.value


def _problem(root: Map, detail: ErrorDetails) -> Problem:
    location, kind = detail["loc"], detail["type"]
    node, span = _find(root, location)
    if kind == "missing":
        return _missing(location, span)
    if kind == "extra_forbidden":
        return _unknown_key(root, location)
    if kind == "literal_error":
        return _wrong_word(node, span, str(detail["ctx"]["expected"]))
    return _wrong_value(node, span, detail)


def _wrong_value(node: Node, span: Span, detail: ErrorDetails) -> Problem:
    kind, context, prefix = detail["type"], detail.get("ctx", {}), _named(detail["loc"])
    if kind == "value_error":
        return refusal(span, context["error"], prefix)
    if kind == "too_long":
        return Problem(
            span, f"{prefix}{context['actual_length']} are too many", f"at most {context['max_length']}"
        )
    if kind in _KINDS:
        hint = "; write a number in quotes if it is meant as text" if _is_number(node, kind) else ""
        return Problem(span, f"{prefix}{describe(node)} is not {_KINDS[kind]}{hint}")
    return Problem(span, prefix + detail["msg"])


def _is_number(node: Node, wanted: str) -> bool:
    return wanted == "string_type" and isinstance(node, Scalar) and node.value is not None


def _find(root: Map, location: Location) -> tuple[Node, Span]:
    """Follow a location through the nodes; parts that are not there (the tags of unions) are passed over."""
    node: Node = root
    for part in location:
        if isinstance(node, Map) and part in node.entries:
            node = node.entries[str(part)].node
        elif isinstance(node, List) and isinstance(part, int) and part < len(node.items):
            node = node.items[part]
    return node, node.span


def _missing(location: Location, span: Span) -> Problem:
    key, section = str(location[-1]), _section(location[:-1])
    where = f" in `{section[-1]}`" if section else ""
    text, field = (
        f"missing key `{key}`{where}",
        model_fields(SECTIONS[section])[key] if section in SECTIONS else None,
    )
    if field and field.description and field.examples:
        meaning = field.description[0].lower() + field.description[1:].rstrip(".")
        return Problem(_start(span), f"{text}: {meaning}", f"for example `{key}: {field.examples[0]}`")
    return Problem(_start(span), text)


def _start(span: Span) -> Span:
    return Span(span.line, span.column)


def _unknown_key(root: Map, location: Location) -> Problem:
    key, section = str(location[-1]), _section(location[:-1])
    parent, span = _find(root, location[:-1])
    if isinstance(parent, Map) and key in parent.entries:
        span = parent.entries[key].key
    keys = allowed_keys(section) if section in SECTIONS else ()
    where = f" in `{section[-1]}`" if section else ""
    return Problem(span, f"unknown key {quoted(key)}{where}", listed(keys), nearest_word(key, keys))


def _wrong_word(node: Node, span: Span, expected: str) -> Problem:
    words = re.findall(r"'([^']*)'", expected)
    nearest = nearest_word(node.text, words) if isinstance(node, Scalar) else None
    return Problem(span, f"{describe(node)} is not one of the words allowed here", listed(words), nearest)


def _named(location: Location) -> str:
    """Return the key, to stand in front: the excerpt shows the line, but the key may stand on another one."""
    keys = [part for part in location if isinstance(part, str) and re.fullmatch(r"[a-z_]+", part)]
    return f"`{keys[-1]}`: " if keys else ""


def _section(location: Location) -> tuple[str, ...]:
    return tuple(part for part in location if isinstance(part, str))


def _merged(problems: Iterable[Problem]) -> list[Problem]:
    """Make one mistake of two: pydantic complains twice where a word or a quantity may stand."""
    merged: dict[Span, Problem] = {}
    rest: list[Problem] = []
    for problem in problems:
        other = merged.get(problem.span)
        if other is None:
            merged[problem.span] = problem
        elif other.text.endswith("words allowed here"):
            merged[problem.span] = Problem(
                problem.span, problem.text, f"{other.allowed}; or {problem.allowed}", other.nearest
            )
        else:
            rest.append(problem)
    return [*merged.values(), *rest]
