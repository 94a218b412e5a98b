"""A single load: spec in, judged result out. What ``seatrial load`` runs, and the heart of every trial."""

from __future__ import annotations

import asyncio
import dataclasses
import ipaddress
import os
import resource
import socket
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from seatrial.generator.drive import Driven, PhaseLabel, drive
from seatrial.generator.frames import Frame
from seatrial.generator.routes import merged_routes
from seatrial.generator.split import split
from seatrial.generator.workers import Hello, LocalWorkers
from seatrial.machine.facts import probe_machine
from seatrial.machine.memory import pss_bytes
from seatrial.machine.throttling import cpu_stat_files, throttled_s
from seatrial.observe.shares import CpuShares, CpuTimes, read_times, shares_between
from seatrial.observe.tcp import listen_overflows
from seatrial.preflight.findings import require
from seatrial.preflight.load import check_needs
from seatrial.preflight.needs import Needs
from seatrial.preflight.sources import require_sources
from seatrial.run.others import OtherLoads
from seatrial.workload.spec import LoadSpec

if TYPE_CHECKING:
    from seatrial.analysis.load.facts import LoadFacts
    from seatrial.analysis.load.result import LoadResult
    from seatrial.analysis.reasons import Reason


@dataclass(slots=True)
class LoadRun:
    """What a load left behind, before it is summed up."""

    load: LoadSpec
    driven: Driven
    frames: Sequence[Frame]
    pss_bytes: int
    throttled_s: float
    listen_overflows: int | None = None
    cpu: CpuShares | None = None

    def doubts(self, result: LoadResult) -> tuple[Reason, ...]:
        """Return the doubts that only the workers' parent knows of."""
        from seatrial.analysis.validity.load import doubts_of

        return doubts_of(self.driven, result.errors, self.listen_overflows)

    def facts(self) -> LoadFacts:
        """Return what the frames do not say themselves."""
        # What analyses a load is imported when there is one to analyse, so that loads start sooner.
        from seatrial.analysis.load.facts import LoadFacts

        load, hellos = self.load, self.driven.hellos
        started_ns = self.driven.window_start_ns(load)
        measured_s = self.driven.measured_s(load) if started_ns is not None else 0.0
        return LoadFacts(
            url=load.url,
            loop=load.loop,
            arrival=load.arrival,
            driver="+".join(sorted({hello.driver for hello in hellos})),
            driver_fallback=_fallback(hellos),
            # Where workers differ, the weaker speaks for all, and `doubts_of` says that they do.
            resolution_us=max(hello.resolution_ns for hello in hellos) // 1000,
            timestamps="kernel" if all(hello.timestamps == "kernel" for hello in hellos) else "program",
            seed=load.seed,
            rate_requested_per_s=load.rate_over_per_s(measured_s) if load.loop == "open" else None,
            active_requested=load.active,
            held_requested=load.held,
            window_start_ns=started_ns if started_ns is not None else time.monotonic_ns(),
            measured_s=measured_s,
            interval_s=load.interval_s,
            processes=len(hellos),
            pss_bytes=self.pss_bytes,
            throttled_s=self.throttled_s,
            cpu=self.cpu,
            served_here=_is_here(load),
            scheduling="first" if all(hello.scheduling == "first" for hello in hellos) else "shared",
            clock_steps=sum(done.clock_steps for done in self.driven.dones),
            routes=merged_routes(report for done in self.driven.dones for report in done.routes),
            status_expected=load.status_expected,
            unexpected_kept=tuple(answer for done in self.driven.dones for answer in done.unexpected),
            tls=load.tls is not None,
            spin=load.spin,
        )

    def result(self) -> LoadResult:
        """Merge the frames; the result is not judged yet."""
        from seatrial.analysis.load.summarise import summarise

        return summarise(self.facts(), self.frames)


def _fallback(hellos: Sequence[Hello]) -> str | None:
    causes = {hello.driver_fallback: None for hello in hellos if hello.driver_fallback}
    return "; ".join(causes) or None


@dataclass(slots=True)
class LoadHooks:
    """Who wants to hear of what; each is called from the event loop and must be quick.

    ``stop`` ends the load early and in order, ``cut`` ends it without waiting for the answers under way.
    """

    on_frame: Callable[[Frame], None] = lambda _: None
    on_phase: Callable[[PhaseLabel, int, float | None], None] = lambda *_: None
    on_started: Callable[[tuple[int, ...]], None] = lambda _: None
    stop: asyncio.Event = field(default_factory=asyncio.Event)
    cut: asyncio.Event = field(default_factory=asyncio.Event)


