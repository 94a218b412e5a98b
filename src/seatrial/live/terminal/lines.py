"""A run in lines: what came of each trial, and the state of now."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from seatrial.analysis.wording import plural
from seatrial.errors import printable
from seatrial.live.model.discovery import step_text
from seatrial.live.model.run import LiveRun
from seatrial.record import events
from seatrial.units import format_duration, format_us

if TYPE_CHECKING:
    from collections.abc import Iterator

    from seatrial.analysis.load.result import LoadResult
    from seatrial.analysis.reasons import Validity
    from seatrial.discovery.facts import QueueSample, StepFacts
    from seatrial.live.model.discovery import LiveDiscovery
    from seatrial.live.model.points import LoadPoint

# Says of a trial that has ended, by the run's id and its number, what it gave and whether that may be believed.
# None is not known.
Judge = Callable[[str, int], "tuple[LoadResult | None, Validity] | None"]


def _unknown(_run_id: str, _trial: int) -> None:
    return None


@dataclass(slots=True)
class Course:
    """The run of now, and the lines to keep of what marks its course; ``judged`` counts trials by their validity.

    ``pinned`` are lines that stay in sight.

    What came of a trial is said at the event after its end. The run has judged it by then and keeps the summary, so
    that nobody judges it a second time beside the trial that follows.
    """

    judge: Judge = _unknown
    live: LiveRun = field(default_factory=LiveRun)
    judged: dict[str, int] = field(default_factory=dict)
    pinned: list[str] = field(default_factory=list)
    _ended: events.TrialEnded | None = None

    def take(self, event: events.Event) -> tuple[str, ...]:
        """Take one event; return the lines to keep."""
        before = self.last_trial()
        for _ in self.live.take(event):
            pass
        return (*before, *self._lines(event))

    def last_trial(self) -> tuple[str, ...]:
        """Return the line of a trial that has ended, if there is one of which it was not returned yet."""
        if self.live.trial is None or self._ended is None:
            return ()
        ended, self._ended = self._ended, None
        outcome = self.judge(self.live.run_id, ended.trial)
        if outcome is not None:
            state = "INVALID" if outcome[1].causes else "VALID"
            self.judged[state] = self.judged.get(state, 0) + 1
        return (trial_line(self.live.trial, ended, outcome, self.live.first, self.live.discovery),)

    def _lines(self, event: events.Event) -> tuple[str, ...]:
        match event:
            case events.TrialEnded():
                self._ended = event
            case events.PhaseStarted() if self.live.trial is None:
                # The phases of a trial are many lines in a log, and say little there; a single load has no others.
                return (f"  {event.phase}{_expected(event)}",)
            case events.StepEnded():
                return (f"  {_step(event.facts)}",)
            case events.Noted():
                return (f"  note by {event.author}: {printable(event.text)}",)
            case events.RunEnded():
                return (f"run {event.state}",)
        return ()


def progress_line(live: LiveRun, now_s: float) -> str:
    """Return the state of now as one line; ``now_s`` is CLOCK_MONOTONIC."""
    if live.phase is None:
        return "starting"
    phase = f"{live.phase.phase}{left(live.phase, now_s)}"
    # A single load is no trial.
    trial = live.trial
    parts = [
        *([phase] if trial is None else [f"trial {trial.order}/{trial.of}", f"{trial.system}: {phase}"]),
        *(_point(live.points[-1]) if live.points else ()),
        *(f"{count:,} x {kind}" for kind, count in live.errors.most_common(1)),
    ]
    return "  ".join(parts)


def _point(point: LoadPoint) -> Iterator[str]:
    yield f"{rate_text(point)} requests/s"
    yield f"p99 {format_us(point.latency_us.p99) if point.latency_us is not None else '-'}"
    yield f"{point.held:,} held"


def rate_text(point: LoadPoint) -> str:
    """Return the requests/s that were completed in an interval; a dash where it is too short for a rate."""
    return "-" if point.completed_per_s is None else f"{point.completed_per_s:,.0f}"


def left(phase: events.PhaseStarted, now_s: float) -> str:
    """Return how long a phase still takes, or has taken, to be put behind its name."""
    if phase.expected_s is None:
        return f", {max(0.0, now_s - phase.at_s):.0f} s so far"
    left_s = phase.at_s + phase.expected_s - now_s
    return f", {max(0.0, left_s):.0f} s left" if left_s > -0.5 else f", {-left_s:.0f} s more than expected"


def _expected(event: events.PhaseStarted) -> str:
    return "" if event.expected_s is None else f", {event.expected_s:.0f} s"


def trial_line(
    trial: events.TrialStarted,
    ended: events.TrialEnded,
    outcome: tuple[LoadResult | None, Validity] | None,
    first: events.TrialStarted | None,
    discovery: LiveDiscovery | None = None,
) -> str:
    """Return what came of a trial: its number, case, rate, p50 and p99, whether it is believed, and the time left.

    Of a ``discovery`` it is what was carried, and when all of it was there.
    """
    parts = [] if ended.state == events.COMPLETED else [events.ending_text(ended.state, ended.failure)]
    if outcome is not None:
        load, validity = outcome
        if discovery is not None:
            parts += _carried(discovery)
        elif load is not None:
            parts += _figures(load)
        causes = [cause.text for cause in validity.causes]
        parts.append("believed" if not causes else f"not believed: {causes[0]}{_others(len(causes) - 1)}")
    what = f"trial {trial.order} of {trial.of}: {trial.case_id}, repeat {trial.repeat}"
    # What a person ended early is not gone on with.
    if ended.state == events.CUT_OFF:
        return f"{what}: {', '.join(parts)}"
    left_s = time_left_s(trial, first, ended.at_s)
    return f"{what}: {', '.join(parts)}" + (
        "" if left_s is None else f"; about {format_duration(left_s)} left"
    )


def time_left_s(trial: events.TrialStarted, first: events.TrialStarted | None, ended_s: float) -> int | None:
    """Return how long the trials after this one will take, if they are as long as those until its end."""
    trials = trial.of - trial.order
    if first is None or not trials:
        return None
    return round((ended_s - first.at_s) / (trial.order - first.order + 1) * trials)


def _figures(load: LoadResult) -> list[str]:
    rate, latency = load.rate_per_s, load.latency_us
    asked = f" of {rate.requested:,.0f}" if rate.requested else ""
    figures = [f"{rate.achieved:,.0f}{asked} requests/s"]
    if latency.count:
        figures += [f"p50 {format_us(latency.p50)}", f"p99 {format_us(latency.p99)}"]
    return figures


def _carried(found: LiveDiscovery) -> list[str]:
    services = next((facts.asked for facts in found.ended if facts.step == "all"), None)
    if services is None:
        return []
    all_there = (
        "not all there" if found.all_s is None else f"all there after {format_us(round(found.all_s * 1e6))}"
    )
    return [f"{services:,} services {all_there}", f"{found.missing:,} missing"]


def _step(facts: StepFacts) -> str:
    missing = f", {facts.missing:,} missing" if facts.missing else ""
    took = format_us(round((facts.ended_s - facts.began_s) * 1e6))
    calls = plural(facts.calls.total, "call")
    return f"{step_text(facts.step, facts.words)}: {plural(facts.asked, 'service')}{missing}, {calls}, {took}"


def queue_text(look: QueueSample) -> str:
    """Return what a discoverer says of its queue, in a line."""
    counts = (
        ("enqueued", look.enqueued),
        ("done", look.done),
        ("dropped", look.dropped),
        ("retries", look.retries),
    )
    said = [f"{value:,.0f} {name}" for name, value in counts if value is not None]
    return ", ".join(["depth ?" if look.depth is None else f"{look.depth:,.0f} items", *said])


def _others(count: int) -> str:
    return f" (and {count} other reason{'' if count == 1 else 's'})" if count else ""
