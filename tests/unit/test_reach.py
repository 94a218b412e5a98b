"""Which nodes are away is known from those that answer meanwhile."""

from __future__ import annotations

from seatrial.machine.members import Role
from seatrial.observe.reach import Reach
from seatrial.observe.samples import NodeAway

ROLES: dict[str, tuple[Role, ...]] = {"a": ("generator",), "b": ("system",)}


def test_a_node_that_others_outlast_was_away_since_it_answered_last():
    reach = Reach()
    reach.took(ROLES, {"a", "b"}, 1.0)
    reach.took(ROLES, {"b"}, 14.0)
    assert reach.away(15.0) == (), "one that is missed may be busy"
    reach.took(ROLES, {"b"}, 24.0)
    assert reach.away(25.0) == (NodeAway("a", ("generator",), 1.0, 25.0),)
    reach.took(ROLES, {"a", "b"}, 31.0)
    assert reach.away(99.0) == (NodeAway("a", ("generator",), 1.0, 31.0),)


def test_one_that_is_missed_once_in_a_while_is_not_away():
    reach = Reach()
    for at_s in range(0, 100, 10):
        reach.took(ROLES, {"a", "b"} if at_s % 20 else {"b"}, float(at_s))
    assert reach.away(100.0) == ()


def test_of_one_that_never_answered_nothing_is_known():
    reach = Reach()
    for at_s in (1.0, 2.0, 3.0):
        reach.took(ROLES, {"b"}, at_s)
    assert reach.away(4.0) == ()


def test_where_no_node_answers_it_may_be_the_way_to_the_cluster():
    reach = Reach()
    reach.took(ROLES, {"a", "b"}, 1.0)
    for at_s in (14.0, 24.0, 34.0):
        reach.took(ROLES, set(), at_s)
    reach.took(ROLES, {"a", "b"}, 41.0)
    assert reach.away(99.0) == ()
