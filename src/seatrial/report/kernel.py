"""What the kernel saw beside each system, in a line: the rest is in ``results.json``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from seatrial.analysis.wording import plural, range_text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from seatrial.analysis.run.model import RunSummary, TrialSummary

HEADING = "What the kernel saw in the measure windows:"


def kernel_lines(summary: RunSummary) -> tuple[str, ...]:
    """Return "envoy: the busiest CPU 3 to 9 % in softirqs, ..., no packet dropped", of all trials that are judged."""
    systems: dict[str, list[TrialSummary]] = {}
    for case in summary.cases:
        systems.setdefault(case.case.system, []).extend(
            trial for trial in case.trials if trial.kernel is not None
        )
    return tuple(
        f"{system}: {', '.join(parts)}" for system, trials in systems.items() if (parts := [*_parts(trials)])
    )


def _parts(trials: Sequence[TrialSummary]) -> Iterator[str]:
    yield from _range(trials, _softirq_percent, "the busiest CPU {} % in softirqs")
    yield from _range(trials, _sent_again_per_s, "{} segments/s sent again")
    yield from _range(trials, _received, "its pods received {} MB/s")
    yield from _range(trials, _sent, "and sent {} MB/s")
    yield from _range(trials, _switched_per_s, "its threads lost their CPU to others {} times/s")
    yield from _range(trials, _waiting, "and {} of them waited for one on average")
    yield from _losses(trials)
    yield from _range(trials, _looking_percent, "looking took {} % of a core")


def _range(
    trials: Sequence[TrialSummary], read: Callable[[TrialSummary], float | None], text: str
) -> Iterator[str]:
    known = [value for trial in trials if (value := read(trial)) is not None]
    if known:
        yield text.format(range_text(_number(min(known)), _number(max(known))))


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 10 else f"{value:.2g}"


def _losses(trials: Sequence[TrialSummary]) -> Iterator[str]:
    kernels = [trial.kernel for trial in trials if trial.kernel is not None]
    packets = [kernel.counted["softnet_drops"] for kernel in kernels if "softnet_drops" in kernel.counted]
    connections = [
        queue.drops for kernel in kernels for use in kernel.networks for queue in use.listeners.values()
    ]
    dropped = [
        plural(round(sum(counts)), noun)
        for noun, counts in (("connection", connections), ("packet", packets))
        if sum(counts)
    ]
    if dropped:
        yield f"dropped: {' and '.join(dropped)}"
    elif packets and connections:
        yield "no connection and no packet dropped"


def _softirq_percent(trial: TrialSummary) -> float | None:
    busiest = None if trial.kernel is None else trial.kernel.softirq_busiest
    return None if busiest is None else 100 * busiest


def _sent_again_per_s(trial: TrialSummary) -> float | None:
    kernel, name = trial.kernel, "tcp_retransmitted_segments"
    if kernel is None or not kernel.covers_s:
        return None
    counts = [use.counted[name] for use in kernel.networks if name in use.counted]
    return sum(counts) / kernel.covers_s if counts else None


def _received(trial: TrialSummary) -> float | None:
    return _megabytes(None if trial.kernel is None else trial.kernel.pods_received_bytes_per_s("system"))


def _sent(trial: TrialSummary) -> float | None:
    return _megabytes(None if trial.kernel is None else trial.kernel.pods_sent_bytes_per_s("system"))


def _megabytes(size_bytes: float | None) -> float | None:
    return None if size_bytes is None else size_bytes / 1e6


def _switched_per_s(trial: TrialSummary) -> float | None:
    system = trial.resources.role("system")
    return (
        None if system is None or system.scheduling is None else system.scheduling.involuntary_switches_per_s
    )


def _waiting(trial: TrialSummary) -> float | None:
    system = trial.resources.role("system")
    return None if system is None or system.scheduling is None else system.scheduling.cpu_wait_cores_mean


def _looking_percent(trial: TrialSummary) -> float | None:
    return None if trial.facts.looking is None else 100 * trial.facts.looking.cores
