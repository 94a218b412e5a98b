"""What an objective may be about, and how one is read: ``p99 < 30 ms``, ``errors == 0``."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

from seatrial import units
from seatrial.plan import discovered, observed
from seatrial.plan.thresholds import mistake
from seatrial.plan.yaml.problems import listed

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

Comparison = Literal["<", "<=", "==", ">", ">="]
COMPARISONS: tuple[Comparison, ...] = ("<", "<=", "==", ">", ">=")


@dataclass(frozen=True, slots=True)
class Metric:
    """One thing that an objective may be about; ``unit`` is that of the threshold in the models.

    ``raised`` is whether time that the generator or its machine took can only raise it. CPU is not: a system that is
    held up has more to do at each wake-up, and less work with it.
    """

    unit: str
    read: Callable[[str], float]
    meaning: str
    raised: bool = False


@dataclass(frozen=True, slots=True)
class ParsedObjective:
    """An objective's three parts."""

    metric: str
    comparison: Comparison
    threshold: float


class ObjectiveMistake(ValueError):
    """An objective that cannot be read; ``word`` is the part at fault, if it is one word."""

    def __init__(self, text: str, allowed: str, word: str | None = None) -> None:
        super().__init__(text)
        self.allowed = allowed
        self.word = word


def _read_us(text: str) -> float:
    return round(units.parse_duration_s(text) * 1e6, 3)


def _read_fraction(text: str) -> float:
    number, percent, rest = text.partition("%")
    if rest.strip():
        raise ValueError(f"`{text}` is not a fraction: a number such as `0.99` or `99 %`")
    value = _read_number(number)
    return value / 100 if percent else value


def _read_number(text: str) -> float:
    if not re.fullmatch(r"[0-9]{1,15}(\.[0-9]{1,15})?", text.strip(), re.ASCII):
        raise ValueError(f"`{text.strip()}` is not a number: digits only, such as `2` or `0.5`")
    return float(text)


def _latency(what: str) -> Metric:
    return Metric(
        "us",
        _read_us,
        f"{what} of the latency, from the intended send time, over the measure window; an upper bound does not hold "
        "where more requests than it leaves out had no answer",
        raised=True,
    )


DURING = "during_"
"""Before a metric's name: it is of the window of a disturbance, of each the worst."""
COUNTED, UPSTREAM, AT_ORIGIN = "counted_connections", "upstream_connections", "origin_connections"
"""Those of a sanity cell's idle connections, which no plan names: that the system counts, has to its origin, that came
in there."""

_WHOLE: Mapping[str, Metric] = {
    "p50": _latency("median"),
    "p75": _latency("75th percentile"),
    "p90": _latency("90th percentile"),
    "p99": _latency("99th percentile"),
    "p999": _latency("99.9th percentile"),
    "p9999": _latency("99.99th percentile"),
    "mean": _latency("mean"),
    "max": _latency("maximum"),
    "errors": Metric(
        "",
        units.parse_count,
        "requests of the measure window without an answer as expected: unanswered and unexpected ones, those of idle "
        "connections too; and connections that could not be opened",
        raised=True,
    ),
    "dropped": Metric(
        "",
        units.parse_count,
        "requests of the measure window that were sent and got no answer: timed out, failed, or in flight at the end",
        raised=True,
    ),
    "unanswered": Metric(
        "",
        units.parse_count,
        "requests of the measure window that got no answer: never sent for want of a free connection, timed out, "
        "failed, or in flight at the end; and what `hold_traffic` asked and got no answer to",
        raised=True,
    ),
    "unexpected": Metric(
        "",
        units.parse_count,
        "answers with another status, header or body than `expect_...` has it (2xx where nothing is said); of idle "
        "connections with another class of status",
        raised=True,
    ),
    "achieved": Metric(
        "",
        _read_fraction,
        "part of the requests intended in the measure window that was answered, such as `99 %`, be it after its end",
    ),
    "proxy_cpu_cores": Metric("cores", _read_number, "mean CPU of the proxy over the measure window"),
    "proxy_memory": Metric("bytes", units.parse_size_bytes, "largest memory of the proxy over the trial"),
    "controller_cpu_cores": Metric(
        "cores", _read_number, "mean CPU of the controller over the measure window, where the system has one"
    ),
    "controller_memory": Metric(
        "bytes", units.parse_size_bytes, "largest memory of the controller over the trial, where there is one"
    ),
}

# Of a window of its own, an achieved part is not known: schedules are of the whole.
_OF_WINDOWS = (
    "p50",
    "p75",
    "p90",
    "p99",
    "p999",
    "max",
    "mean",
    "errors",
    "dropped",
    "unanswered",
    "unexpected",
)

