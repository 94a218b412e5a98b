"""What the members of a system ran, as they said it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

GIVEN = "given"
"""Among the digests of a member's configuration: what a controller gave it, which is to be the same at each of them."""


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


@dataclass(frozen=True, slots=True)
class ControllerLook:
    """One look at a pod of a controller: how often containers of it ended so far, and how the last that did.

    ``values`` are what it says of itself on its metrics page, by the names of ``installed/controllers/page.py``; empty
    where it does not answer. An ``incarnation`` is another once a container was started anew.
    """

    incarnation: str
    ended: int
    why: str
    values: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class ControllerUse:
    """What became of a pod of a controller in a trial.

    Containers of it ended so often and were started again (``restarts``), the last as ``why`` has it. ``panics`` are
    those in its log, recovered ones too, the first as ``panic`` has it; None where the log cannot be read. ``before``
    and ``after`` the trial are what it said of itself then.
    """

    member: str
    restarts: int
    why: str
    panics: int | None
    panic: str
    before: Mapping[str, float]
    after: Mapping[str, float]

    def grown(self, name: str) -> float | None:
        """Return by how much one of its counters grew; None where it does not say, or has begun anew."""
        if self.restarts or name not in self.before or name not in self.after:
            return None
        return self.after[name] - self.before[name]
