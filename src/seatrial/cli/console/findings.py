"""What preflight found, as a plain table."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from seatrial.preflight.findings import Finding


def findings_text(findings: Sequence[Finding]) -> str:
    """Return the findings as a plain table, each remedy under its finding."""
    width = max(len(finding.code) for finding in findings)
    lines: list[str] = []
    for finding in findings:
        lines.append(f"{finding.severity:6}  {finding.code:{width}}  {finding.text}")
        if finding.remedy:
            lines.append(f"{'':6}  {'':{width}}  remedy: {finding.remedy}")
    return "\n".join(lines)
