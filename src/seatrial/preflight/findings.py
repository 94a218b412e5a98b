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


def require(findings: Iterable[Finding]) -> None:
    """Raise EnvironmentFault with every refusal, its arithmetic and its remedy; return if nothing is refused."""
    refused = [finding for finding in findings if finding.severity == "refuse"]
    if not refused:
        return
    blocks = [f"{finding.code}: {finding.text}\n  remedy: {finding.remedy}" for finding in refused]
    raise EnvironmentFault(
        "\n".join(["this machine cannot run the plan", *blocks]),
        cause="the plan needs more than the machine's limits allow; nothing was started",
        next_step="apply the remedies or make the plan smaller, then look again with `seatrial check PLAN`",
    )
