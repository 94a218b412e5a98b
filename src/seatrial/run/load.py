"""A single load: spec in, judged result out. What ``seatrial load`` runs."""

from __future__ import annotations

import asyncio
import dataclasses
import ipaddress
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from seatrial.generator.account import Asked, LoadAccount
from seatrial.generator.frames import Frame
from seatrial.generator.messages import Hello
from seatrial.machine.facts import probe_machine
from seatrial.preflight.findings import require
from seatrial.preflight.load import check_needs
from seatrial.preflight.needs import Needs
from seatrial.run.activities.conduct import OnPhase, conduct
from seatrial.run.activities.traffic import Traffic
from seatrial.run.ending import Ending
from seatrial.run.others import OtherLoads
from seatrial.workload.spec import LoadSpec

if TYPE_CHECKING:
    from seatrial.analysis.load.result import LoadResult
    from seatrial.run.workers.base import Workers


@dataclass(frozen=True, slots=True)
class LoadRun:
    """What a load left behind, before it is summed up."""

    load: LoadSpec
    account: LoadAccount
    frames: Sequence[Frame]

    @property
    def interrupted(self) -> bool:
        """Return whether somebody ended it early."""
        return self.account.driven is None or self.account.driven.interrupted

    def result(self) -> LoadResult:
        """Merge the frames; the result is not judged yet."""
        # What analyses a load is imported when there is one to analyse, so that loads start sooner.
        from seatrial.analysis.load.summarise import summarise

        return summarise(self.account, self.frames)


@dataclass(slots=True)
class LoadHooks:
    """Who wants to hear of what; each is called from the event loop and must be quick.

    ``stop`` ends the load early and in order, ``cut`` ends it without waiting for the answers under way.
    """

    on_frame: Callable[[Frame], None] = lambda _: None
    on_phase: OnPhase = lambda *_: None
    on_started: Callable[[Asked, tuple[Hello, ...]], None] = lambda *_: None
    stop: asyncio.Event = field(default_factory=asyncio.Event)
    cut: asyncio.Event = field(default_factory=asyncio.Event)


async def run_load(load: LoadSpec, hooks: LoadHooks, workers: Workers | None = None) -> LoadRun:
    """Run one load, by default with processes of this machine: a timeline with nothing but its traffic.

    Raises
    ------
    GeneratorFault
        The workers could not be started.
    EnvironmentFault
        The descriptor limit does not allow the connections, or a source is not an address of this machine.
    """
    frames: list[Frame] = []

    def on_frame(frame: Frame) -> None:
        frames.append(frame)
        hooks.on_frame(frame)

    traffic = Traffic(load, on_frame, hooks.on_started, workers=workers)
    ending = Ending(hooks.stop, hooks.cut)
    await conduct((traffic,), load.warmup_s, load.measure_s, ending, hooks.on_phase)
    return LoadRun(load, traffic.account, frames)


async def judged_load(
    load: LoadSpec, hooks: LoadHooks, *, share_machine: bool = False
) -> tuple[LoadRun, LoadResult]:
    """Run one load and decide whether its numbers may be believed, before anyone sees them.

    Raises
    ------
    EnvironmentFault
        This machine cannot open the connections, or another measurement goes on on it and ``share_machine`` does not
        allow that; nothing was started.
    """
    # A load listens on nothing.
    require(check_needs(needs_of_load(load), probe_machine(listeners=False)))
    with OtherLoads("seatrial load", share=share_machine) as others:
        run = await run_load(load, hooks)
        seen = others.look()
    from seatrial.analysis.validity.load import judge_load, remarks_of

    result = run.result()
    validity = judge_load(result, run.frames, run.account)
    remarks = (*remarks_of(run.account), *(() if seen is None else (seen,)))
    return run, dataclasses.replace(result, validity=validity, remarks=remarks)


async def shown_load(
    load: LoadSpec, hooks: LoadHooks, *, share_machine: bool = False
) -> tuple[LoadRun, LoadResult]:
    """Run and judge one load with its progress on stderr; raises as ``judged_load`` does."""
    from seatrial.live.feed import Feed
    from seatrial.live.terminal import TerminalView
    from seatrial.record.events import FrameRecorded, PhaseStarted

    with TerminalView() as view, Feed(view) as feed:
        hooks.on_frame = lambda frame: feed(FrameRecorded(1, frame))
        hooks.on_phase = lambda phase, at_ns, expected_s: feed(
            PhaseStarted(1, phase, at_ns / 1e9, expected_s)
        )
        return await judged_load(load, hooks, share_machine=share_machine)


def needs_of_load(load: LoadSpec) -> Needs:
    """Return what the load asks of this machine; what serves it may be elsewhere and is not counted."""
    return Needs(
        held=load.held,
        active=load.active,
        rate_per_s=load.rate_per_s,
        connect_rate_per_s=load.connect_rate_per_s,
        origin_processes=None,
        workers=load.workers,
        sources=len(load.sources) or None,
        destinations=len(load.targets),
        loopback=all(ipaddress.ip_address(target.host).is_loopback for target in load.targets),
        tls=load.tls is not None,
        reopened_per_s=load.reopened_per_s,
    )
