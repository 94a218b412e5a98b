"""The numbers of one trial that an objective may be about, by the name of their metric."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from seatrial.analysis.discovery.metrics import COUNTED as COUNTED_OF_DISCOVERY
from seatrial.analysis.discovery.metrics import discovered_count, discovered_in
from seatrial.analysis.load.answered import dropped, error_count, unanswered, unexpected_of_held
from seatrial.analysis.load.histograms import QUANTILES
from seatrial.analysis.objects import gap, once, until
from seatrial.plan.discovered import TIMES
from seatrial.plan.metrics import (
    AT_ORIGIN,
    COUNTED,
    DRIFTED,
    DURING,
    GAP,
    GONE,
    LIVE,
    LOST,
    NOT_LIVE,
    PANICS,
    REJECTED,
    RESTARTS,
    UPSTREAM,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from seatrial.analysis.discovery.use import DiscoveryUse
    from seatrial.analysis.load.result import LoadResult
    from seatrial.analysis.objects import ChangeUse
    from seatrial.analysis.resources import RoleResources, TrialResources
    from seatrial.observe.prometheus.series import Observed
    from seatrial.record.tables.rows import RecordedObjective

LATENCY_METRICS = (*QUANTILES, "max", "mean")


_UNITS = {
    "achieved": "fraction",
    "proxy_cpu_cores": "cores",
    "proxy_memory": "bytes",
    "controller_cpu_cores": "cores",
    "controller_memory": "bytes",
    **dict.fromkeys((*LIVE, *GONE, *GAP, *TIMES), "us"),
}


@dataclass(frozen=True, slots=True)
class Measured:
    """The numbers of one trial that an objective may be about; ``proxied`` False is a load without a proxy.

    ``disturbed`` is whether the plan does anything to its system; ``windows`` are those of what was done to it.
    ``changed`` is whether it changes routes, ``changes`` what became of those; ``rejected`` how many updates its system
    did not take, None where it does not count them. Where it is ``controlled`` by a program of its own, ``restarts``
    and ``panics`` are of that, None where nobody says; ``drifted`` proxies had another configuration from it after the
    load than the most of them. ``timeout_s`` None is unknown.
    ``observed`` is what a Prometheus was asked. Where the system ``discovers``, ``discovery`` is what became of that.
    Connections are those that the system ``counted`` itself, those that it had ``upstream`` by its own count, and those
    that came in ``at_origin``; None is "it does not count them".
    """

    load: LoadResult
    resources: TrialResources
    proxied: bool = True
    disturbed: bool = True
    timeout_s: float | None = None
    windows: tuple[LoadResult | None, ...] = ()
    counted: int | None = None
    upstream: int | None = None
    at_origin: int | None = None
    changed: bool = False
    changes: tuple[ChangeUse, ...] = ()
    rejected: int | None = None
    controlled: bool = False
    restarts: int | None = None
    panics: int | None = None
    drifted: int | None = None
    observed: tuple[Observed, ...] = ()
    discovers: bool = False
    discovery: DiscoveryUse | None = None


def metric_value(metric: str, trial: Measured) -> float | None:
    """Return a metric of one trial: latencies in us, memory in bytes; None where it does not apply."""
    read = _READ.get(metric)
    return None if read is None else read(trial)


def _latency(name: str) -> Callable[[Measured], float | None]:
    def read(trial: Measured) -> float | None:
        value: float = getattr(trial.load.latency_us, name)
        return value if trial.load.latency_us.count else None

    return read


def _achieved(trial: Measured) -> float | None:
    return trial.load.answers.of_intended if trial.load.rate_per_s.requested else None


def _of_role(name: str, read: Callable[[RoleResources], float | None]) -> Callable[[Measured], float | None]:
    def of_trial(trial: Measured) -> float | None:
        role = trial.resources.role(name)
        return None if role is None else read(role)

    return of_trial


_PUT, _DELETED = frozenset({"create", "update"}), frozenset({"delete"})
"""The kinds of changes after which a route is to be live, and to be gone."""
_CHANGED = {
    **{name: (until, _PUT, fraction) for name, fraction in LIVE.items()},
    **{name: (until, _DELETED, fraction) for name, fraction in GONE.items()},
    **{name: (gap, _PUT, fraction) for name, fraction in GAP.items()},
}


def changed_in(metric: str, changes: Iterable[ChangeUse]) -> tuple[float | None, int]:
    """Return such a metric in seconds, and how many changes did not come; None and 0 for any other."""
    if metric not in _CHANGED:
        return None, 0
    read, kinds, fraction = _CHANGED[metric]
    return read(changes, kinds, fraction)


def _until(name: str) -> Callable[[Measured], float | None]:
    def read(trial: Measured) -> float | None:
        value_s, late = changed_in(name, trial.changes)
        # What was not live by the end was not for as long as the phase at most: how long, nobody has seen.
        least_s = trial.load.window_s if value_s is None and late else value_s
        return None if least_s is None else least_s * 1e6

    return read


def _discovered(name: str) -> Callable[[Measured], float | None]:
    def read(trial: Measured) -> float | None:
        value_s, _ = discovered_in(name, trial.discovery)
        return None if value_s is None else value_s * 1e6

    return read


def _discovered_count(name: str) -> Callable[[Measured], float | None]:
    return lambda trial: discovered_count(name, trial.discovery)


def _not_live(trial: Measured) -> float | None:
    return once(trial.changes, lambda use: use.not_live) if trial.changes else None


def _lost(trial: Measured) -> float | None:
    if not trial.changes:
        return None
    # Of what was never changed nobody saw that it loses nothing.
    return sum(use.lost for use in trial.changes) + once(trial.changes, lambda use: use.unmade)


_READ: dict[str, Callable[[Measured], float | None]] = {
    **{name: _latency(name) for name in LATENCY_METRICS},
    "errors": lambda trial: error_count(trial.load),
    "dropped": lambda trial: dropped(trial.load),
    "unanswered": lambda trial: unanswered(trial.load) + trial.load.connections.held_unanswered,
    "unexpected": lambda trial: trial.load.answers.unexpected + unexpected_of_held(trial.load),
    "achieved": _achieved,
    **{name: _until(name) for name in _CHANGED},
    **{name: _discovered(name) for name in TIMES},
    **{name: _discovered_count(name) for name in COUNTED_OF_DISCOVERY},
    NOT_LIVE: _not_live,
    LOST: _lost,
    REJECTED: lambda trial: trial.rejected,
    COUNTED: lambda trial: trial.counted,
    UPSTREAM: lambda trial: trial.upstream,
    AT_ORIGIN: lambda trial: trial.at_origin,
    RESTARTS: lambda trial: trial.restarts,
    PANICS: lambda trial: trial.panics,
    DRIFTED: lambda trial: trial.drifted,
    "proxy_cpu_cores": _of_role("system", lambda role: role.cpu_cores_mean),
    "proxy_memory": _of_role("system", lambda role: role.memory_bytes_max),
    "controller_cpu_cores": _of_role("controller", lambda role: role.cpu_cores_mean),
    "controller_memory": _of_role("controller", lambda role: role.memory_bytes_max),
}


def unit_of_objective(objective: RecordedObjective) -> str:
    """Return the unit of an objective's values and threshold: that of the plan's query, where it is about one."""
    return objective.unit or unit_of(objective.metric)


def unit_of(metric: str) -> str:
    """Return the unit of a metric's values and thresholds."""
    metric = metric.removeprefix(DURING)
    return "us" if metric in LATENCY_METRICS else _UNITS.get(metric, "count")
