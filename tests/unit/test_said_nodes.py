"""On which nodes of a cluster the roles were, in a sentence."""

from __future__ import annotations

from types import SimpleNamespace
from typing import cast

from seatrial.analysis.pods import NodeUse
from seatrial.analysis.run.model import CaseSummary
from seatrial.analysis.run.said.isolation import isolation_sentences


def case(*nodes: tuple[str, tuple[str, ...]]) -> CaseSummary:
    found = tuple(NodeUse(name, roles, 10.0, 0.5, 2, None) for name, roles in nodes)
    trial = SimpleNamespace(nodes=found, cpus=(), order=1, facts=None)
    return cast("CaseSummary", SimpleNamespace(case=SimpleNamespace(system="contour"), attempts=(trial,)))


def test_each_role_is_named_with_its_nodes():
    cases = [case(("a", ("generator",)), ("b", ("system",))), case(("c", ("system",)), ("d", ("origin",)))]
    said = "pods on nodes of a Kubernetes cluster: generator on a, system on b and c, origin on d"
    assert isolation_sentences(cases) == (said,)


def test_who_shares_a_node_is_said():
    (said,) = isolation_sentences([case(("a", ("generator", "system")))])
    assert said.endswith("generator on a, system on a, several share a")


def test_of_many_nodes_the_first_are_named():
    (said,) = isolation_sentences([case(*((name, ("system",)) for name in "abcdefg"))])
    assert said.endswith("system on a, b, c, d and 3 more")
