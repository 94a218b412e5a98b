"""Traffic: the requests and connections of one load, by workers of this machine or of a cluster."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from seatrial.generator.account import Asked, Driven, LoadAccount, WorkersCost
from seatrial.generator.crew import Crew
from seatrial.generator.drive import Drive
from seatrial.generator.frames import Frame, answered
from seatrial.generator.messages import Hello
from seatrial.run.activities.base import Setting, Takes, Timeline, sleep_until
from seatrial.run.workers.local import LocalWorkers
from seatrial.workload.spec import LoadSpec

if TYPE_CHECKING:
    from seatrial.record.events import Phase
    from seatrial.run.ending import Ending
    from seatrial.run.workers.base import Meter, Workers


class Traffic:
    """One load as an activity; what it leaves is its ``account``, and its frames are whose ``on_frame`` is.

    ``on_started`` hears of the workers once they have started, ``on_frame`` of each frame as it comes, and
    ``on_ended`` how the load went and what it cost, unless it was cut before it ended.
    """

    def __init__(
        self,
        load: LoadSpec,
        on_frame: Callable[[Frame], None],
        on_started: Callable[[Asked, tuple[Hello, ...]], None],
        on_ended: Callable[[Driven, WorkersCost], None] = lambda *_: None,
        workers: Workers | None = None,
    ) -> None:
        """Prepare it; nothing is started. ``workers`` says where they are, by default on this machine.

        Raises
        ------
        EnvironmentFault
            The descriptor limit does not allow the connections, or a source is not an address of this machine.
        """
        self._workers = workers or LocalWorkers()
        self.load = load = self._workers.fitted(load)
        self._completed = 0
        self._on_frame, self._on_started, self._on_ended = on_frame, on_started, on_ended
        self._asked = Asked.of(load, served_here=self._workers.serves_here(load))
        self._crew = Crew(self._workers.split(load), self._workers.open, self._take)
        self._drive = Drive(load, self._crew)
        self._hellos: tuple[Hello, ...] = ()
        self._meter: Meter | None = None
        self._cost: WorkersCost | None = None
        self._driven: Driven | None = None

    @property
    def account(self) -> LoadAccount:
        """What is known of the load beside its frames."""
        return LoadAccount(self._asked, self._hellos, self._driven, self._cost or WorkersCost())

    @property
    def completed(self) -> int:
        """How many requests were answered, those of warm-up and drain and of idle connections included."""
        return self._completed

    async def start(self) -> Takes:
        """Start the workers; connections are being opened from here on. Raises ``SeatrialError``."""
        await self._workers.start(self._crew.size)
        self._hellos = await self._crew.start()
        self._on_started(self._asked, self._hellos)
        self._meter = self._workers.meter(self._hellos, served_here=self._asked.served_here)
        self._meter_hears("ramp")
        return Takes(ready_s=self._drive.ramp_s, finish_s=self.load.drain_s, notice_ns=self._drive.notice_ns)

    async def ready(self) -> bool:
        """Wait for every connection; False where the ramp comes to a standstill."""
        is_complete = await self._drive.ramp()
        if not is_complete:
            self._take_cost()
        return is_complete

    async def run(self, timeline: Timeline) -> None:
        """Have the workers send by their schedules."""
        self._drive.go(timeline.start_ns)
        self._meter_hears("warm up")
        try:
            await sleep_until(timeline.measure_ns)
            self._meter_hears("measure")
            await timeline.to_end()
        finally:
            # Before others look at what there is, which takes CPU.
            self._take_cost()

    async def finish(self, ending: Ending) -> None:
        """End the schedules where they are not over, and wait for the answers under way."""
        self._take_cost()
        self._driven = await self._drive.finish(ending.stop, ending.cut)

    async def close(self) -> None:
        """End every worker that is still there."""
        try:
            await self._crew.close()
        finally:
            try:
                await self._workers.close()
            finally:
                # How it went is known, whatever became of the room that its workers had.
                if self._driven is not None:
                    self._cost = self._workers.completed_cost(self._cost or WorkersCost(), self._driven)
                    self._on_ended(self._driven, self._cost)

    def _take(self, frame: Frame) -> None:
        # A thousand workers make more of them than memory holds: whoever needs them keeps them.
        self._completed += answered((frame,))
        self._on_frame(frame)

    def _meter_hears(self, phase: Phase) -> None:
        if self._meter is not None:
            self._meter.on_phase(phase)

    def _take_cost(self) -> None:
        """Read what the load has cost, the first time that this is called: where its schedule is over or called off."""
        if self._meter is not None and self._cost is None:
            self._meter.on_phase("cool down")
            self._cost = self._meter.cost()


def traffic_of(setting: Setting) -> Traffic:
    """Return the traffic of a trial, which every trial has."""
    # `seatrial load` uses this file, too, and needs nothing of plans and records.
    from seatrial.plan.load_options import load_options
    from seatrial.record.events import FrameRecorded, LoadEnded, LoadStarted
    from seatrial.seeds import derive

    trial, record, workers = setting.trial, setting.record, setting.workers

    def on_started(asked: Asked, hellos: tuple[Hello, ...]) -> None:
        setting.watch_generators(workers.members(hellos))
        record(LoadStarted(trial.order, asked, hellos))

    return Traffic(
        load_options(trial.case, setting.bed.endpoints, derive(trial.seed, "arrivals")).spec(),
        on_frame=lambda frame: record(FrameRecorded(trial.order, frame)),
        on_started=on_started,
        on_ended=lambda driven, cost: record(LoadEnded(trial.order, driven, cost)),
        workers=workers,
    )
