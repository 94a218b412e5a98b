"""Latency, CPU, memory and network over connections and rate: the charts that a macro-benchmark is made for."""

from __future__ import annotations

from seatrial.report.dashboards.panels import Column, Dashboard, Panel, Query, Row
from seatrial.report.dashboards.promql import MOMENTS, OF_TRIAL, TRIALS, total

_TRIAL = "run, system, case, trial"
_OF = f'{OF_TRIAL},phase="measure"'


def _last(name: str, labels: str) -> str:
    # Of a trial before the last two nothing is exposed any more: what there was last, within the time that is shown.
    return f"last_over_time({name}{{{labels}}}[$__range])"


def _began(phase: str) -> str:
    began = _last("seatrial_phase_start_timestamp_seconds", f'{OF_TRIAL},phase="{phase}"')
    return f"max by ({_TRIAL}) ({began})"


_MEASURED_S = f"({_began('cool down')} - {_began('measure')})"
_VALID = f"max by ({_TRIAL}) ({_last('seatrial_trial_valid', OF_TRIAL)})"
_VALIDITY = (
    f'(label_replace({_VALID} == 1, "validity", "VALID", "", "")'
    f' or label_replace({_VALID} == 0, "validity", "INVALID", "", "") + 1)'
)


def _judged(value: str) -> Query:
    """No figure without its validity: a trial is shown once it was judged, and says how."""
    return Query(f"({value}) * on ({_TRIAL}) group_left (validity) {_VALIDITY}")


_COMPLETED = _last("seatrial_requests_total", f'{_OF},outcome="completed"')
_BUCKETS = _last("seatrial_request_latency_seconds_bucket", _OF)
_CPU_S = _last("seatrial_role_cpu_seconds_total", f'{_OF},role="system"')
_BYTES = _last("seatrial_bytes_total", f'{_OF},direction="received"')

_CONNECTIONS = total(f"max_over_time(seatrial_connections{{{_OF}}}[$__range])", _TRIAL)
_ASKED = f"max by ({_TRIAL}) (max_over_time(seatrial_asked_requests_per_second{{{_OF}}}[$__range]))"
_RATE = f"{total(_COMPLETED, _TRIAL)} / {_MEASURED_S}"
_P99 = f"histogram_quantile(0.99, {total(_BUCKETS, f'{_TRIAL}, le')})"
_CPU = f"{total(_CPU_S, _TRIAL)} / {_MEASURED_S}"
_MEMORY = total(f'max_over_time(seatrial_role_memory_bytes{{{_OF},role="system"}}[$__range])', _TRIAL)
_NETWORK = f"{total(_BYTES, _TRIAL)} / {_MEASURED_S}"

_ALONG = (("connections", "short", _CONNECTIONS), ("requests/s", "reqps", _RATE))
_UP = (
    (
        "p99",
        "s",
        _P99,
        "Latency, p99",
        "that of its measure phase, of all workers together. A bend upwards is where a system is full.",
    ),
    (
        "CPU",
        "short",
        _CPU,
        "CPU of the system",
        "cores that all its members used on average. A straight line is what it should be.",
    ),
    (
        "memory",
        "bytes",
        _MEMORY,
        "Memory of the system",
        "the most that its members used. A straight line is what it should be.",
    ),
    (
        "network",
        "Bps",
        _NETWORK,
        "Network",
        "bytes of answers a second. Flat while the load grows: the network is full.",
    ),
)


def _chart(along: tuple[str, str, str], up: tuple[str, str, str, str, str]) -> Panel:
    name, unit, value, title, words = up
    return Panel(
        f"{title} over {along[0]}",
        unit,
        f"A point for each trial: {words} Points of INVALID trials have a colour of their own and may not be believed.",
        (_judged(along[2]), _judged(value)),
        kind="xychart",
        columns=(Column(along[0], along[1]), Column(name, unit)),
    )


_TABLE = (
    ("connections", "short", _CONNECTIONS),
    ("asked requests/s", "reqps", _ASKED),
    ("requests/s", "reqps", _RATE),
    *((name, unit, value) for name, unit, value, _, _ in _UP),
)
TALK = Dashboard(
    "talk",
    "connections and rate",
    "Every trial of a macro-benchmark as a point: connections and rate against latency, CPU, memory and network, as "
    "in the talk that Seatrial automates. What it shows is what ended within the time chosen above: choose all of "
    "the run.",
    TRIALS,
    MOMENTS,
    (
        Row("Over connections", tuple(_chart(_ALONG[0], up) for up in _UP)),
        Row("Over the rate", tuple(_chart(_ALONG[1], up) for up in _UP)),
        Row(
            "The results table",
            (
                Panel(
                    "Every trial",
                    "short",
                    "The figures of the charts, a row for each trial that was judged, with its validity. The asked "
                    "rate is there in open loop. Achieved far below asked is a trial whose other figures are of a "
                    "lesser load.",
                    tuple(_judged(value) for _, _, value in _TABLE),
                    kind="table",
                    width=24,
                    columns=tuple(Column(name, unit) for name, unit, _ in _TABLE),
                ),
            ),
        ),
    ),
)
