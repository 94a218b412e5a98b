"""The short forms of the section ``load``: headers, lists of hosts, profiles and TLS, as people write them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from seatrial.plan.yaml.yaml12 import Entry, List, Map, Node, Scalar

if TYPE_CHECKING:
    from collections.abc import Iterator

    from seatrial.plan.yaml.problems import Problem


def load_in_shape(node: Node, _problems: list[Problem]) -> Node:
    """Return the section in the shape of its model; what does not fit stays as it is, for the model to refuse."""
    if not isinstance(node, Map):
        return node
    for form in (_header_pairs, _one_header, _joined_lists, _rate_or_profile, _tls):
        node = form(node)
    return node


def _header_pairs(load: Map) -> Map:
    """Make pairs: ``headers`` is a mapping in YAML and a list of pairs in the models: a name may come twice there."""
    if not isinstance(headers := load.get("headers"), Map):
        return load
    return load.with_entry("headers", List(headers.span, tuple(_pairs(headers))))


def _one_header(load: Map) -> Map:
    """Make a pair: ``expect_header`` is a mapping of one name."""
    if not isinstance(header := load.get("expect_header"), Map) or len(header.entries) != 1:
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
    rest = {key: entry for key, entry in load.entries.items() if key != "rate"}
    return Map(load.span, {**rest, "profile": Entry(load.entries["rate"].key, rate)})


def _tls(load: Map) -> Map:
    """``tls: true`` is TLS with every default, ``tls: false`` none; the version 1.3 is a word, not a number."""
    tls = load.get("tls")
    if isinstance(tls, Scalar) and isinstance(tls.value, bool):
        none = Scalar(tls.span, "null", None)
        return load.with_entry("tls", Map(tls.span, {}) if tls.value else none)
    if isinstance(tls, Map) and (version := tls.get("version")) is not None:
        return load.with_entry("tls", tls.with_entry("version", _as_text(version)))
    return load


def _as_text(node: Node) -> Node:
    return Scalar(node.span, node.text, node.text) if isinstance(node, Scalar) else node
