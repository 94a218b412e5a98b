"""What was asked of the systems' own limits and sizes beside what is in force, the same in every output."""

from __future__ import annotations

from typing import TYPE_CHECKING

from seatrial.systems.settings import value_text

if TYPE_CHECKING:
    from seatrial.analysis.run.model import RunSummary

TITLE = "Limits and sizes of the systems: asked for, and in force"
HEADINGS = ("System", "Setting", "Asked", "In force", "By")
OWN_DEFAULT = "its default"


def setting_rows(summary: RunSummary) -> tuple[tuple[str, ...], ...]:
    """Return a row for each setting of each system; one that differs between members or cases has several."""
    return tuple(
        dict.fromkeys(
            (
                case.case.system,
                setting.name,
                _asked(value_text(setting.asked), at_least=setting.at_least)
                if setting.asked is not None
                else OWN_DEFAULT,
                value_text(setting.in_force),
                setting.source,
            )
            for case in summary.cases
            for trial in case.attempts
            for setting in trial.facts.settings
        )
    )


def _asked(text: str, *, at_least: bool) -> str:
    return f"at least {text}" if at_least else text
