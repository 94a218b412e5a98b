"""From the trials of a case to what is said of it: merged percentiles, spread of the repeats, verdict."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from seatrial.analysis.control.drift import drifted
from seatrial.analysis.control.planned import with_unmade
from seatrial.analysis.discovery.metrics import came_s
from seatrial.analysis.load.histograms import distribution_of, spectrum
from seatrial.analysis.load.ours import latency_ours, service_time_ours
from seatrial.analysis.measured import Measured, changed_in
from seatrial.analysis.reasons import Reason, Validity
from seatrial.analysis.run.environments import mixed
from seatrial.analysis.run.model import CaseSummary, TrialSummary
from seatrial.analysis.run.objectives import Verdict, judge_case
from seatrial.analysis.run.spread import Spread, spread_of
from seatrial.analysis.validity.blame import grouped
from seatrial.analysis.validity.rules.counts import drivers_differ
from seatrial.plan.discovered import TIMES
from seatrial.plan.observed import OBSERVED
from seatrial.systems.registry import is_proxy

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from seatrial.analysis.load.decoded import Buckets
    from seatrial.analysis.load.ours import Parts
    from seatrial.analysis.load.result import LoadResult
    from seatrial.analysis.members import OwnGauge
    from seatrial.analysis.reasons import Direction
    from seatrial.analysis.run.environments import EnvironmentChange
    from seatrial.record.tables.rows import RecordedCase, RecordedObjective
    from seatrial.systems.running import ControllerUse


def case_summary(
    case: RecordedCase,
    trials: Sequence[TrialSummary],
    parts: Sequence[Parts[Buckets]],
    objectives: Sequence[RecordedObjective],
    repeats: int = 0,
    changes: Sequence[EnvironmentChange] = (),
) -> CaseSummary:
    """Put a case together; its percentiles are merged from ``parts``, those of each of its trials.

    ``repeats`` is how many trials were planned: with fewer there is no PASS. ``changes`` are those of the environment.
    """
    from seatrial.analysis.load.decoded import together

    whole = together(parts)
    reasons = [reason for trial in trials for reason in trial.validity.reasons]
    reasons += [*_drivers_mixed(trials), *mixed(changes, [trial.trial for trial in trials])]
    doubt = Validity(tuple(reasons)).direction
    verdict = judge_case(objectives, _measured(case, trials), doubt=doubt, repeats=repeats)
    if doubt is None and trials:
        reasons += [*_unknown(verdict), *_too_few(verdict), *_undecided(verdict)]
    return CaseSummary(
        case=case,
        validity=Validity(_of_each_code(reasons)),
        verdict=verdict,
        trials=tuple(trials),
        latency_us=distribution_of(whole.latency),
        service_time_us=distribution_of(whole.service_time),
        latency_ours_us=latency_ours(whole),
        service_time_ours_us=service_time_ours(whole),
        spectrum=spectrum(whole.latency),
        spreads=_spreads(trials),
        repeats=repeats,
    )


def _measured(case: RecordedCase, trials: Sequence[TrialSummary]) -> list[Measured]:
    proxied, timeout_s = is_proxy(case.kind), case.document["load"].get("timeout_s")
    return [
        Measured(
            trial.load,
            trial.resources,
            proxied,
            proxied and case.is_disturbed,
            timeout_s,
            windows=_windows(trial),
            counted=_farthest(trial.own_gauge, case.held),
            upstream=_farthest(trial.upstream_gauge, 0),
            at_origin=trial.facts.origin_connections,
            changed=proxied and case.changes_routes,
            changes=with_unmade(trial.changes, case.planned_changes),
            rejected=_rejected(trial),
            controlled=trial.facts.controllers is not None,
            restarts=_of_controllers(trial, lambda use: use.restarts),
            panics=_of_controllers(trial, lambda use: use.panics),
            drifted=None if (names := drifted(trial.facts)) is None else len(names),
            observed=trial.observed,
            discovers=case.discovers,
            discovery=trial.discovery,
        )
        for trial in trials
        if trial.load is not None
    ]


def _rejected(trial: TrialSummary) -> int | None:
    found = trial.facts.rejected
    return None if found is None else sum(one.count for one in found)


def _of_controllers(trial: TrialSummary, count: Callable[[ControllerUse], int | None]) -> int | None:
    """Return the sum over them; None where there is none, or one does not say."""
    counts = [count(use) for use in trial.facts.controllers or ()]
    known = [one for one in counts if one is not None]
    return sum(known) if known and len(known) == len(counts) else None


def _windows(trial: TrialSummary) -> tuple[LoadResult | None, ...]:
    return () if trial.disturbed is None else tuple(window.load for window in trial.disturbed.windows)


def _farthest(gauge: OwnGauge | None, wanted: int) -> int | None:
    """Return what was counted, of several counts the one that is farthest from what was wanted."""
    return None if gauge is None else max(gauge.lowest, gauge.highest, key=lambda count: abs(count - wanted))


def _of_each_code(reasons: Iterable[Reason]) -> tuple[Reason, ...]:
    # Reasons of several trials with one code are one kind of reason; the trials show each. The weaker speaks for all.
    found: dict[str, Reason] = {}
    for reason in reasons:
        known = found.get(reason.code, reason)
        direction: Direction = "either" if "either" in {known.direction, reason.direction} else "inflates"
        because = reason.because if reason.because == known.because else None
        found[reason.code] = replace(reason, direction=direction, because=because)
    return grouped(found.values())


def _drivers_mixed(trials: Sequence[TrialSummary]) -> list[Reason]:
    drivers = {trial.load.driver for trial in trials if trial.load is not None}
    if len(drivers) <= 1:
        return []
    return [drivers_differ(f"trials of this case used different drivers: {', '.join(sorted(drivers))}")]


def _unknown(verdict: Verdict) -> list[Reason]:
    # A case that fails for another reason has its verdict.
    if verdict.state is not None:
        return []
    unknown = [outcome.objective for outcome in verdict.outcomes if outcome.unknown]
    observed = [one.text for one in unknown if one.metric.startswith(OBSERVED)]
    own = [one.text for one in unknown if not one.metric.startswith(OBSERVED)]
    found = []
    if own:
        found.append(
            Reason(
                "generator.unknown_metric",
                f"what was asked cannot be judged, for a trial has no value of it: {', '.join(own)}",
                "see the journal for samples that are missing, or ask for another metric",
            )
        )
    if observed:
        found.append(
            Reason(
                "environment.not_observed",
                "what was asked cannot be judged, for the plan's Prometheus did not see a whole phase:"
                f" {', '.join(observed)}",
                "see in the report what it answered; whether it was up, and scraped its targets, in each trial",
            )
        )
    return found


def _too_few(verdict: Verdict) -> list[Reason]:
    short = [outcome for outcome in verdict.outcomes if outcome.samples_needed]
    # A case that fails for another reason has its verdict.
    if not short or verdict.state is not None:
        return []
    needs = ", ".join(
        f"`{outcome.objective.text}` needs {outcome.samples_needed:,} latencies in every trial, and one has"
        f" {outcome.samples_fewest:,}"
        for outcome in short
    )
    return [
        Reason(
            "plan.few_samples",
            f"too little was measured for what was asked: {needs}",
            "measure for longer or at a higher rate, or ask for a lower percentile",
        )
    ]


def _undecided(verdict: Verdict) -> list[Reason]:
    ours = [f"`{outcome.objective.text}`" for outcome in verdict.outcomes if outcome.ours]
    if not ours or verdict.state is not None:
        return []
    return [
        Reason(
            "generator.decides",
            f"{', '.join(ours)} does not hold, and might but for what may be the generator's own part of it",
            "give the generator a core of its own, or take a machine that is not shared",
            "inflates",
        )
    ]


def _spreads(trials: Sequence[TrialSummary]) -> dict[str, Spread]:
    found = {name: spread_of(read(trial) for trial in trials) for name, read in READ.items()}
    return {name: spread for name, spread in found.items() if spread is not None}


def _latency(name: str) -> Callable[[TrialSummary], float | None]:
    def read(trial: TrialSummary) -> float | None:
        if trial.load is None or not trial.load.latency_us.count:
            return None
        value: float = getattr(trial.load.latency_us, name)
        return value

    return read


def _cpu(role: str) -> Callable[[TrialSummary], float | None]:
    def read(trial: TrialSummary) -> float | None:
        found = trial.resources.role(role)
        return None if found is None else found.cpu_cores_mean

    return read


def _memory(role: str) -> Callable[[TrialSummary], float | None]:
    def read(trial: TrialSummary) -> float | None:
        found = trial.resources.role(role)
        return None if found is None else found.memory_bytes_max

    return read


def _received(trial: TrialSummary) -> float | None:
    return (
        trial.load.bytes.received_in_window / trial.load.window_s
        if trial.load and trial.load.window_s
        else None
    )


def _changed(metric: str) -> Callable[[TrialSummary], float | None]:
    """Return what reads such a metric; None where fewer changes came than it is of."""

    def read(trial: TrialSummary) -> float | None:
        value_s, _ = changed_in(metric, trial.changes)
        return None if value_s is None else value_s * 1e6

    return read


def _discovered(metric: str) -> Callable[[TrialSummary], float | None]:
    """Return what reads such a time; None where a service did not come in its time, or had none."""

    def read(trial: TrialSummary) -> float | None:
        value_s = came_s(metric, trial.discovery)
        return None if value_s is None else value_s * 1e6

    return read


READ: dict[str, Callable[[TrialSummary], float | None]] = {
    **{name: _latency(name) for name in ("p50", "p75", "p90", "p99", "p999", "p9999", "max", "mean")},
    "achieved_per_s": lambda trial: None if trial.load is None else trial.load.rate_per_s.achieved,
    "system_cpu_cores": _cpu("system"),
    "generator_cpu_cores": _cpu("generator"),
    "origin_cpu_cores": _cpu("origin"),
    "system_memory_bytes": _memory("system"),
    "controller_cpu_cores": _cpu("controller"),
    "controller_memory_bytes": _memory("controller"),
    "received_bytes_per_s": _received,
    **{f"{metric}_us": _changed(metric) for metric in ("live_p50", "live_p99", "gone_p99")},
    **{f"{metric}_us": _discovered(metric) for metric in TIMES},
    "system_cpu_cores_per_1000_per_s": lambda trial: trial.resources.system_cpu_cores_per_1000_per_s,
    "system_memory_bytes_per_connection": lambda trial: trial.resources.system_memory_bytes_per_connection,
}
"""The figures of one trial by name; None is "not known of this one"."""
