"""What a check says: fine, worth knowing, or refused; with the arithmetic and the remedy."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from seatrial.errors import EnvironmentFault

if TYPE_CHECKING:
    from collections.abc import Iterable

Severity = Literal["ok", "warn", "refuse"]
SEVERITIES: tuple[Severity, ...] = ("ok", "warn", "refuse")


@dataclass(frozen=True, slots=True)
class Finding:
    """One check's answer. ``text`` holds the arithmetic; ``remedy`` is empty where nothing needs doing."""

    code: str
    severity: Severity
    text: str
    remedy: str = ""

    @property
    def rank(self) -> int:
        """Return how bad it is, to sort by."""
        return SEVERITIES.index(self.severity)


def warnings_of(findings: Iterable[Finding]) -> tuple[str, ...]:
    """Return what is worth knowing, a line for each."""
    return tuple(
        f"preflight, {finding.code}: {finding.text}; {finding.remedy}"
        for finding in findings
        if finding.severity == "warn"
    )


def fits(findings: Iterable[Finding]) -> bool:
    """Return whether nothing is refused."""
    return all(finding.severity != "refuse" for finding in findings)


def require(findings: Iterable[Finding], who: str = "this machine") -> None:
    """Raise EnvironmentFault with every refusal, its arithmetic and its remedy; return if nothing is refused."""
    refused = [finding for finding in findings if finding.severity == "refuse"]
    if not refused:
        return
    blocks = [f"{finding.code}: {finding.text}\n  remedy: {finding.remedy}" for finding in refused]
    raise EnvironmentFault(
        "\n".join([f"{who} cannot run the plan", *blocks]),
        cause=f"the plan needs more than {who} allows; nothing was started",
        next_step="apply the remedies or make the plan smaller, then look again with `seatrial check PLAN`",
    )
