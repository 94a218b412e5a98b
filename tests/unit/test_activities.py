"""Activities of one trial: a common timeline, and none that leaves the others running, whatever becomes of it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field

import pytest

from seatrial.errors import SystemFault
from seatrial.record.events import Phase
from seatrial.run.activities.base import Activity, Takes, Timeline, sleep_until
from seatrial.run.activities.conduct import conduct
from seatrial.run.ending import Ending

LENGTH_S = 0.02
STEPS = ("start", "ready", "run", "finish", "close")


@dataclass
class Stage:
    """What was seen, in its order, and the ending that the activities share."""

    seen: list[str] = field(default_factory=list)
    phases: list[tuple[Phase, int, float | None]] = field(default_factory=list)
    timelines: list[Timeline] = field(default_factory=list)
    ending: Ending = field(default_factory=Ending)

    def on_phase(self, phase: Phase, at_ns: int, expected_s: float | None) -> None:
        self.phases.append((phase, at_ns, expected_s))
        self.seen.append(phase)

    def played(self, activities: Sequence[Activity]) -> bool:
        async def play() -> bool:
            return await conduct(activities, LENGTH_S, 2 * LENGTH_S, self.ending, self.on_phase)

        return asyncio.run(play())

    def of(self, name: str) -> list[str]:
        return [step for who, _, step in (line.partition(" ") for line in self.seen) if who == name and step]


@dataclass
class Fake:
    """An activity that says what it does; ``twists`` is what it does besides, by step."""

    name: str
    stage: Stage
    takes: Takes = field(default_factory=Takes)
    twists: dict[str, Callable[[], Awaitable[object]]] = field(default_factory=dict)
    is_ready: bool = True
    completed: int = 0
    stops_at_finish: list[bool] = field(default_factory=list)

    async def _does(self, step: str) -> None:
        self.stage.seen.append(f"{self.name} {step}")
        try:
            if step in self.twists:
                await self.twists[step]()
        except asyncio.CancelledError:
            # Clearing up may take a while.
            for _ in range(3):
                await asyncio.sleep(0)
            self.stage.seen.append(f"{self.name} {step} was called off")
            raise

    async def start(self) -> Takes:
        await self._does("start")
        return self.takes

    async def ready(self) -> bool:
        await self._does("ready")
        return self.is_ready

    async def run(self, timeline: Timeline) -> None:
        self.stage.timelines.append(timeline)
        await self._does("run")
        await sleep_until(timeline.end_ns)

    async def finish(self, ending: Ending) -> None:
        self.stops_at_finish.append(ending.stop.is_set())
        await self._does("finish")

    async def close(self) -> None:
        await self._does("close")


async def fail() -> None:
    raise SystemFault("it broke")


async def wait_forever() -> None:
    await asyncio.Event().wait()


def a_moment(times: int = 10) -> Callable[[], Awaitable[object]]:
    return lambda: asyncio.sleep(times * 0.001)


@pytest.fixture
def stage() -> Stage:
    return Stage()


def test_all_are_ready_before_the_clock_starts_and_all_follow_one_timeline(stage: Stage) -> None:
    quick = Fake("quick", stage, Takes(ready_s=1, finish_s=4, notice_ns=5_000_000))
    slow = Fake("slow", stage, Takes(ready_s=3, finish_s=2), {"ready": a_moment()})
    assert stage.played((quick, slow)) is False
    assert stage.seen == [
        "quick start", "slow start", "ramp", "quick ready", "slow ready", "quick run", "slow run", "warm up",
        "measure", "cool down", "quick finish", "slow finish", "quick close", "slow close",
    ]  # fmt: skip
    timeline, other = stage.timelines
    assert timeline is other
    (_, ramp_ns, ramp_s), warm_up, measure, (_, cool_down_ns, cool_down_s) = stage.phases
    assert (ramp_s, cool_down_s) == (3, 4)
    assert warm_up == ("warm up", timeline.start_ns, LENGTH_S)
    assert measure == ("measure", timeline.measure_ns, 2 * LENGTH_S)
    assert timeline.start_ns >= ramp_ns + 10_000_000 + 5_000_000
    assert timeline.measure_ns - timeline.start_ns == round(LENGTH_S * 1e9)
    assert cool_down_ns >= timeline.end_ns == timeline.measure_ns + round(2 * LENGTH_S * 1e9)
    assert quick.stops_at_finish == slow.stops_at_finish == [False]


def test_one_that_has_seen_all_ends_the_timeline_and_no_trial_is_cut_off_by_that(stage: Stage) -> None:
    class Through(Fake):
        async def run(self, timeline: Timeline) -> None:
            await super()._does("run")
            await sleep_until(timeline.measure_ns)
            timeline.over.set()

    class Following(Fake):
        async def run(self, timeline: Timeline) -> None:
            self.stage.timelines.append(timeline)
            await super()._does("run")
            await timeline.to_end()

    async def play() -> bool:
        return await conduct((through, following), 0.0, 3_600.0, stage.ending, stage.on_phase)

    through, following = Through("through", stage), Following("following", stage)
    # Nobody ended the trial early: it is whole.
    assert asyncio.run(play()) is False
    # Schedules are not at their end, and are ended.
    assert through.stops_at_finish == following.stops_at_finish == [True]
    assert not stage.ending.stop.is_set()
    assert stage.seen[-5:] == [
        "cool down", "through finish", "following finish", "through close", "following close",
    ]  # fmt: skip
    ((_, cool_down_ns, _),) = [phase for phase in stage.phases if phase[0] == "cool down"]
    assert cool_down_ns < stage.timelines[0].end_ns


@pytest.mark.parametrize("first", [True, False], ids=["the first fails", "the last fails"])
@pytest.mark.parametrize("step", STEPS)
def test_one_that_fails_ends_the_others_in_order(stage: Stage, step: str, *, first: bool) -> None:
    broken, sound = Fake("broken", stage, twists={step: fail}), Fake("sound", stage)
    if step in {"ready", "run"}:
        sound.twists[step] = wait_forever
    with pytest.raises(SystemFault, match="it broke"):
        stage.played((broken, sound) if first else (sound, broken))
    has_started = step != "start" or not first
    assert stage.of("sound")[-1:] == ["close"]
    assert ("finish" in stage.of("sound")) == has_started
    assert stage.of("broken")[-1] == "close"
    assert ("finish" in stage.of("broken")) == (step in {"finish", "close"})
    if step in {"ready", "run"}:
        called_off, finished = f"sound {step} was called off", "sound finish"
        assert stage.seen.index(called_off) < stage.seen.index("cool down") < stage.seen.index(finished)
    if step in {"start", "ready", "run"}:
        # It is to end now. Whose ending it is has not ended anything, though.
        assert sound.stops_at_finish == [True] * has_started
        assert not stage.ending.stop.is_set()
    assert all(stage.of(name).count("close") == 1 for name in ("broken", "sound"))


def test_one_that_fails_alone_is_closed_and_nothing_else(stage: Stage) -> None:
    with pytest.raises(SystemFault):
        stage.played((Fake("broken", stage, twists={"run": fail}),))
    assert stage.of("broken") == ["start", "ready", "run", "close"]
    assert "cool down" not in stage.seen


def test_the_first_failure_is_the_one_that_is_told(stage: Stage) -> None:
    async def break_too() -> None:
        raise SystemFault("a consequence")

    late = Fake("late", stage, twists={"finish": break_too})
    with pytest.raises(SystemFault, match="it broke"):
        stage.played((late, Fake("broken", stage, twists={"run": fail})))
    assert stage.of("late")[-2:] == ["finish", "close"]


def test_without_all_of_them_ready_there_is_no_timeline(stage: Stage) -> None:
    assert stage.played((Fake("lame", stage, is_ready=False), Fake("sound", stage))) is False
    for name in ("lame", "sound"):
        assert stage.of(name) == ["start", "ready", "finish", "close"]
    assert [phase for phase, *_ in stage.phases] == ["ramp", "cool down"]


@pytest.mark.parametrize("step", STEPS)
def test_a_stop_in_any_step_ends_all_in_order(stage: Stage, step: str) -> None:
    async def stop() -> None:
        stage.ending.stop.set()
        await asyncio.sleep(0.01)

    activities = (Fake("stopper", stage, twists={step: stop}), Fake("other", stage))
    # A stop that comes when all have finished has ended nothing early.
    assert stage.played(activities) is (step != "close")
    for name in ("stopper", "other"):
        steps = stage.of(name)
        assert [each for each in steps if each in {"start", "finish", "close"}] == [
            "start",
            "finish",
            "close",
        ]
        assert ("run" in steps) == (step in {"run", "finish", "close"})
    # Where the stop comes while they run, a machine that stalls may let the measure phase begin first.
    assert step == "run" or ("measure" in stage.seen) == (step in {"finish", "close"})
    assert activities[0].stops_at_finish == [step not in {"finish", "close"}]


@pytest.mark.parametrize("step", ["ready", "run"])
def test_one_that_never_comes_to_an_end_is_called_off_by_a_stop(stage: Stage, step: str) -> None:
    async def hang() -> None:
        asyncio.get_running_loop().call_later(0.01, stage.ending.stop.set)
        await wait_forever()

    hanging = Fake("hanging", stage, twists={step: hang})
    assert stage.played((hanging, Fake("other", stage))) is True
    assert stage.of("hanging")[-3:] == [f"{step} was called off", "finish", "close"]
    assert stage.of("other")[-2:] == ["finish", "close"]


def test_one_that_fails_while_a_stop_calls_it_off_has_failed(stage: Stage) -> None:
    async def break_when_stopped() -> None:
        stage.ending.stop.set()
        try:
            await wait_forever()
        except asyncio.CancelledError:
            raise SystemFault("it cannot be put back") from None

    with pytest.raises(SystemFault, match="it cannot be put back"):
        stage.played((Fake("broken", stage, twists={"run": break_when_stopped}), Fake("sound", stage)))
    assert stage.of("broken")[-2:] == ["run", "close"]
    assert stage.of("sound")[-2:] == ["finish", "close"]


@pytest.mark.parametrize("step", STEPS)
def test_what_is_cut_is_closed_and_waits_for_nothing_else(stage: Stage, step: str) -> None:
    async def cut() -> None:
        under_way[0].cancel()
        await (asyncio.sleep(0.01) if step == "close" else wait_forever())
        closed.append(step)

    async def play() -> None:
        playing = conduct(activities, LENGTH_S, LENGTH_S, stage.ending, stage.on_phase)
        under_way.append(asyncio.ensure_future(playing))
        await under_way[0]

    under_way: list[asyncio.Future[bool]] = []
    closed: list[str] = []
    activities = (Fake("one", stage), Fake("cut", stage, twists={step: cut}))
    with pytest.raises(asyncio.CancelledError):
        asyncio.run(play())
    for name in ("one", "cut"):
        assert stage.of(name)[-1] == "close"
        assert ("finish" in stage.of(name)) == (step in {"finish", "close"})
    # What closes is not called off.
    assert closed == (["close"] if step == "close" else [])


@pytest.mark.parametrize("step", ["ready", "run"])
def test_what_clears_up_after_a_stop_is_closed_only_when_it_has_although_it_is_cut(
    stage: Stage, step: str
) -> None:
    async def clear_up_slowly() -> None:
        stage.ending.stop.set()
        try:
            await wait_forever()
        finally:
            under_way[0].cancel()
            await asyncio.sleep(0.02)
            stage.seen.append("slow cleared")

    async def play() -> None:
        playing = conduct(activities, LENGTH_S, LENGTH_S, stage.ending, stage.on_phase)
        under_way.append(asyncio.ensure_future(playing))
        await under_way[0]

    under_way: list[asyncio.Future[bool]] = []
    activities = (Fake("slow", stage, twists={step: clear_up_slowly}), Fake("other", stage))
    with pytest.raises(asyncio.CancelledError):
        asyncio.run(play())
    assert stage.of("slow")[-3:] == ["cleared", f"{step} was called off", "close"]
    assert stage.of("other")[-1] == "close"


def test_one_that_will_not_be_ready_calls_the_others_off(stage: Stage) -> None:
    waiting = Fake("waiting", stage, twists={"ready": wait_forever})
    assert stage.played((Fake("never", stage, is_ready=False), waiting)) is False
    assert stage.of("waiting") == ["start", "ready", "ready was called off", "finish", "close"]
    assert stage.timelines == []


def test_the_first_failure_is_the_one_that_is_raised(stage: Stage) -> None:
    async def fail(words: str, after_s: float) -> None:
        await asyncio.sleep(after_s)
        raise SystemFault(words)

    activities = (
        Fake("late", stage, twists={"run": lambda: fail("the second", 0.01)}),
        Fake(
            "early",
            stage,
            twists={"run": lambda: fail("the first", 0), "close": lambda: fail("the third", 0)},
        ),
    )
    with pytest.raises(SystemFault, match="the first"):
        stage.played(activities)
    with pytest.raises(SystemFault, match="the third"):
        stage.played((Fake("open", stage, twists={"close": lambda: fail("the third", 0)}),))


def test_a_fault_of_the_program_closes_all_of_them(stage: Stage) -> None:
    async def stumble() -> None:
        raise ValueError("a mistake")

    with pytest.raises(ValueError, match="a mistake"):
        stage.played((Fake("sound", stage), Fake("wrong", stage, twists={"run": stumble})))
    assert [stage.of(name)[-1] for name in ("sound", "wrong")] == ["close", "close"]
    assert "finish" not in stage.of("sound")