async def run_load(load: LoadSpec, hooks: LoadHooks) -> LoadRun:
    """Run one load on local workers.

    Raises
    ------
    GeneratorFault
        The workers could not be started.
    EnvironmentFault
        The descriptor limit does not allow the connections, or a source is not an address of this machine.
    """
    require_sources(load.sources)
    frames: list[Frame] = []

    def on_frame(frame: Frame) -> None:
        frames.append(frame)
        hooks.on_frame(frame)

    toll = Toll(_is_here(load))
    workers = LocalWorkers(split(load, descriptor_limit()), on_frame)

    def on_phase(phase: PhaseLabel, at_ns: int, expected_s: float | None) -> None:
        if phase == "ramp":
            hooks.on_started(workers.pids)
        toll.on_phase(phase, workers.pids)
        hooks.on_phase(phase, at_ns, expected_s)

    try:
        driven = await drive(load, workers, hooks.stop, on_phase, hooks.cut)
    finally:
        await workers.close()
    return LoadRun(load, driven, frames, toll.pss_bytes, toll.throttled_s, toll.listen_overflows, toll.cpu)


def _is_here(load: LoadSpec) -> bool:
    """Return whether every target is an address of this machine, whose kernel then knows its listeners."""
    for host in {target.host for target in load.targets}:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            try:
                probe.bind((host, 0))
            except OSError:
                return False
    return True


@dataclass(slots=True)
class Toll:
    """What the workers took from their machine: memory with every connection open, and time held back by a quota.

    Where the targets are ``local``, how often a listen queue overflowed in the ramp, too.
    """

    local: bool = False
    pss_bytes: int = 0
    throttled_s: float = 0.0
    listen_overflows: int | None = None
    _cpu_stats: tuple[Path, ...] = ()
    _throttled_before_s: float = 0.0
    _overflows_before: int | None = None
    cpu: CpuShares | None = None
    _times_before: CpuTimes | None = None

    def on_phase(self, phase: PhaseLabel, pids: Sequence[int]) -> None:
        """Read the counters where a window begins and where it ends."""
        if phase == "ramp" and self.local:
            self._overflows_before = listen_overflows()
        elif self._overflows_before is not None and self.listen_overflows is None:
            # Whatever follows the ramp ends it.
            self.listen_overflows = (listen_overflows() or 0) - self._overflows_before
        if phase == "ramp" and pids:
            # Workers share their parent's control group, so one of them stands for all.
            self._cpu_stats = cpu_stat_files(pids[0])
        # Stopped before its window begins, a load was held back since its ramp, not for as long as its group exists.
        if phase in {"ramp", "measure"}:
            self._throttled_before_s = self._throttled_so_far_s()
        if phase == "measure":
            self._times_before = read_times((os.getpid(), *pids))
        if phase == "cool down":
            self.cpu = shares_between(self._times_before, read_times((os.getpid(), *pids)))
            self.pss_bytes = sum(pss_bytes(pid) or 0 for pid in pids)
            self.throttled_s = max(0.0, self._throttled_so_far_s() - self._throttled_before_s)

    def _throttled_so_far_s(self) -> float:
        return throttled_s(self._cpu_stats) or 0.0


async def judged_load(load: LoadSpec, hooks: LoadHooks) -> tuple[LoadRun, LoadResult]:
    """Run one load and decide whether its numbers may be believed, before anyone sees them.

    Raises
    ------
    EnvironmentFault
        This machine cannot open the connections; nothing was started.
    """
    # A load listens on nothing.
    require(check_needs(needs_of_load(load), probe_machine(listeners=False)))
    with OtherLoads() as others:
        others.look()
        run = await run_load(load, hooks)
        seen = others.look()
    from seatrial.analysis.validity.load import judge_load, remarks_of

    result = run.result()
    validity = judge_load(result, run.frames, run.facts(), run.doubts(result))
    remarks = (*remarks_of(run.facts()), *(() if seen is None else (seen,)))
    return run, dataclasses.replace(result, validity=validity, remarks=remarks)


async def shown_load(load: LoadSpec, hooks: LoadHooks) -> tuple[LoadRun, LoadResult]:
    """Run and judge one load with its progress on stderr; raises as ``judged_load`` does."""
    from seatrial.live.terminal import TerminalView
    from seatrial.record.events import FrameRecorded, PhaseStarted

    with TerminalView() as view:
        hooks.on_frame = lambda frame: view(FrameRecorded(1, frame))
        hooks.on_phase = lambda phase, at_ns, expected_s: view(
            PhaseStarted(1, phase, at_ns / 1e9, expected_s)
        )
        return await judged_load(load, hooks)


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
    )


def descriptor_limit() -> int:
    """Return how many descriptors a worker may have: the hard limit, to which each raises its own."""
    return resource.getrlimit(resource.RLIMIT_NOFILE)[1]
