"""Writing down what will be changed, before it is changed, so that it can be put back after a crash."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping


class ChangeLog(Protocol):
    """Where changes to the machine are noted. ``record`` keeps it in the run directory.

    A process gives two changes, because its id is not known before it runs: an intent (``argv``, ``log``,
    ``boot_id``) and, once it runs, the process itself (also ``pid``, ``started_ticks``). The intent is undone
    as soon as the second is written; the second when the process has ended. A crash at any moment leaves at
    least one of them open.
    """

    def will_start(self, kind: str, detail: Mapping[str, object]) -> int:
        """Write a change down, durably, and return the id to undo it by."""

    def undone(self, change_id: int) -> None:
        """Note that the change has been put back."""


class Unrecorded:
    """A change log for commands that keep no record, such as ``seatrial load``."""

    def will_start(self, kind: str, detail: Mapping[str, object]) -> int:  # noqa: ARG002
        """Write nothing down."""
        return 0

    def undone(self, change_id: int) -> None:
        """Write nothing down."""
