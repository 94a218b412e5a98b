"""What the members of a system ran, as they said it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class RunningConfiguration:
    """What a member of the system said it runs, by name, before and after the load; None where it did not say."""

    member: str
    before: Mapping[str, str] | None
    after: Mapping[str, str] | None

    @property
    def changed(self) -> tuple[str, ...]:
        """The names of what is not as it was; nothing where the member did not say."""
        if self.before is None or self.after is None:
            return ()
        names = sorted(self.before.keys() | self.after.keys())
        return tuple(name for name in names if self.before.get(name) != self.after.get(name))
