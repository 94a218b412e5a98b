"""What turns some objects into others, in an order in which nothing refers to what is not there."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from seatrial.cluster.resources import Ref, ref_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from seatrial.systems.installed.manifests.objects import Object


@dataclass(frozen=True, slots=True)
class Differences:
    """Objects to be made, then others to be changed, then others to be deleted.

    The parts are of one kind each, and one after another: what is new is there before anything leads to it, and what
    goes is not led to any more.
    """

    new: tuple[tuple[Object, ...], ...]
    changed: tuple[tuple[Object, ...], ...]
    gone: tuple[tuple[Ref, ...], ...]


def differences(before: Iterable[Object], after: Iterable[Object]) -> Differences:
    """Return what is to be done; the objects of both come in the order in which they may be made."""
    were = {ref_of(one): one for one in before}
    new, changed, order = [], [], dict.fromkeys(ref.kind for ref in were)
    for one in after:
        ref = ref_of(one)
        order[ref.kind] = None
        was = were.pop(ref, None)
        if was is None:
            new.append(one)
        elif was != one:
            changed.append(one)
    kinds = tuple(order)
    gone = (tuple(ref for ref in were if ref.kind == kind) for kind in reversed(kinds))
    return Differences(
        tuple(_by_kind(new, kinds)), tuple(_by_kind(changed, kinds)), tuple(filter(None, gone))
    )


def _by_kind(objects: list[dict[str, Any]], kinds: Iterable[str]) -> Iterator[tuple[Object, ...]]:
    for kind in kinds:
        if found := tuple(one for one in objects if one["kind"] == kind):
            yield found
