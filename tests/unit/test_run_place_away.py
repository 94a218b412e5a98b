"""A place that is gone between two trials: the run waits for it a while and ends, and can be gone on with."""

from __future__ import annotations

import asyncio
from fractions import Fraction
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from aiohttp import web
from tests.support.fake_api import fake_client, says
from tests.support.made_trials import make_trials_up

from seatrial.analysis.run.summary import summarise_run
from seatrial.errors import EnvironmentFault
from seatrial.plan.read import given_again
from seatrial.record.reader import RunReader
from seatrial.run import plan as run_plan_module
from seatrial.run.ending import Ending
from seatrial.run.places import kubernetes, machine
from seatrial.run.resume import resumption_of

PLAN = """
name: away
systems: [direct]
load: {rate: 500/s}
phases: {measure: 2 s}
repeat: 3
"""


def test_no_trial_is_begun_where_the_place_is_gone_and_the_run_is_resumed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made, looks, is_back = make_trials_up(monkeypatch, {}), [], [False]

    async def require(_: object) -> None:
        looks.append(len(made))
        if len(made) == 2 and not is_back[0]:
            raise EnvironmentFault("the API server has not answered for 60 s: no other trial is begun")

    monkeypatch.setattr(machine._Standing, "require", require)
    given = given_again(PLAN, "plan.yaml", Fraction(1))
    ended = asyncio.run(run_plan_module.run_plan(given, tmp_path, run_plan_module.Audience(), Ending()))
    assert ended.fault is not None
    assert "no other trial is begun" in str(ended.fault)
    assert (len(made), looks) == (2, [0, 1, 2])
    with RunReader.open(ended.path) as reader:
        summary = summarise_run(reader)
    assert (summary.run.state, summary.trials) == ("failed", 2)
    is_back[0] = True
    asyncio.run(run_plan_module.resume_plan(resumption_of(ended.path), run_plan_module.Audience(), Ending()))
    assert [trial.order for trial in made] == [1, 2, 3]


def test_ctrl_c_is_heard_while_a_place_is_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made, ending = make_trials_up(monkeypatch, {}), list[Ending]()

    async def require(_: object) -> None:
        if made:
            ending[0].stop.set()
            await asyncio.sleep(3_600)

    async def run() -> run_plan_module.PlanRun:
        ending.append(Ending())
        given = given_again(PLAN, "plan.yaml", Fraction(1))
        async with asyncio.timeout(60):
            return await run_plan_module.run_plan(given, tmp_path, run_plan_module.Audience(), ending[0])

    monkeypatch.setattr(machine._Standing, "require", require)
    ended = asyncio.run(run())
    assert (ended.interrupted, ended.fault, len(made)) == (True, None, 1)


def standing(client: Any) -> kubernetes.StandingOnCluster:
    owned = SimpleNamespace(client=client)
    return kubernetes.StandingOnCluster((), cast("Any", owned), "ours", cast("Any", None))


def test_an_api_server_that_stands_still_is_not_waited_for_longer_than_it_may_be_away(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(kubernetes, "AWAY_LIMIT_S", 0.5)
    let_go = asyncio.Event()

    async def silent(_: web.Request) -> web.StreamResponse:
        await let_go.wait()
        return web.Response()

    async def run() -> None:
        async with fake_client() as (api, client):
            api.otherwise = silent
            async with asyncio.timeout(20):
                with pytest.raises(EnvironmentFault) as raised:
                    await standing(client).require()
            let_go.set()
            api.otherwise = says({"gitVersion": "v1"})
            await standing(client).require()
        assert raised.value.what.endswith("has not answered for 0.5 s: no other trial is begun")
        assert "--resume" in str(raised.value.next_step)

    asyncio.run(run())
