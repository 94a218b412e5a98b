"""Frames of every worker -> one :class:`LoadResult`.

Percentiles come from merged histograms, never from averaged percentiles (Tene, "How NOT to Measure Latency", 2015).
Only frames are needed, so a load that was cut short is summed up by the same code.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING, Literal

from seatrial.analysis.load.answered import findings_of, unexpected_answers
from seatrial.analysis.load.failures import errors_in
from seatrial.analysis.load.histograms import distribution, merge
from seatrial.analysis.load.intervals import intervals_of
from seatrial.analysis.load.ours import Parts, latency_ours, service_time_ours
from seatrial.analysis.load.result import (
    Answers,
    Bytes,
    Connections,
    Established,
    GeneratorUse,
    LoadResult,
    MachineUse,
    Rate,
    Requests,
    RouteResult,
    Unexpected,
)
from seatrial.analysis.load.tls import tls_counts
from seatrial.analysis.load.window import Window, by_worker, cpu_cores_in, gauge_in, window_of
from seatrial.analysis.reasons import Validity
from seatrial.generator.routes import merged_routes

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from seatrial.analysis.load.histograms import Merge, Samples
    from seatrial.generator.account import Asked, LoadAccount
    from seatrial.generator.frames import Frame, PhasePart
    from seatrial.generator.messages import Hello
    from seatrial.generator.routes import Route
    from seatrial.machine.cpus.shares import CpuShares


def summarise(
    account: LoadAccount, frames: Sequence[Frame], seen: Window | None = None, merge: Merge = merge
) -> LoadResult:
    """Merge the frames of all workers over the measure window; ``seen`` is that of a load which was cut.

    Counts are of requests whose intended send time lies in the window, wherever their answers fell; the
    achieved rate is of the answers that came within it, whoever asked. The result is not judged yet.
    """
    window, asked = window_of(account, frames, seen), account.asked
    hellos, dones = account.hellos, account.dones
    parts = [part for frame in frames for part in frame.parts if part.phase == "measure"]
    histograms = Parts.of(frames, merge)
    answers = _answers(frames, parts)
    requests = _requests(parts)
    result = LoadResult(
        url=asked.url,
        loop=asked.loop,
        arrival=asked.arrival,
        driver="+".join(sorted(set(account.drivers))),
        driver_fallback="; ".join(sorted(_fallbacks(hellos))) or None,
        # Where workers differ, the weaker speaks for all, and `doubts_of` says that they do.
        resolution_us=max(hello.resolution_ns for hello in hellos) // 1000,
        timestamps="kernel" if all(hello.timestamps == "kernel" for hello in hellos) else "program",
        seed=asked.seed,
        validity=Validity(),
        window_s=window.length_s,
        rate_per_s=_rate(asked, window, answers),
        connections=_connections(asked, frames, window, merge),
        requests=requests,
        answers=answers,
        findings=(),
        status=_added_up(part.status for part in parts),
        errors=_added_up(frame.errors for frame in frames),
        errors_in_window=errors_in(frames, window),
        unexpected=Unexpected(
            _added_up(part.unexpected for part in parts),
            tuple(answer for done in dones for answer in done.unexpected),
        ),
        status_expected=asked.status_expected,
        routes=tuple(
            _route(route, merge)
            for route in merged_routes(report for done in dones for report in done.routes)
        ),
        bytes=_bytes(frames, parts),
        latency_us=distribution(histograms.latency),
        latency_ours_us=latency_ours(histograms),
        service_time_us=distribution(histograms.service_time),
        service_time_ours_us=service_time_ours(histograms),
        lateness_us=distribution(histograms.lateness),
        connect_us=distribution(merge(frame.connect for frame in frames)),
        tls_handshake_us=distribution(merge(frame.tls_handshake for frame in frames)) if asked.tls else None,
        tls=tls_counts(frames, window) if asked.tls else None,
        generator=_generator(account, frames, window, requests.completed + answers.to_warmup, histograms),
        machine=_machine(account.cost.cpu),
        remarks=(),
        intervals=intervals_of(window, asked.interval_s, frames, merge),
    )
    return with_findings(result)


def with_findings(result: LoadResult) -> LoadResult:
    """Return the load with what follows from its counts: the part that was answered, and what a reader must know."""
    requests = result.requests
    answers = replace(
        result.answers,
        of_intended=requests.completed / requests.intended if requests.intended else None,
        unexpected=unexpected_answers(result),
    )
    result = replace(result, answers=answers)
    return replace(result, findings=findings_of((result,)))


def _added_up(counts: Iterable[Mapping[str, int]]) -> dict[str, int]:
    total: Counter[str] = Counter()
    for one in counts:
        total.update(one)
    return dict(sorted(total.items()))


def _fallbacks(hellos: Sequence[Hello]) -> set[str]:
    return {hello.driver_fallback for hello in hellos if hello.driver_fallback}


def _rate(asked: Asked, window: Window, answers: Answers) -> Rate:
    achieved_per_s = answers.in_window / window.length_s if window.length_s else 0.0
    return Rate(asked.rate_over_per_s(window.length_s), round(achieved_per_s, 3))


def _requests(parts: Sequence[PhasePart]) -> Requests:
    names = ("sent", "completed", "unsent", "in_flight", "timed_out", "failed")
    total = {name: sum(getattr(part, name) for part in parts) for name in names}
    return Requests(intended=total["sent"] + total["unsent"], **total)


def _answers(frames: Sequence[Frame], parts: Sequence[PhasePart]) -> Answers:
    in_window = sum(part.completed_in_window for frame in frames for part in frame.parts)
    return Answers(
        in_window=in_window,
        to_warmup=in_window - sum(part.completed_in_window for part in parts),
        of_intended=None,
        unexpected=0,
    )


def _connections(asked: Asked, frames: Sequence[Frame], window: Window, merge: Merge) -> Connections:
    lifetimes = [frame.held_lifetime for frame in frames if frame.held_lifetime]
    return Connections(
        active=Established(asked.active, _established(frames, window, "active")),
        held=Established(asked.held, _established(frames, window, "held")),
        **{name: sum(getattr(frame, name) for frame in frames) for name in _CONNECTION_COUNTERS},
        held_answers=_added_up(frame.held_answers for frame in frames),
        held_lifetime_us=distribution(merge(lifetimes)) if lifetimes else None,
    )


_CONNECTION_COUNTERS = (
    "opened",
    "reconnected",
    "churned",
    "closed_by_peer",
    "reset_by_peer",
    "syn_retransmissions",
    "held_requests",
    "held_unanswered",
)


def _established(frames: Sequence[Frame], window: Window, name: Literal["held", "active"]) -> int:
    """Return the fewest of the window, or where there was none what was established before its time."""
    gauge = gauge_in(frames, window, name, 0)
    return (gauge.lowest if window.length_s else gauge.at_start) or 0


def _bytes(frames: Iterable[Frame], parts: Sequence[PhasePart]) -> Bytes:
    return Bytes(
        sent=sum(part.bytes_sent for part in parts),
        received=sum(part.bytes_received for part in parts),
        received_in_window=sum(part.bytes_received_in_window for frame in frames for part in frame.parts),
    )


def _generator(
    account: LoadAccount, frames: Sequence[Frame], window: Window, answers: int, histograms: Parts[Samples]
) -> GeneratorUse:
    user_s, system_s, frames_s = _cpu_in_window(frames, window)
    # CPU counts from the window's start to the end of the drain, and so do the answers that it is divided by.
    answers += _late_to_warmup(frames)
    measuring = [frame for frame in frames if any(part.phase == "measure" for part in frame.parts)]
    return GeneratorUse(
        processes=len(account.hellos),
        cpu_user_s=round(user_s, 6),
        cpu_system_s=round(system_s, 6),
        cpu_us_per_request=round((user_s + system_s) * 1e6 / answers, 3) if answers else 0.0,
        cpu_frames_s=round(frames_s, 6),
        pss_bytes=account.cost.pss_bytes,
        throttled_s=account.cost.throttled_s,
        worker_cpu_cores_max=_busiest_cores(frames, window),
        stall_us_max=max((frame.stall_ns_max for frame in measuring), default=0) // 1_000,
        receive_wait_us_p99=histograms.receive_wait.quantile_us(0.99),
        receive_wait_us_max=max((frame.receive_wait_ns_max for frame in measuring), default=0) // 1_000,
        clock_steps=sum(done.clock_steps for done in account.dones),
        scheduling="first" if all(hello.scheduling == "first" for hello in account.hellos) else "shared",
        spin=account.asked.spin,
    )


def _late_to_warmup(frames: Iterable[Frame]) -> int:
    parts = (part for frame in frames for part in frame.parts)
    return sum(part.completed_late for part in parts if part.phase == "warmup")


def _machine(cpu: CpuShares | None) -> MachineUse:
    if cpu is None:
        return MachineUse(None, None, None)
    return MachineUse(round(cpu.others, 4), round(cpu.idle, 4), round(cpu.steal, 4))


def _route(route: Route, merge: Merge) -> RouteResult:
    return RouteResult(
        route.route,
        route.sent,
        route.completed,
        route.failed,
        route.unexpected,
        route.completed_in_all,
        distribution(merge(route.latencies)) if route.latencies else None,
    )


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
