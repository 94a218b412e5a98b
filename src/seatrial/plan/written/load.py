"""The short forms of the section ``load``: headers, lists of hosts, profiles and TLS, as people write them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from seatrial.plan.model.variables import VARIABLES
from seatrial.plan.yaml.problems import Problem
from seatrial.plan.yaml.yaml12 import Entry, List, Map, Node, Scalar
from seatrial.schema.fields import switched

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence


def load_in_shape(node: Node, problems: list[Problem]) -> Node:
    """Return the section in the shape of its model; what does not fit stays as it is, for the model to refuse.

    What is left out here, since it has no value or several, is written to ``problems``.
    """
    if not isinstance(node, Map):
        return node
    node = _single_values(_filled(node, problems), problems)
    node = _in_form(node, problems)
    for form in (_header_pairs, _one_header, _joined_lists, _rate_or_profile, _tls):
        node = form(node)
    return node


def _filled(load: Map, problems: list[Problem]) -> Map:
    """Leave out keys without a value: the default is what a reader of the plan would not expect there."""
    empty = [name for name, entry in load.entries.items() if _is_empty(entry.node)]
    problems += [
        Problem(load.entries[name].key, f"`{name}` has no value", "a value, or no such key") for name in empty
    ]
    return _without(load, empty)


def _is_empty(node: Node) -> bool:
    return isinstance(node, Scalar) and node.value is None


def _single_values(load: Map, problems: list[Problem]) -> Map:
    """Leave out several values of one variable: cases of their own are what was meant."""
    several = [
        name for name in VARIABLES if isinstance(node := load.get(name), List) and not _is_profile(node)
    ]
    for name in several:
        node = load.entries[name].node
        values = ", ".join(item.text if isinstance(item, Scalar) else "..." for item in node.items)  # type: ignore[union-attr]
        problems.append(
            Problem(
                node.span, f"`{name}` is one value here", f"`vary: {{{name}: [{values}]}}` for a case of each"
            )
        )
    return _without(load, several)


def _is_profile(values: List) -> bool:
    return any("@" in item.text for item in values.items if isinstance(item, Scalar))


def _without(load: Map, names: Sequence[str]) -> Map:
    return Map(load.span, {name: entry for name, entry in load.entries.items() if name not in names})


def _in_form(load: Map, problems: list[Problem]) -> Map:
    """Leave out what has a form of its own in YAML and was written in another."""
    wrong: list[tuple[str, Node, str, str]] = []
    tls, header = load.get("tls"), load.get("expect_header")
    if isinstance(tls, List) or (isinstance(tls, Scalar) and not isinstance(switched(tls.value), bool)):
        wrong.append(("tls", tls, "`yes`, `no` or a mapping", "`yes`, or `{sni: shop.example}`"))
    if header is not None and not (isinstance(header, Map) and len(header.entries) == 1):
        wrong.append(("expect_header", header, "a mapping of one name", "`{X-Cache: HIT}`"))
    for name, node, form, allowed in wrong:
        problems.append(Problem(node.span, f"`{name}` is {form}", allowed))
    return _without(load, [name for name, *_ in wrong])


def _header_pairs(load: Map) -> Map:
    """Make pairs: ``headers`` is a mapping in YAML and a list of pairs in the models: a name may come twice there."""
    if not isinstance(headers := load.get("headers"), Map):
        return load
    return load.with_entry("headers", List(headers.span, tuple(_pairs(headers))))


def _one_header(load: Map) -> Map:
    """Make a pair: ``expect_header`` is a mapping of one name."""
    if not isinstance(header := load.get("expect_header"), Map):
        return load
    return load.with_entry("expect_header", next(_pairs(header)))


def _pairs(fields: Map) -> Iterator[List]:
    for name, entry in fields.entries.items():
        yield List(entry.key, (Scalar(entry.key, name, name), _as_text(entry.node)))


def _joined_lists(load: Map) -> Map:
    """Make the text with commas of a list of hosts, of paths, or of the parts of a profile."""
    for key in ("host", "path", "profile", "rate"):
        node = load.get(key)
        if isinstance(node, List) and node.items and all(isinstance(item, Scalar) for item in node.items):
            text = ",".join(item.text for item in node.items if isinstance(item, Scalar))
            load = load.with_entry(key, Scalar(node.span, text, text))
    return load


def _rate_or_profile(load: Map) -> Map:
    """``rate: 1k@10s,1k..5k@30s`` is a profile, as it is for ``seatrial load``."""
    rate = load.get("rate")
    if not isinstance(rate, Scalar) or "@" not in rate.text or "profile" in load.entries:
        return load
    entry = Entry(load.entries["rate"].key, rate)
    return Map(load.span, {**_without(load, ["rate"]).entries, "profile": entry})


def _tls(load: Map) -> Map:
    """``tls: yes`` is TLS with every default, ``tls: no`` none; the version 1.3 is a word, not a number."""
    tls = load.get("tls")
    if isinstance(tls, Scalar) and isinstance(is_on := switched(tls.value), bool):
        none = Scalar(tls.span, "null", None)
        return load.with_entry("tls", Map(tls.span, {}) if is_on else none)
    if isinstance(tls, Map) and (version := tls.get("version")) is not None:
        return load.with_entry("tls", tls.with_entry("version", _as_text(version)))
    return load


def _as_text(node: Node) -> Node:
    return Scalar(node.span, node.text, node.text) if isinstance(node, Scalar) else node
