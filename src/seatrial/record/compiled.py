"""The compiled plan as the record keeps it, so that a report never parses the plan file again."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable

    from seatrial.plan.cases import Case
    from seatrial.plan.model import Plan


def compile_document(plan: Plan, cases: Iterable[Case], order: Iterable[tuple[Case, int]]) -> str:
    """Return JSON: ``plan`` (the models dumped), ``cases`` and ``order`` as (case id, repeat) pairs."""
    document = {
        "plan": plan.model_dump(mode="json"),
        "cases": [_case(case) for case in cases],
        "order": [[case.id, repeat] for case, repeat in order],
    }
    return json.dumps(document)


def _case(case: Case) -> dict[str, Any]:
    return {
        "id": case.id,
        "system": case.system.label,
        "kind": case.system.kind,
        "variables": [list(pair) for pair in case.variables],
        "system_plan": case.system.model_dump(mode="json"),
        "load": case.load.model_dump(mode="json"),
        "origin": case.origin.model_dump(mode="json"),
        "phases": case.phases.model_dump(mode="json"),
    }
