"""Frames of every worker -> one :class:`LoadResult` -> the document ``seatrial.load/1``.

Percentiles come from merged histograms, never from averaged percentiles (Tene, "How NOT to Measure Latency", 2015).
Only frames are needed, so a load that was cut short is summed up by the same code.
"""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from seatrial.analysis.load.answered import answered_of_intended, findings_of, unexpected_answers
from seatrial.analysis.load.failures import errors_in
from seatrial.analysis.load.histograms import distribution, merge
from seatrial.analysis.load.intervals import intervals_of
from seatrial.analysis.load.ours import Parts, latency_ours, service_time_ours
from seatrial.analysis.load.result import Distribution, LoadResult, RouteResult, Validity
from seatrial.analysis.load.tls import tls_counts
from seatrial.analysis.load.window import Window, by_worker, cpu_cores_in, gauge_in
from seatrial.generator.frames import Frame
from seatrial.generator.routes import KeptAnswer, Route
from seatrial.observe.shares import CpuShares

SCHEMA = "seatrial.load/1"
# Counts of connections that are named alike in frames, results and documents.
FRAME_COUNTERS = (
    "churned",
    "closed_by_peer",
    "reset_by_peer",
    "syn_retransmissions",
    "held_requests",
    "held_unanswered",
)


@dataclass(frozen=True, slots=True)
class LoadFacts:
    """What the frames themselves do not say. Times are CLOCK_MONOTONIC nanoseconds.

    ``cpu`` is whose the CPU of this machine was over the window; ``served_here`` is whether what answers runs here.
    """

    url: str
    loop: Literal["open", "closed"]
    arrival: str
    driver: str
    resolution_us: int
    timestamps: Literal["kernel", "program"]
    seed: int
    rate_requested_per_s: float | None
    active_requested: int
    held_requested: int
    window_start_ns: int
    measured_s: float
    interval_s: float
    processes: int
    pss_bytes: int = 0
    throttled_s: float = 0.0
    clock_steps: int = 0
    scheduling: Literal["first", "shared"] = "shared"
    routes: tuple[Route, ...] = ()
    unexpected_kept: tuple[KeptAnswer, ...] = ()
    tls: bool = False
    spin: bool = False
    driver_fallback: str | None = None
    cpu: CpuShares | None = None
    served_here: bool = False
    status_expected: tuple[int, ...] = ()


