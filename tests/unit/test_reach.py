"""Which nodes are away is known from those that answer meanwhile."""

from __future__ import annotations

from seatrial.machine.members import Role
from seatrial.observe.reach import Reach
from seatrial.observe.samples import NodeAway

ROLES: dict[str, tuple[Role, ...]] = {"a": ("generator",), "b": ("system",)}


def test_a_node_that_others_outlast_was_away_since_it_answered_last():
    reach = Reach()
    reach.took(ROLES, {"a", "b"}, 0.0, 1.0)
    reach.took(ROLES, {"b"}, 10.0, 14.0)
    assert reach.away(15.0) == (NodeAway("a", ("generator",), 1.0, 15.0),)
    reach.took(ROLES, {"b"}, 20.0, 24.0)
    reach.took(ROLES, {"a", "b"}, 30.0, 31.0)
    assert reach.away(99.0) == (NodeAway("a", ("generator",), 1.0, 31.0),)


def test_where_no_node_answers_it_may_be_the_way_to_the_cluster():
    reach = Reach()
    reach.took(ROLES, {"a", "b"}, 0.0, 1.0)
    reach.took(ROLES, set(), 10.0, 14.0)
    reach.took(ROLES, {"a", "b"}, 20.0, 21.0)
    assert reach.away(99.0) == ()
