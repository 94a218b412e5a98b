"""The section ``observe``: its short forms, and objectives on what nobody asks for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from seatrial.plan.observed import OBSERVED, parts_of, read_value
from seatrial.plan.yaml.problems import Problem, listed, nearest_word
from seatrial.plan.yaml.yaml12 import Entry, List, Map, Node, Scalar

if TYPE_CHECKING:
    from collections.abc import Iterator

_SHAPE = "such as `queries: {memory: process_resident_memory_bytes}`"


def observe_in_shape(node: Node, problems: list[Problem]) -> Node:
    """Return the section in the shape of its model: a URL is a mapping with it, and named queries are a list."""
    if not isinstance(node, Map):
        return node
    where, queries = node.get("prometheus"), node.get("queries")
    if isinstance(where, Scalar) and where.value is not None:
        node = node.with_entry("prometheus", Map(where.span, {"url": Entry(where.span, where)}))
    if isinstance(queries, Map):
        for entry in queries.entries.values():
            if isinstance(entry.node, Map) and "name" in entry.node.entries:
                wrong = entry.node.entries["name"].key
                problems.append(Problem(wrong, "unknown key `name` in `queries`: the word before is it"))
        named = tuple(_query(name, entry) for name, entry in queries.entries.items())
        return node.with_entry("queries", List(queries.span, named))
    if queries is not None:
        problems.append(Problem(queries.span, "`queries` is a mapping of names to PromQL", _SHAPE))
        stand_in = _query("x", Entry(queries.span, Scalar(queries.span, "up", "up")))
        return node.with_entry("queries", List(queries.span, (stand_in,)))
    return node


def _query(name: str, entry: Entry) -> Map:
    named = Entry(entry.key, Scalar(entry.key, name, name))
    if isinstance(entry.node, Map):
        return Map(entry.node.span, {**entry.node.entries, "name": named})
    return Map(entry.node.span, {"name": named, "query": Entry(entry.node.span, entry.node)})


def observed_of_nobody(root: Map) -> Iterator[Problem]:
    """Yield objectives on queries that the plan does not have, and thresholds in another unit than the query's."""
    observe, objectives = root.get("observe"), root.get("objectives")
    queries = observe.get("queries") if isinstance(observe, Map) else None
    known = queries.entries if isinstance(queries, Map) else {}
    for item in objectives.items if isinstance(objectives, List) else ():
        words = item.text.split() if isinstance(item, Scalar) else []
        if not words or not words[0].startswith(OBSERVED):
            continue
        found = parts_of(words[0])
        if found is None:
            # The reader of objectives says so.
            continue
        if found[0] not in known:
            allowed = listed(known) if known else f"`observe`, {_SHAPE}"
            text = f"`{words[0]}` is of a query that this plan does not have"
            yield Problem(item.span, text, allowed, nearest_word(found[0], known))
        elif wrong := _other_unit(" ".join(words[2:]), known[found[0]].node):
            yield Problem(item.span, f"`{words[0]}` {wrong[0]}", wrong[1])


def _other_unit(value: str, query: Node) -> tuple[str, str] | None:
    try:
        _, written = read_value(value)
    except ValueError:
        return None
    unit = query.get("unit") if isinstance(query, Map) else None
    own = unit.text if isinstance(unit, Scalar) else ""
    if not written or written == own:
        return None
    return (
        f"is in {own or 'no unit'}, and the value in {written}",
        f"`{own}`, or no unit" if own else "no unit",
    )
