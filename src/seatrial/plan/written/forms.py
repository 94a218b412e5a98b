"""From the short forms that people write to the shape of the models, node by node.

``systems: [envoy: {proxies: 1}, nginx]``, ``vary: {rate: [1k/s]}`` and ``objectives: [p99 < 30 ms]`` become
mappings with the models' keys. Every new node keeps the place of what it came from, so a later mistake still
points at the file.
"""

from __future__ import annotations

import itertools
import re
from typing import TYPE_CHECKING

from seatrial.limits import MAX_VALUES_PER_VARIABLE
from seatrial.plan.metrics import METRICS, ObjectiveMistake, parse_objective
from seatrial.plan.model.variables import VARIABLES
from seatrial.plan.written.discovery import discovery_in_shape, with_quiet_load
from seatrial.plan.written.fragment import fragment_of
from seatrial.plan.written.load import load_in_shape
from seatrial.plan.written.observe import observe_in_shape
from seatrial.plan.yaml.problems import Problem, Span, listed, nearest_word, quoted, refusal
from seatrial.plan.yaml.yaml12 import Entry, List, Map, Node, Scalar, ScalarValue
from seatrial.schema.fields import switched
from seatrial.schema.quantities import DURATION
from seatrial.systems.registry import SYSTEMS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_SYSTEMS_SHAPE = "a list such as `[direct, nginx, envoy: {concurrency: 2}]`"
_VARY_SHAPE = "a mapping of lists, such as `{connections: [1k, 2k], rate: [1k/s, 2k/s]}`"
_OBJECTIVES_SHAPE = "a list such as `[p99 < 30 ms, errors == 0]`"
_CPUS_SHAPE = (
    "such as `cpus: {generator: 0-3, system: 4-11, origin: 12-15}`, with quotes around a list with commas"
)


def reshape(root: Map, problems: list[Problem]) -> Map:
    """Return the plan in the models' shape; what does not fit is left out and written to ``problems``."""
    forms: dict[str, Callable[[Node, list[Problem]], Node]] = {
        "systems": _systems,
        "vary": _vary,
        "objectives": _objectives,
        "origin": _origin,
        "sanity": _sanity,
        "cpus": _cpus,
        "load": load_in_shape,
        "discovery": discovery_in_shape,
        "observe": observe_in_shape,
    }
    root = with_quiet_load(root)
    for key, form in forms.items():
        node = root.get(key)
        if node is not None:
            root = root.with_entry(key, form(node, problems))
    return root


def is_zero_duration(node: Node) -> bool:
    """Return whether a value is a time of 0, with or without a unit."""
    try:
        return isinstance(node, Scalar) and DURATION.parse(node.value) == 0
    except ValueError:
        return False


def describe(node: Node) -> str:
    """Name a node's value in a message."""
    if isinstance(node, Scalar):
        return quoted(node.text) if node.text else "an empty value"
    if isinstance(node, List):
        return "a list" if node.items else "an empty list"
    return "a mapping"


def _systems(node: Node, problems: list[Problem]) -> Node:
    if not isinstance(node, List):
        problems.append(Problem(node.span, f"`systems` is a list, not {describe(node)}", _SYSTEMS_SHAPE))
        return _stand_in_systems(node.span)
    systems = [_system(item, problems) for item in node.items]
    if not systems:
        problems.append(Problem(node.span, "`systems` is empty", _SYSTEMS_SHAPE))
    named = tuple(_labelled([system for system in systems if system], problems))
    # When every entry was at fault, an empty list would only add a second complaint about the first mistake.
    return List(node.span, named) if named else _stand_in_systems(node.span)


def _stand_in_systems(span: Span) -> List:
    direct = Scalar(span, "direct", "direct")
    options = Map(span, {"kind": Entry(span, direct)})
    entries = {"kind": Entry(span, direct), "label": Entry(span, direct), "options": Entry(span, options)}
    return List(span, (Map(span, entries),))


def _system(node: Node, problems: list[Problem]) -> Map | None:
    """Return ``{kind, options}`` or ``{kind, label, options}``."""
    if isinstance(node, Scalar):
        return _system_of_kind(node.text, node.span, Map(node.span, {}), problems)
    if not isinstance(node, Map) or len(node.entries) != 1:
        text = "each system is one word, or one word with a mapping of options"
        problems.append(Problem(node.span, text, _SYSTEMS_SHAPE))
        return None
    (kind, entry) = next(iter(node.entries.items()))
    options = entry.node
    if isinstance(options, Scalar) and options.value is None:
        options = Map(entry.key, {})
    if not isinstance(options, Map):
        text = f"the options of `{kind}` are a mapping, not {describe(options)}"
        problems.append(Problem(options.span, text, f"a mapping such as `{kind}: {{label: other-{kind}}}`"))
        options = Map(entry.key, {})
    return _system_of_kind(kind, entry.key, options, problems)


