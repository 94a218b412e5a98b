"""Every check about one case, or about all cases of a plan by the worst."""

from __future__ import annotations

from typing import TYPE_CHECKING

from seatrial.preflight.cases import needs_of_case
from seatrial.preflight.findings import Finding
from seatrial.preflight.load import check_needs
from seatrial.preflight.restarts import check_restarts

if TYPE_CHECKING:
    from collections.abc import Sequence

    from seatrial.machine.facts import Machine
    from seatrial.plan.cases import Case


def check_case(case: Case, machine: Machine) -> tuple[Finding, ...]:
    """Return every check's finding about one case."""
    return (*check_needs(needs_of_case(case), machine), *check_restarts(case))


def check_cases(cases: Sequence[Case], machine: Machine) -> tuple[Finding, ...]:
    """Return one finding for each check: that of the worst case, which it names if it is no longer fine."""
    # The largest comes first and stays, among cases that are equally bad.
    by_size = sorted(
        cases, key=lambda case: (case.load.connections, case.load.peak_rate_per_s or 0.0), reverse=True
    )
    by_case = [(case, check_case(case, machine)) for case in by_size]
    found = [(case, finding) for case, findings in by_case for finding in findings]
    # The case with the most checks (through a proxy) gives the order, so that related findings stay together.
    most_first = sorted((findings for _, findings in by_case), key=len, reverse=True)
    codes = dict.fromkeys(finding.code for findings in most_first for finding in findings)
    return tuple(_worst([pair for pair in found if pair[1].code == code], len(cases)) for code in codes)


def _worst(found: list[tuple[Case, Finding]], cases: int) -> Finding:
    case, worst = max(found, key=lambda pair: pair[1].rank)
    if len({finding.text for _, finding in found}) == 1:
        return worst
    as_bad = sum(finding.rank == worst.rank for _, finding in found)
    where = (
        f"{as_bad} of {cases} cases, the largest {case.id}: " if worst.rank else f"largest case {case.id}: "
    )
    return Finding(worst.code, worst.severity, where + worst.text, worst.remedy)
