"""What is known of a load beside its frames: what was asked, how its workers measure, how it went, what it cost."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Self

from seatrial.generator.clocks import WorkerClock
from seatrial.generator.messages import Done, Hello
from seatrial.generator.ramp import Ramp
from seatrial.machine.cpus.shares import CpuShares
from seatrial.workload.profile import Stretch, mean_rate_per_s
from seatrial.workload.spec import HoldKind, LoadSpec


@dataclass(frozen=True, slots=True)
class Asked:
    """What was asked of a load, as far as its result repeats it; ``served_here`` is whether what answers runs here."""

    url: str
    loop: Literal["open", "closed"]
    arrival: Literal["uniform", "poisson"]
    seed: int
    profile: tuple[Stretch, ...]
    active: int
    held: int
    hold: HoldKind
    warmup_s: float
    measure_s: float
    interval_s: float
    status_expected: tuple[int, ...]
    tls: bool
    spin: bool
    served_here: bool

    @classmethod
    def of(cls, load: LoadSpec, *, served_here: bool) -> Self:
        """Return what a spec asks."""
        return cls(
            url=load.url,
            loop=load.loop,
            arrival=load.arrival,
            seed=load.seed,
            profile=load.profile if load.loop == "open" else (),
            active=load.active,
            held=load.held,
            hold=load.hold.kind,
            warmup_s=load.warmup_s,
            measure_s=load.measure_s,
            interval_s=load.interval_s,
            status_expected=load.status_expected,
            tls=load.tls is not None,
            spin=load.spin,
            served_here=served_here,
        )

    def rate_over_per_s(self, measured_s: float) -> float | None:
        """Return the mean rate over the measure window up to there, None in closed loop.

        An early stop makes the window shorter, and of a profile only what lies in it was asked for.
        """
        return mean_rate_per_s(self.profile, measured_s) if self.profile else None


@dataclass(frozen=True, slots=True)
class Driven:
    """How the load went. ``start_ns`` is CLOCK_MONOTONIC, None where its schedule never began.

    ``late`` says of each worker that heard of the start only after it how much later, in seconds. ``clocks`` are those
    of workers on other machines.
    """

    dones: tuple[Done, ...]
    start_ns: int | None
    ramp_complete: bool
    was_stable: bool
    interrupted: bool
    lost: tuple[str, ...]
    ramp: Ramp | None = None
    late: tuple[tuple[str, float], ...] = ()
    clocks: tuple[WorkerClock, ...] = ()

    @property
    def has_measured(self) -> bool:
        """Return whether any of the measure window has passed, as far as the workers report."""
        return self.start_ns is not None and any(done.measured_ns for done in self.dones)


@dataclass(frozen=True, slots=True)
class WorkersCost:
    """What the workers took from their machine.

    ``pss_bytes`` is their memory with every connection open, ``throttled_s`` the time that a quota held them back,
    ``cpu`` whose the machine's CPU was over the window. Where what answers runs here, ``listen_overflows`` is how often
    a listen queue overflowed in the ramp. None is unknown.
    """

    pss_bytes: int = 0
    throttled_s: float = 0.0
    listen_overflows: int | None = None
    cpu: CpuShares | None = None


@dataclass(frozen=True, slots=True)
class LoadAccount:
    """A load beside its frames; ``driven`` is None where it was cut before it ended."""

    asked: Asked
    hellos: tuple[Hello, ...]
    driven: Driven | None = None
    cost: WorkersCost = WorkersCost()

    @property
    def dones(self) -> tuple[Done, ...]:
        """The last words of the workers that have said theirs."""
        return () if self.driven is None else self.driven.dones

    @property
    def drivers(self) -> tuple[str, ...]:
        """The driver of each worker."""
        return tuple(hello.driver for hello in self.hellos)
