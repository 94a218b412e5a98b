"""What is known of a trial that no sample shows: counts of each side, and what its conductor saw."""

from __future__ import annotations

from dataclasses import dataclass, field

from seatrial.machine.cpus.pinning import CpusAsked
from seatrial.observe.samples import KernelReport, LookingCost, NodeAway, ScrapedPage
from seatrial.systems.running import ControllerUse, RunningConfiguration
from seatrial.systems.settings import LimitMet, Setting


@dataclass(frozen=True, slots=True)
class TrialCounts:
    """Requests over the whole trial (warm-up too), as each side counted them; None is "it does not know"."""

    generator_completed: int | None = None
    system_requests: int | None = None
    system_upstream_requests: int | None = None
    origin_requests: int | None = None


@dataclass(frozen=True, slots=True)
class Reached:
    """Of how many routes and endpoints requests came in at the origin; None is "it does not know"."""

    routes: int
    routes_reached: int | None
    endpoints: int
    endpoints_reached: int | None


@dataclass(frozen=True, slots=True)
class TrialFacts:
    """What the conductor of a trial saw that no sample shows.

    ``drained_before_start`` is whether connections and rate were back to zero; ``system_failure`` is how the
    system or the origin went away, if it did; ``processes_lost`` names processes that ended or restarted
    during the trial; ``missing`` holds what this system does not know, and why; ``uncounted`` which side's
    counts cannot be known, and why; ``remarks`` are for the reader. ``beside`` names the other measurements that
    went on on this machine. ``reached`` is None where the origin could not be asked. ``origin_connections`` is how
    many were opened to the origin since before the load. ``configurations`` are what each member ran before and after
    the load; ``kernel`` is what the kernel reported meanwhile, ``looking`` what the samplers cost. ``settings`` are the
    system's own limits and sizes, asked for and in force before the load; ``limits_met`` those that it met since,
    ``rejected`` the updates of its configuration that it did not take, None where it does not count them.
    ``controllers`` is what became of those, None where it has none or nobody says. ``cpus`` is which role was to be
    kept to which CPUs. ``nodes_away`` are those of a cluster that were not reached, ``runs_beside`` the other runs
    that had pods on those of this trial, each with its nodes. ``scraped`` is how each proxy's page was scraped.
    """

    drained_before_start: bool | None = None
    system_failure: str | None = None
    processes_lost: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    uncounted: tuple[str, ...] = ()
    remarks: tuple[str, ...] = ()
    beside: tuple[str, ...] = ()
    reached: Reached | None = None
    origin_connections: int | None = None
    configurations: tuple[RunningConfiguration, ...] = ()
    kernel: KernelReport | None = None
    looking: LookingCost | None = None
    settings: tuple[Setting, ...] = ()
    limits_met: tuple[LimitMet, ...] = ()
    rejected: tuple[LimitMet, ...] | None = None
    controllers: tuple[ControllerUse, ...] | None = None
    cpus: CpusAsked = field(default_factory=CpusAsked)
    nodes_away: tuple[NodeAway, ...] = ()
    runs_beside: tuple[str, ...] = ()
    scraped: tuple[ScrapedPage, ...] = ()
