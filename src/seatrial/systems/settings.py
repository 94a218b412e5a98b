"""What was asked of a proxy's own limits and sizes, and what is in force, as the running proxy itself says it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from seatrial.errors import SystemFault

if TYPE_CHECKING:
    from collections.abc import Iterable

Value = int | str | None

NO_LIMIT = "no limit"


@dataclass(frozen=True, slots=True)
class Setting:
    """One setting of one member, by the proxy's own name for it.

    ``asked`` is None where the proxy's own default was to be left; ``in_force`` is None where it does not say.
    ``source`` is where it was read. What is asked ``at_least`` may be more. ``counter`` is its own counter of how often
    it was met, where there is one.
    """

    member: str
    name: str
    asked: Value
    in_force: Value
    source: str
    at_least: bool = False
    counter: str | None = None

    @property
    def is_as_asked(self) -> bool:
        """Whether what is in force is what was asked for, or nothing was."""
        if self.asked is None:
            return True
        if self.at_least and isinstance(self.asked, int) and isinstance(self.in_force, int):
            return self.in_force >= self.asked
        return self.in_force == self.asked


@dataclass(frozen=True, slots=True)
class LimitMet:
    """How often one member met a limit of its own in a trial, or did not take a change, by its own counter's name."""

    member: str
    counter: str
    count: int


def require_in_force(settings: Iterable[Setting]) -> None:
    """Raise ``SystemFault`` that names each setting which is not as it was asked for."""
    wrong = [setting for setting in settings if not setting.is_as_asked]
    if not wrong:
        return
    named = ", ".join(dict.fromkeys(difference_text(setting) for setting in wrong))
    raise SystemFault(
        f"{wrong[0].member} does not have what was asked of it: {named}",
        cause="something else sets it: the raw configuration merged in, or a limit of the environment",
        next_step="take it out of `config`, or say `limits: default` and leave it to `config`; nothing was measured",
    )


def difference_text(setting: Setting) -> str:
    """Return "Maxconn: 1,000 asked, 100 in force (show info)"."""
    least = "at least " if setting.at_least else ""
    asked, in_force = value_text(setting.asked), value_text(setting.in_force)
    return f"{setting.name}: {least}{asked} asked, {in_force} in force ({setting.source})"


def value_text(value: Value) -> str:
    """Return a value as a person reads it."""
    if value is None:
        return "not known"
    return f"{value:,}" if isinstance(value, int) else value