def _system_of_kind(kind: str, span: Span, options: Map, problems: list[Problem]) -> Map | None:
    if kind not in SYSTEMS:
        text = f"{quoted(kind)} is not a system"
        problems.append(Problem(span, text, listed(tuple(SYSTEMS)), nearest_word(kind, tuple(SYSTEMS))))
        return None
    word = Entry(span, Scalar(span, kind, kind))
    if "kind" in options.entries:
        problems.append(
            Problem(options.entries["kind"].key, f"unknown key `kind` in `{kind}`: the word before is it")
        )
    rest = {key: entry for key, entry in options.entries.items() if key not in {"label", "kind"}}
    if "config" in rest and isinstance(file := rest["config"].node, Scalar) and file.value is not None:
        rest["config"] = Entry(rest["config"].key, fragment_of(file, problems))
    entries = {"kind": word, "options": Entry(span, Map(span, {"kind": word, **rest}))}
    if "label" in options.entries:
        entries["label"] = options.entries["label"]
    return Map(span, entries)


def _labelled(systems: list[Map], problems: list[Problem]) -> Iterator[Map]:
    """Give each system without a label one: its kind, and a number from the second on; labels are unique."""
    taken = {node.text for system in systems if isinstance(node := system.get("label"), Scalar)}
    seen: set[str] = set()
    for system in systems:
        kind, label = system.get("kind"), system.get("label")
        if isinstance(label, Scalar):
            if label.text in seen:
                problems.append(
                    Problem(label.span, f"the label {quoted(label.text)} was given before", "each label once")
                )
            seen.add(label.text)
            yield system
        elif label is None and isinstance(kind, Scalar):
            name = next(name for name in _names(kind.text) if name not in taken)
            taken.add(name)
            yield system.with_entry("label", Scalar(kind.span, name, name))
        else:
            yield system


def _names(kind: str) -> Iterator[str]:
    yield kind
    number = 2
    while True:
        yield f"{kind}-{number}"
        number += 1


def _vary(node: Node, problems: list[Problem]) -> Node:
    if not isinstance(node, Map):
        problems.append(Problem(node.span, f"`vary` is a mapping, not {describe(node)}", _VARY_SHAPE))
        return List(node.span, ())
    variables = (_variable(name, entry, problems) for name, entry in node.entries.items())
    return List(node.span, tuple(variable for variable in variables if variable))


def _variable(name: str, entry: Entry, problems: list[Problem]) -> Map | None:
    if name not in VARIABLES:
        text = f"{quoted(name)} is not a variable"
        problems.append(Problem(entry.key, text, listed(VARIABLES), nearest_word(name, VARIABLES)))
        return None
    node = entry.node
    if not isinstance(node, List) or not 1 <= len(node.items) <= MAX_VALUES_PER_VARIABLE:
        given = f"{len(node.items)}" if isinstance(node, List) else describe(node)
        text = f"`{name}` takes a list of 1 to {MAX_VALUES_PER_VARIABLE} values, not {given}"
        problems.append(Problem(node.span, text, _VARY_SHAPE))
        return None
    if _is_one_number(node):
        one = "".join(item.text for item in node.items if isinstance(item, Scalar))
        given = ",".join(item.text for item in node.items if isinstance(item, Scalar))
        problems.append(
            Problem(
                node.span,
                f"`[{given}]` has {len(node.items)} values of `{name}`, since a comma parts values, not thousands",
                f"`[{one}]` for one value, or a space after each comma for several",
            )
        )
        return None
    values = tuple(_values(name, node, problems))
    if not values:
        return None
    return Map(
        entry.key,
        {
            "name": Entry(entry.key, Scalar(entry.key, name, name)),
            "values": Entry(entry.key, List(node.span, values)),
        },
    )