LIVE: Mapping[str, float] = {"live_p50": 0.5, "live_p99": 0.99, "live_max": 1.0}
GONE: Mapping[str, float] = {"gone_p50": 0.5, "gone_p99": 0.99, "gone_max": 1.0}
GAP: Mapping[str, float] = {"gap_p50": 0.5, "gap_p99": 0.99, "gap_max": 1.0}
"""Of what changes (`objects`), by the part of the routes that they are of."""
NOT_LIVE, LOST, REJECTED = "not_live", "lost", "rejected"
RESTARTS, PANICS, DRIFTED = "restarts", "panics", "drifted"
OF_CONTROLLER = frozenset({"controller_cpu_cores", "controller_memory", RESTARTS, PANICS, DRIFTED})
OF_DISCOVERY = discovered.OF_DISCOVERY
OF_CHANGES = frozenset({*LIVE, *GONE, *GAP, NOT_LIVE, LOST})


def _until(name: str, what: str) -> Metric:
    return Metric(
        "us",
        _read_us,
        f"{name.partition('_')[2]}, over the routes that `objects` {what}; an upper bound does not hold where more of "
        "them than it leaves out were not so by the end of the measure phase",
        raised=True,
    )


METRICS: Mapping[str, Metric] = {
    **_WHOLE,
    **{
        name: _until(name, "creates or updates, of the time until every proxy served the change")
        for name in LIVE
    },
    **{
        name: _until(name, "deletes, of the time until no proxy served it, over any connection")
        for name in GONE
    },
    **{
        name: _until(
            name,
            "creates or updates, of the time from when the system said that it serves the change until every proxy "
            "did, 0 where it did before",
        )
        for name in GAP
    },
    NOT_LIVE: Metric(
        "",
        units.parse_count,
        "changes of `objects` that were not in force at every proxy by the end of the measure phase",
        raised=True,
    ),
    LOST: Metric(
        "",
        units.parse_count,
        "of the routes that `objects` changes, each probed from its change on until it is stable: probes without an "
        "answer, and answers neither as before the change nor as after it (of an update those of neither service; 404 "
        "is in order until a proxy has served what is created, and of what is deleted); and changes that were never "
        "made",
        raised=True,
    ),
    REJECTED: Metric(
        "",
        units.parse_count,
        "updates of its configuration that the system did not take in the trial, where it counts them: Envoy does",
    ),
    RESTARTS: Metric(
        "",
        units.parse_count,
        "how often a container of the controller ended in the trial and was started again, where there is one",
    ),
    PANICS: Metric(
        "",
        units.parse_count,
        "panics in the controller's log of the trial, also those that it recovered from, where there is one",
    ),
    DRIFTED: Metric(
        "",
        units.parse_count,
        "proxies that had another configuration from their controller after the load than the most of them",
    ),
    **{
        name: Metric("us", _read_us, f"of a discoverer: {what}", raised=True)
        for name, what in discovered.TIMES.items()
    },
    **{
        name: Metric("", units.parse_count, f"of a discoverer: {what}")
        for name, what in discovered.COUNTS.items()
    },
    **{
        name: Metric("", _read_number, f"of a discoverer: {what}")
        for name, what in discovered.FIGURES.items()
    },
    **{
        f"{DURING}{name}": replace(
            _WHOLE[name],
            meaning=f"`{name}` in the window of each disturbance (`during`), of which the worst counts",
        )
        for name in _OF_WINDOWS
    },
}

_OBJECTIVE = re.compile(r"\s*(\S+?)\s*(<=|>=|==|<|>|=|!=)\s*(.*?)\s*")


def parse_objective(text: str) -> ParsedObjective:
    """Read ``METRIC COMPARISON VALUE``; raises ObjectiveMistake with the part at fault."""
    match = _OBJECTIVE.fullmatch(text)
    if match is None:
        raise ObjectiveMistake(f"`{text}` is not an objective", _SHAPE)
    metric, comparison, value = match.groups()
    is_observed = metric.startswith(observed.OBSERVED)
    if is_observed and observed.parts_of(metric) is None:
        raise ObjectiveMistake(f"`{metric}` is not a metric", observed.SHAPE)
    if metric not in METRICS and not is_observed:
        raise ObjectiveMistake(f"`{metric}` is not a metric", listed(METRICS), word=metric)
    if comparison not in COMPARISONS:
        raise ObjectiveMistake(f"`{comparison}` is not a comparison", listed(COMPARISONS), word=comparison)
    try:
        threshold = observed.read_value(value)[0] if is_observed else METRICS[metric].read(value)
    except ValueError as error:
        text, _, allowed = str(error).rpartition(": ")
        raise ObjectiveMistake(f"the value of `{metric}`: {text}", allowed) from None
    if is_observed:
        # What somebody else measures may be anything, below 0 too.
        return ParsedObjective(metric, comparison, threshold)
    found = METRICS[metric]
    wrong = mistake(found.unit, comparison, threshold, is_fraction=found.read is _read_fraction)
    if wrong is not None:
        raise ObjectiveMistake(f"`{metric} {comparison} {value}` cannot be meant, for {wrong[0]}", wrong[1])
    return ParsedObjective(metric, comparison, threshold)


_SHAPE = "a metric, a comparison and a value, such as `p99 < 30 ms` or `errors == 0`"
