"""The compiled plan as one JSON document: every default, every limit, the cases, the order of trials."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING, Any

from seatrial.limits import named_limits
from seatrial.plan.cases import expected_run_s, trial_order
from seatrial.plan.sanity import expected_sanity_s, sanity_cells
from seatrial.plan.shown.command import case_command

if TYPE_CHECKING:
    from collections.abc import Iterable

    from seatrial.plan.cases import Case
    from seatrial.plan.model.during import DisturbancePlan
    from seatrial.plan.model.plan import Plan

SCHEMA = "seatrial.plan/1"


WHOLE = Fraction(1)


def compiled_document(plan: Plan, cases: tuple[Case, ...], scale: Fraction = WHOLE) -> dict[str, Any]:
    """Return what `seatrial plan show --json` prints and the record keeps; units are in the names.

    ``scale`` is at which part of its size the plan is.
    """
    order = trial_order(plan, cases)
    return {
        "schema": SCHEMA,
        "scale": str(scale),
        "plan": plan.model_dump(mode="json"),
        "limits": named_limits(),
        "cases": [_case_document(case) for case in cases],
        "trials": [{"case_id": case.id, "repeat": repeat} for case, repeat in order],
        "sanity": [_cell_document(cell) for cell in sanity_cells(plan)],
        "expected_s": expected_run_s(plan, cases) + expected_sanity_s(plan),
    }


def _cell_document(cell: Case) -> dict[str, Any]:
    return {
        **_case_document(cell),
        "phases": cell.phases.model_dump(mode="json"),
        "objectives": [objective.model_dump(mode="json") for objective in cell.plan.objectives],
    }


def _disturbance_documents(those: Iterable[DisturbancePlan]) -> list[dict[str, Any]]:
    return [{"at_s": one.at_s, "words": one.words} for one in those]


def _case_document(case: Case) -> dict[str, Any]:
    return {
        "id": case.id,
        "system": case.system.label,
        "variables": dict(case.variables),
        "load": case.load.model_dump(mode="json"),
        "origin": case.origin.model_dump(mode="json"),
        "topology": case.topology.model_dump(mode="json"),
        "disturbances": _disturbance_documents(case.disturbances),
        "objects": None if case.objects is None else case.objects.model_dump(mode="json"),
        "discovery": None if case.discovery is None else case.discovery.model_dump(mode="json"),
        "spared": _disturbance_documents(case.spared),
        "command": case_command(case),
        "expected_s": case.expected_s,
    }
