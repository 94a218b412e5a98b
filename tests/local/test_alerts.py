"""A plan's alerts in a real Prometheus that scrapes a run which does not hold what the plan asks."""

from __future__ import annotations

from pathlib import Path

from tests.support.exposed import serving
from tests.support.made_run import PLAN_TEXT, Twist, make_run
from tests.support.prometheus import prometheus, scrape

from seatrial.live.exposition.distribution import BOUNDS_S
from seatrial.live.exposition.names import NAMES
from seatrial.plan.read import read_plan
from seatrial.report.rules.expressions import HIGHEST_BOUND_S
from seatrial.report.rules.rules import rules_text


def test_an_objective_that_is_missed_is_seen_firing_and_one_that_holds_is_not(tmp_path: Path) -> None:
    plan = tmp_path / "plan.yaml"
    plan.write_text(PLAN_TEXT.replace("p99 < 5 ms", "p99 < 0.1 ms"))
    (tmp_path / "rules.yml").write_text(rules_text(read_plan(str(plan))))
    run = make_run(tmp_path, trials=2, end=False, twists={2: Twist()})
    with (
        serving(run) as address,
        prometheus(
            tmp_path / "p", scrape("seatrial", address), rule_files=[str(tmp_path / "rules.yml")],
            **{"global": {"evaluation_interval": "1s"}},  # type: ignore[arg-type]
        ) as server,
    ):  # fmt: skip
        server.wait_for('ALERTS{alertstate="firing"}')
        firing = server.instant('ALERTS{alertstate="firing"}')
    assert {one["metric"]["alertname"] for one in firing} == {"SeatrialP99NotMet"}
    assert {one["metric"]["trial"] for one in firing} <= {"1", "2"}


def test_the_rules_speak_of_what_is_exposed() -> None:
    assert BOUNDS_S[-1] == HIGHEST_BOUND_S
    for plan in sorted((Path(__file__).parents[2] / "plans").rglob("*.yaml")):
        text = rules_text(read_plan(str(plan)))
        for name in {
            word for word in text.replace("(", " ").replace("{", " ").split() if word.startswith("seatrial_")
        }:
            bare = name.removeprefix("seatrial_").removesuffix("_total").removesuffix("_bucket")
            assert bare.removesuffix("_count").removesuffix("_sum") in NAMES, (plan.name, name)