def _is_one_number(node: List) -> bool:
    """Return whether a list looks like one number with commas between its thousands: ``[1,000]``, ``[10,500/s]``."""
    items = [item for item in node.items if isinstance(item, Scalar)]
    is_close = all(
        after.span.line == before.span.line and after.span.column == before.span.column + len(before.text) + 1
        for before, after in itertools.pairwise(items)
    )
    return (
        len(items) == len(node.items) > 1
        and is_close
        and re.fullmatch(r"[0-9]{1,3}", items[0].text, re.ASCII) is not None
        and all(re.fullmatch(r"[0-9]{3}", item.text, re.ASCII) for item in items[1:-1])
        and re.fullmatch(r"[0-9]{3}(?![0-9]).*", items[-1].text, re.ASCII) is not None
    )


def _values(name: str, node: List, problems: list[Problem]) -> Iterator[Scalar]:
    quantity = next(kind.quantity for known, kind in VARIABLES.items() if known == name)
    seen: set[float] = set()
    for item in node.items:
        try:
            value = quantity.read(item.value if isinstance(item, Scalar) else describe(item))
        except ValueError as error:
            problems.append(refusal(item.span, error, f"a value of `{name}`: "))
            continue
        if value in seen:
            problems.append(
                Problem(
                    item.span, f"the value {describe(item)} of `{name}` is there twice", "each value once"
                )
            )
            continue
        seen.add(value)
        yield Scalar(item.span, describe(item), int(value) if value == int(value) else value)


def _objectives(node: Node, problems: list[Problem]) -> Node:
    if not isinstance(node, List):
        problems.append(
            Problem(node.span, f"`objectives` is a list, not {describe(node)}", _OBJECTIVES_SHAPE)
        )
        return List(node.span, ())
    objectives = (_objective(item, problems) for item in node.items)
    return List(node.span, tuple(objective for objective in objectives if objective))


def _objective(node: Node, problems: list[Problem]) -> Map | None:
    if not isinstance(node, Scalar):
        text = f"an objective is one line of text, not {describe(node)}"
        problems.append(Problem(node.span, text, _OBJECTIVES_SHAPE))
        return None
    try:
        parsed = parse_objective(node.text)
    except ObjectiveMistake as mistake:
        nearest = nearest_word(mistake.word, METRICS) if mistake.word else None
        problems.append(Problem(node.span, str(mistake), mistake.allowed, nearest))
        return None
    parts: dict[str, ScalarValue] = {
        "text": " ".join(node.text.split()),
        "metric": parsed.metric,
        "comparison": parsed.comparison,
        "threshold": parsed.threshold,
    }
    return Map(
        node.span, {key: Entry(node.span, Scalar(node.span, str(part), part)) for key, part in parts.items()}
    )


def _sanity(node: Node, problems: list[Problem]) -> Node:
    """``sanity: yes`` is that with every default, ``sanity: no`` is none."""
    if not isinstance(node, Scalar):
        return node
    # `1` equals `True`, and is neither of the words.
    is_on = switched(node.value)
    if is_on is True:
        return Map(node.span, {})
    if is_on is not False:
        text = f"`sanity` is `yes`, `no` or a mapping, not {describe(node)}"
        problems.append(
            Problem(node.span, text, "`sanity: yes`, or such as `sanity: {rate: 1k/s, for: 30 s}`")
        )
    return Scalar(node.span, "null", None)


def _cpus(node: Node, problems: list[Problem]) -> Node:
    """Leave a word and a mapping with lists as they are."""
    if isinstance(node, Map) and node.entries:
        return node
    if not isinstance(node, Scalar) or node.text not in {"auto", "shared"}:
        given = "an empty one" if isinstance(node, Map) else describe(node)
        text = f"`cpus` is `auto`, `shared` or a mapping, not {given}"
        problems.append(Problem(node.span, text, _CPUS_SHAPE))
        return Scalar(node.span, "auto", "auto")
    return node


def _origin(node: Node, _problems: list[Problem]) -> Node:
    """``delay: 5 ms`` is a fixed delay, and ``delay: 0`` is none."""
    if not isinstance(node, Map) or not isinstance(delay := node.get("delay"), Scalar):
        return node
    if is_zero_duration(delay):
        none = Scalar(delay.span, "none", "none")
        return node.with_entry("delay", Map(delay.span, {"kind": Entry(delay.span, none)}))
    fixed = Scalar(delay.span, "fixed", "fixed")
    entries = {"kind": Entry(delay.span, fixed), "mean": Entry(delay.span, delay)}
    return node.with_entry("delay", Map(delay.span, entries))
