"""Every right that Seatrial needs on a cluster, as the rooms that use them state them: to add a room is a line here."""

from __future__ import annotations

from typing import TYPE_CHECKING

from seatrial.cluster import owned

if TYPE_CHECKING:
    from collections.abc import Mapping

    from seatrial.cluster.rights import Right

RIGHTS: Mapping[str, tuple[Right, ...]] = {
    "objects": owned.RIGHTS,
}
"""By what needs them."""


def every_right() -> tuple[Right, ...]:
    """Return all of them, each once."""
    return tuple(dict.fromkeys(right for rights in RIGHTS.values() for right in rights))