def summarise(facts: LoadFacts, frames: Sequence[Frame], validity: Validity | None = None) -> LoadResult:
    """Merge the frames of all workers over the measure window.

    Counts are of requests whose intended send time lies in the window, wherever their answers fell; the
    achieved rate is of the answers that came within it, whoever asked.
    """
    window = Window.lasting(facts.window_start_ns, facts.measured_s)
    parts = [part for frame in frames for part in frame.parts if part.phase == "measure"]
    total = {name: sum(getattr(part, name) for part in parts) for name in _COUNTERS}
    in_window = sum(part.answered_in_window for frame in frames for part in frame.parts)
    to_warmup = in_window - sum(part.answered_in_window for part in parts)
    status: Counter[str] = Counter()
    errors: Counter[str] = Counter()
    for part in parts:
        status.update(part.status)
    for frame in frames:
        errors.update(frame.errors)
    cpu_user_s, cpu_system_s, cpu_frames_s = _cpu_in_window(frames, window)
    histograms = Parts.of(frames)
    # CPU counts from the window's start to the end of the drain, and so do the answers that it is divided by.
    answers = total["completed"] + to_warmup + _late_to_warmup(frames)
    cpu_us = (cpu_user_s + cpu_system_s) * 1e6 / answers if answers else 0.0
    return LoadResult(
        url=facts.url,
        loop=facts.loop,
        arrival=facts.arrival,
        driver=facts.driver,
        resolution_us=facts.resolution_us,
        timestamps=facts.timestamps,
        seed=facts.seed,
        validity=validity or Validity(),
        window_s=facts.measured_s,
        rate_requested_per_s=facts.rate_requested_per_s,
        rate_achieved_per_s=in_window / facts.measured_s if facts.measured_s else 0.0,
        active_requested=facts.active_requested,
        active_established=_established(frames, window, "active"),
        held_requested=facts.held_requested,
        held_established=_established(frames, window, "held"),
        opened=sum(frame.opened for frame in frames),
        reconnected=sum(frame.reconnected for frame in frames),
        intended=total["sent"] + total["unsent"],
        status=dict(sorted(status.items())),
        errors=dict(sorted(errors.items())),
        **total,
        latency_us=distribution(histograms.latency),
        service_time_us=distribution(histograms.service_time),
        lateness_us=distribution(histograms.lateness),
        latency_ours_us=latency_ours(histograms),
        service_time_ours_us=service_time_ours(histograms),
        connect_us=_distribution(frame.connect for frame in frames),
        processes=facts.processes,
        cpu_user_s=cpu_user_s,
        cpu_system_s=cpu_system_s,
        cpu_us_per_request=cpu_us,
        cpu_frames_s=cpu_frames_s,
        pss_bytes=facts.pss_bytes,
        throttled_s=facts.throttled_s,
        intervals=intervals_of(facts, frames),
        **{name: sum(getattr(frame, name) for frame in frames) for name in FRAME_COUNTERS},
        unexpected=dict(sum((Counter(part.unexpected) for part in parts), Counter())),
        unexpected_kept=facts.unexpected_kept,
        routes=tuple(_route(route) for route in facts.routes),
        clock_steps=facts.clock_steps,
        scheduling=facts.scheduling,
        spin=facts.spin,
        driver_fallback=facts.driver_fallback,
        cpu_others_fraction=None if facts.cpu is None else round(facts.cpu.others, 4),
        cpu_idle_fraction=None if facts.cpu is None else round(facts.cpu.idle, 4),
        cpu_steal_fraction=None if facts.cpu is None else round(facts.cpu.steal, 4),
        held_answers=dict(
            sorted(sum((Counter(frame.held_answers) for frame in frames), Counter[str]()).items())
        ),
        held_lifetime_us=_lifetime(frames),
        errors_in_window=errors_in(frames, window),
        stall_us_max=max((frame.stall_ns_max for frame in _measuring(frames)), default=0) // 1_000,
        receive_wait_us_max=max((frame.receive_wait_ns_max for frame in _measuring(frames)), default=0)
        // 1_000,
        receive_wait_us_p99=histograms.receive_wait.quantile_us(0.99),
        worker_cpu_cores_max=_busiest_cores(frames, window),
        tls_handshake_us=_distribution(frame.tls_handshake for frame in frames) if facts.tls else None,
        tls=tls_counts(frames, window) if facts.tls else None,
        answered_in_window=in_window,
        answered_to_warmup=to_warmup,
        bytes_received_in_window=_bytes_in_window(frames),
        status_expected=facts.status_expected,
    )


def _established(frames: Sequence[Frame], window: Window, name: Literal["held", "active"]) -> int:
    """Return the fewest of the window, or where there was none what was established before its time."""
    gauge = gauge_in(frames, window, name, 0)
    return (gauge.lowest if window.length_s else gauge.at_start) or 0


def _late_to_warmup(frames: Iterable[Frame]) -> int:
    parts = (part for frame in frames for part in frame.parts)
    return sum(part.completed_late for part in parts if part.phase == "warmup")


def _bytes_in_window(frames: Iterable[Frame]) -> int | None:
    known = [part.bytes_received_in_window for frame in frames for part in frame.parts]
    return None if None in known else sum(count for count in known if count is not None)


def _lifetime(frames: Sequence[Frame]) -> Distribution | None:
    reported = [frame.held_lifetime for frame in frames if frame.held_lifetime]
    return _distribution(reported) if reported else None


def _measuring(frames: Iterable[Frame]) -> Iterable[Frame]:
    return (frame for frame in frames if any(part.phase == "measure" for part in frame.parts))


def _route(route: Route) -> RouteResult:
    latency = _distribution(route.latencies) if route.latencies else None
    return RouteResult(
        route.route,
        route.sent,
        route.completed,
        route.failed,
        route.unexpected,
        route.completed_in_all,
        latency,
    )


_COUNTERS = (
    "sent",
    "completed",
    "unsent",
    "in_flight",
    "timed_out",
    "failed",
    "bytes_sent",
    "bytes_received",
)


def _distribution(encoded: Iterable[str]) -> Distribution:
    return distribution(merge(encoded))


def _cpu_in_window(frames: Iterable[Frame], window: Window) -> tuple[float, float, float]:
    """Return the CPU seconds of all workers from the start of the window to their ends: user, system, for frames."""
    user_ns = system_ns = frames_ns = 0
    for own in by_worker(frames).values():
        before = window.before(own) or own[:1]
        user_ns += own[-1].cpu_user_ns - before[-1].cpu_user_ns
        system_ns += own[-1].cpu_system_ns - before[-1].cpu_system_ns
        frames_ns += own[-1].cpu_frames_ns - before[-1].cpu_frames_ns
    return user_ns / 1e9, system_ns / 1e9, frames_ns / 1e9


