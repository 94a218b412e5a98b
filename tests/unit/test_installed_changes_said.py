"""What the status of a route says of its changes: of this very object, whatever had its name before."""

from __future__ import annotations

from typing import Any

from seatrial.cluster.watch import Change
from seatrial.systems.installed.changes import RouteChanges
from seatrial.systems.installed.kinds.choice import recipe_of
from seatrial.systems.installed.kinds.contour import ContourOptions
from seatrial.systems.installed.manifests.objects import Site


def seen(kind: Any, uid: str, generation: int, at_s: float) -> Change:
    valid = {"type": "Valid", "observedGeneration": generation}
    route = {
        "metadata": {"name": "change-0", "uid": uid, "generation": generation},
        "status": {"currentStatus": "valid", "conditions": [valid]},
    }
    return Change(kind, route, at_s)


def test_a_route_that_is_made_again_under_its_name_waits_for_its_own_status() -> None:
    changes = RouteChanges(recipe_of(ContourOptions(), Site("here", "contour")), made=None)  # type: ignore[arg-type]
    heard: list[tuple[str, float]] = []

    def hears(what: str, place: str, name: str, after_s: float, by_s: float) -> None:
        heard.append((what, by_s))

    def wants(uid: str, generation: int) -> None:
        changes._want("change-0", {"uid": uid, "generation": generation}, hears)

    changes._take(seen("modified", "first", 1, 1.0))
    # It was written before the answer to us was here.
    wants("first", 1)
    assert heard == [("status", 1.0)]
    wants("first", 2)
    changes._take(seen("modified", "first", 1, 1.5))
    assert len(heard) == 1
    changes._take(seen("modified", "first", 2, 2.0))
    assert heard.pop() == ("status", 2.0)
    # It went, and another came under its name, whose first generation nobody has spoken of.
    changes._take(seen("deleted", "first", 2, 3.0))
    wants("second", 1)
    assert len(heard) == 1
    changes._take(seen("added", "second", 1, 4.0))
    assert heard.pop() == ("status", 4.0)


def test_nobody_waits_for_the_status_of_what_is_gone() -> None:
    changes = RouteChanges(recipe_of(ContourOptions(), Site("here", "contour")), made=None)  # type: ignore[arg-type]
    changes._want("change-0", {"uid": "first", "generation": 1}, lambda *_: None)
    assert changes._wanted
    changes._take(seen("deleted", "first", 1, 1.0))
    assert not changes._wanted
