"""What has to be done for the destination to be as the source is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from seatrial.discoverer.objects import SERVICE

if TYPE_CHECKING:
    from collections.abc import Mapping

    from seatrial.discoverer.objects import ObjectId, Shape


@dataclass(frozen=True, slots=True)
class Held:
    """An object that the destination has: ``version`` is its resourceVersion."""

    uid: str
    version: str
    shape: Shape


@dataclass(frozen=True, slots=True)
class Step:
    """One thing to do with one object."""

    verb: Literal["create", "update", "delete"]
    id: ObjectId


def steps_between(wanted: Mapping[ObjectId, Shape], held: Mapping[ObjectId, Held]) -> list[Step]:
    """Return what makes what is held what is wanted, empty where it is: whatever order either comes in.

    A Service comes before its slices, and goes after them.
    """
    # Nearly always, and of everything once a cycle.
    if len(wanted) == len(held) and all(
        (there := held.get(one)) is not None and there.shape == shape for one, shape in wanted.items()
    ):
        return []
    steps: list[Step] = []
    for one in sorted(wanted, key=_service_first):
        if one not in held:
            steps.append(Step("create", one))
        elif held[one].shape != wanted[one]:
            steps.append(Step("update", one))
    gone = sorted((one for one in held if one not in wanted), key=_service_first, reverse=True)
    return [*steps, *(Step("delete", one) for one in gone)]


def _service_first(one: ObjectId) -> tuple[bool, ObjectId]:
    return one[0] != SERVICE, one