def _busiest_cores(frames: Iterable[Frame], window: Window) -> float | None:
    known = (cpu_cores_in(own, window) for own in by_worker(frames).values())
    return max((round(cores, 4) for cores in known if cores is not None), default=None)


def to_json(result: LoadResult) -> dict[str, Any]:
    """Return the document ``seatrial.load/1``."""
    as_dict = dataclasses.asdict
    return {
        "schema": SCHEMA,
        "url": result.url,
        "loop": result.loop,
        "arrival": result.arrival,
        "driver": result.driver,
        "driver_fallback": result.driver_fallback,
        "resolution_us": result.resolution_us,
        "timestamps": result.timestamps,
        "seed": result.seed,
        "validity": {
            "state": result.validity.state,
            "direction": result.validity.direction,
            "reasons": [as_dict(reason) for reason in result.validity.reasons],
        },
        "window_s": result.window_s,
        "rate_per_s": {
            "requested": result.rate_requested_per_s,
            "achieved": round(result.rate_achieved_per_s, 3),
        },
        "connections": {
            "active": {"requested": result.active_requested, "established": result.active_established},
            "held": {"requested": result.held_requested, "established": result.held_established},
            "opened": result.opened,
            "reconnected": result.reconnected,
            **{name: getattr(result, name) for name in FRAME_COUNTERS},
            "held_answers": dict(result.held_answers),
            "held_lifetime_us": as_dict(result.held_lifetime_us) if result.held_lifetime_us else None,
        },
        "requests": {
            name: getattr(result, name)
            for name in ("intended", "sent", "completed", "unsent", "in_flight", "timed_out", "failed")
        },
        "answers": {
            "in_window": result.answered_in_window,
            "to_warmup": result.answered_to_warmup,
            "of_intended": answered_of_intended(result),
            "unexpected": unexpected_answers(result),
        },
        "findings": list(findings_of((result,))),
        "status": dict(result.status),
        "errors": dict(result.errors),
        "errors_in_window": None if result.errors_in_window is None else dict(result.errors_in_window),
        "unexpected": {
            "counts": dict(result.unexpected),
            "kept": [as_dict(one) for one in result.unexpected_kept],
        },
        "status_expected": list(result.status_expected),
        "routes": [as_dict(route) for route in result.routes],
        "bytes": {
            "sent": result.bytes_sent,
            "received": result.bytes_received,
            "received_in_window": result.bytes_received_in_window,
        },
        "latency_us": as_dict(result.latency_us),
        "latency_ours_us": as_dict(result.latency_ours_us) if result.latency_ours_us else None,
        "service_time_us": as_dict(result.service_time_us),
        "service_time_ours_us": as_dict(result.service_time_ours_us) if result.service_time_ours_us else None,
        "lateness_us": as_dict(result.lateness_us),
        "connect_us": as_dict(result.connect_us),
        "tls_handshake_us": as_dict(result.tls_handshake_us) if result.tls_handshake_us else None,
        "tls": as_dict(result.tls) if result.tls else None,
        "generator": {
            "processes": result.processes,
            "cpu_user_s": round(result.cpu_user_s, 6),
            "cpu_system_s": round(result.cpu_system_s, 6),
            "cpu_us_per_request": round(result.cpu_us_per_request, 3),
            "cpu_frames_s": round(result.cpu_frames_s, 6),
            "pss_bytes": result.pss_bytes,
            "throttled_s": result.throttled_s,
            "worker_cpu_cores_max": result.worker_cpu_cores_max,
            "stall_us_max": result.stall_us_max,
            "receive_wait_us_p99": result.receive_wait_us_p99,
            "receive_wait_us_max": result.receive_wait_us_max,
            "clock_steps": result.clock_steps,
            "scheduling": result.scheduling,
            "spin": result.spin,
        },
        "machine": {
            "cpu_others_fraction": result.cpu_others_fraction,
            "cpu_idle_fraction": result.cpu_idle_fraction,
            "cpu_steal_fraction": result.cpu_steal_fraction,
        },
        "remarks": list(result.remarks),
        "intervals": [as_dict(interval) for interval in result.intervals],
    }
