"""What a page is given of a case: where there is no verdict, no objective is said to hold or not."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from tests.support.made_run import Twist, compiled_plan, make_run

from seatrial.live.judging import judged
from seatrial.live.web.watch.judged import judged_document

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(("died", "state", "held"), [(False, "FAIL", False), (True, "INVALID", None)])
def test_an_objective_does_not_hold_where_the_verdict_says_so(
    died: bool, state: str, held: bool | None, tmp_path: Path
) -> None:
    twists = {1: Twist(died=died, errors={"reset": 3})}
    run = make_run(tmp_path, systems=("envoy",), trials=1, twists=twists)
    (case_id,) = {one["id"] for one in compiled_plan(("envoy",))["cases"][:1]}
    case = judged(run, case_id)
    assert case is not None
    document = judged_document(case)
    assert document["state"] == state
    assert {"text": "errors == 0", "held": held} in document["objectives"]
    # The numbers do not hold in either.
    assert any(outcome.held is False for outcome in case.verdict.outcomes)
