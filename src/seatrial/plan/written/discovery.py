"""The section ``discovery``: its short forms, the load that its trials have, and what does not go with it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from seatrial.faults.fault import read_words
from seatrial.gate.fault import GateFault
from seatrial.openstack.faults.fault import CloudFault
from seatrial.plan.metrics import OF_DISCOVERY
from seatrial.plan.yaml.problems import Problem
from seatrial.plan.yaml.yaml12 import Entry, List, Map, Node, Scalar
from seatrial.systems.discoverers.options import DiscovererOptions
from seatrial.systems.registry import SYSTEMS

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from seatrial.plan.cases import Case
    from seatrial.plan.model.discovery import DiscoveryPlan
    from seatrial.plan.model.plan import Plan
    from seatrial.plan.yaml.problems import Span
    from seatrial.systems.discovering import SourceKind

_SHAPE = "such as `discovery: {source: openstack, services: 1000}`"
_FAULTS_SHAPE = "such as `faults: [status status=409 share=20%, {source: token}]`"
_PLACES = ("source", "destination")
# What a trial of a discoverer has none of: requests, a proxy with routes, and roles in networks of their own.
_OTHERS = ("load", "origin", "topology", "objects", "during", "sanity", "capacity", "kubernetes")


def discovery_in_shape(node: Node, problems: list[Problem]) -> Node:
    """Return the section in the shape of its model: a fault is a mapping of where and what."""
    if not isinstance(node, Map) or (faults := node.get("faults")) is None:
        return node
    if not isinstance(faults, List):
        problems.append(Problem(faults.span, "`faults` is a list", _FAULTS_SHAPE))
        return node.with_entry("faults", List(faults.span, ()))
    shaped = (_fault(item, problems) for item in faults.items)
    return node.with_entry("faults", List(faults.span, tuple(one for one in shaped if one is not None)))


def _fault(node: Node, problems: list[Problem]) -> Map | None:
    if isinstance(node, Map) and len(node.entries) == 1:
        place, entry = next(iter(node.entries.items()))
    else:
        place, entry = "destination", Entry(node.span, node)
    if place not in _PLACES or not isinstance(entry.node, Scalar):
        problems.append(Problem(node.span, "a fault is words, or a place with words", _FAULTS_SHAPE))
        return None
    try:
        _read_fault(place, entry.node.text)
    except ValueError as error:
        problems.append(Problem(entry.node.span, f"this fault cannot be: {error}", _FAULTS_SHAPE))
        return None
    at = Scalar(node.span, place, place)
    return Map(node.span, {"at": Entry(node.span, at), "words": Entry(node.span, entry.node)})


def _read_fault(place: str, words: str) -> None:
    """Raise ``ValueError`` for what cannot go wrong there: before an API server, or at one or a cloud."""
    try:
        read_words(GateFault, words)
    except ValueError:
        if place == "destination":
            raise
        read_words(CloudFault, words)


def with_quiet_load(root: Map) -> Map:
    """Return a plan of discoverers with the load that it has: one connection, held open, on which nothing is asked."""
    if "discovery" not in root.entries:
        return root
    span = root.entries["discovery"].key
    held = {
        name: Entry(span, Scalar(span, str(count), count))
        for name, count in (("connections", 1), ("active", 0))
    }
    return root.with_entry("load", Map(span, {**held}))


def impossible_discovery(root: Map) -> Iterator[Problem]:
    """Yield what does not go together: discoverers and the section without each other, and what is of proxies."""
    systems, vary = root.get("systems"), root.get("vary")
    kinds = _kinds(systems) if isinstance(systems, List) else []
    varied = vary if isinstance(vary, Map) else Map(root.span, {})
    if "discovery" not in root.entries:
        yield from _discovers_nothing(root, varied, kinds)
        return
    where = root.entries["discovery"].key
    others = [(kind, node) for kind, node in kinds if kind in SYSTEMS and not SYSTEMS[kind].discovers]
    for kind, node in others:
        text = f"`{kind}` is no discoverer, and a plan with `discovery` has nothing else"
        yield Problem(node.span, text, _discoverers())
    for name in _OTHERS:
        if name in root.entries:
            text = f"`{name}` is of requests to a proxy, and a plan with `discovery` has none"
            yield Problem(
                root.entries[name].key, text, f"a plan without `{name}`, or one without `discovery`"
            )
    place = root.get("place")
    if isinstance(place, Scalar) and place.text != "machine":
        text = f"a discoverer runs on this machine, and leads into a cluster: no `place: {place.text}`"
        yield Problem(place.span, text, "no `place`; KUBECONFIG or `--kubeconfig` says which cluster it is")
    for name, entry in varied.entries.items():
        if name != "discovered_services":
            text = f"`{name}` is of a load or a proxy, and a plan with `discovery` has none"
            yield Problem(entry.key, text, "`discovered_services`")
    section = root.get("discovery")
    if not isinstance(section, Map):
        yield Problem(where, "`discovery` is a mapping", _SHAPE)


def impossible_sources(plan: Plan, cases: Sequence[Case], root: Map) -> Iterator[Problem]:
    """Yield where a discoverer does not read from its source, and what is of a source that no case has."""
    if plan.discovery is None:
        return
    where, sources = root.entries["discovery"].key, {}
    for case in cases:
        if case.discovery is not None:
            sources[case.system.label] = case.discovery.source, case.system.options
    for label, (source, options) in sources.items():
        if isinstance(options, DiscovererOptions) and source not in options.carries.sources:
            known = " or ".join(f"`source: {source}`" for source in sorted(options.carries.sources))
            yield Problem(where, f"`{label}` does not read from `{source}`", known)
    yield from _of_no_source(plan.discovery, {source for source, _ in sources.values()}, where)


def _of_no_source(plan: DiscoveryPlan, sources: set[SourceKind], where: Span) -> Iterator[Problem]:
    if "kubernetes" in sources and plan.source_context is None:
        text = "missing key `source_context` in `discovery`: the context of the API server that is the source"
        yield Problem(where, text, "such as `source_context: teams`, a context of the kubeconfig")
    if "kubernetes" not in sources and plan.source_context is not None:
        yield Problem(
            where, "`source_context` is of an API server, and none is a source", "`source: kubernetes`"
        )
    if plan.cloud and "openstack" not in sources:
        yield Problem(where, "`cloud` is of a simulated cloud, and none is a source", "`source: openstack`")
    for words in plan.cloud:
        if wrong := _wrong("openstack", words):
            yield Problem(where, f"`cloud` cannot be: {wrong}", "such as `cloud: [latency time=20ms]`")
    for fault in plan.faults:
        for source in sorted(sources) if fault.at == "source" else ():
            if wrong := _wrong(source, fault.words):
                text = f"`{fault.words}` does not go wrong at a source of `{source}`: {wrong}"
                yield Problem(where, text, "another fault, or a plan of its own for that source")


def _wrong(source: SourceKind, words: str) -> str:
    """Return why a fault cannot be at a source; empty where it can."""
    if source == "http":
        return "nothing does, at a list that is fetched"
    try:
        read_words(CloudFault if source == "openstack" else GateFault, words)
    except ValueError as error:
        return str(error)
    return ""


def _discovers_nothing(root: Map, varied: Map, kinds: list[tuple[str, Node]]) -> Iterator[Problem]:
    for kind, node in kinds:
        if kind in SYSTEMS and SYSTEMS[kind].discovers:
            yield Problem(node.span, f"`{kind}` is a discoverer, and this plan has no `discovery`", _SHAPE)
    if "discovered_services" in varied.entries:
        text = "`discovered_services` are of discoverers, and this plan has none"
        yield Problem(varied.entries["discovered_services"].key, text, _SHAPE)
    objectives = root.get("objectives")
    for item in objectives.items if isinstance(objectives, List) else ():
        words = item.text.split() if isinstance(item, Scalar) else []
        if words and words[0] in OF_DISCOVERY:
            yield Problem(item.span, f"`{words[0]}` is of discoverers, and this plan has none", _SHAPE)


def _kinds(systems: List) -> list[tuple[str, Node]]:
    return [
        (item.text if isinstance(item, Scalar) else next(iter(item.entries), ""), item)
        for item in systems.items
        if isinstance(item, Scalar | Map)
    ]


def _discoverers() -> str:
    return " or ".join(f"`{kind}`" for kind, options in SYSTEMS.items() if options.discovers)
