"""The programs that a plan needs: found before anything starts, named exactly in the record."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

from seatrial.errors import EnvironmentFault
from seatrial.machine.namespaces import IP, NSENTER
from seatrial.machine.processes import programs
from seatrial.preflight.findings import Finding
from seatrial.systems import registry

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from seatrial.machine.processes.programs import BinaryInfo
    from seatrial.plan.cases import Case


def programs_of(cases: Sequence[Case]) -> dict[str, BinaryInfo]:
    """Return the program of each system, by its label, and of the origin.

    Raises ``EnvironmentFault`` where one is missing.
    """
    found = {role: version() for role, version in _versions(cases).items()}
    return {role: program for role, program in found.items() if program is not None}


def check_programs(cases: Sequence[Case]) -> tuple[Finding, ...]:
    """Return which program each system of a plan would use; one without has no finding."""
    found = (_finding(role, version) for role, version in _versions(cases).items())
    return tuple(finding for finding in found if finding is not None)


def _versions(cases: Sequence[Case]) -> dict[str, Callable[[], BinaryInfo | None]]:
    """Return how to ask for the version of each program: once, in however many cases it runs."""
    asked: dict[str, Callable[[], BinaryInfo | None]] = {}
    for case in cases:
        asked[case.system.label] = case.system.options.create().version
        asked["origin"] = registry.create_origin(case.origin).version
        if case.plan.place == "namespaces":
            # What makes the network that is measured is named as exactly as what is measured over it.
            asked |= {
                program.names[0]: functools.partial(programs.installed, program) for program in (IP, NSENTER)
            }
    return asked


def _finding(role: str, version: Callable[[], BinaryInfo | None]) -> Finding | None:
    code = f"program-{role}"
    try:
        program = version()
    except EnvironmentFault as fault:
        return Finding(code, "refuse", fault.what, fault.next_step or "")
    return None if program is None else Finding(code, "ok", f"{program.version}: {program.path}")
