"""The names, and what stands under each: from a board to families.

By Prometheus's conventions: base units, ``_total`` for counters, one meaning a name. Every series has the label
``run``, what is of a trial ``system``, ``case`` and ``trial``, and what is counted in a phase, or there now, ``phase``.
How many there may be is bounded: two trials, five phases, the kinds of failures that the engine knows,
``MEMBERS_LIMIT`` members of each role, and ``STEPS_LIMIT`` steps of a discoverer. Entries of the journal are series,
too: the last ``NOTES_KEPT`` of them.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import TYPE_CHECKING

from seatrial._version import __version__
from seatrial.live.exposition.clock import unix_s
from seatrial.live.exposition.distribution import distribution_of
from seatrial.live.exposition.families import Family, Series
from seatrial.live.exposition.names import HISTOGRAMS, NAMES
from seatrial.live.exposition.totals import OUTCOMES, phases_in_order

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from seatrial.discovery.facts import StepFacts
    from seatrial.live.exposition.board import Board
    from seatrial.live.exposition.distribution import Distribution
    from seatrial.live.exposition.totals import PhaseTotals, TrialTotals

MEMBERS_LIMIT = 64
"""Of a role with more members their sum is exposed, under the name ``all``."""
ALL = "all"
NOTE_LENGTH_LIMIT = 160
"""A label is no place for more; the journal has the whole."""
STEPS_LIMIT = 32
"""A plan may inject any number of faults, and each is a step: of more than these the last are exposed."""

Labels = dict[str, str]


def families_of(board: Board) -> list[Family]:
    """Return every metric of a run as it is now."""
    made = _Families()
    _run(made, board)
    _notes(made, board)
    for trial in board.trials:
        whose = {
            "run": board.run_id,
            "system": trial.trial.system,
            "case": trial.trial.case_id,
            "trial": str(trial.trial.trial),
        }
        for phase, totals in phases_in_order(trial):
            _requests(made, {**whose, "phase": phase}, totals)
            _used(made, {**whose, "phase": phase}, totals)
        for phase, begun_s in trial.begun_s.items():
            if trial.offset_s is not None:
                at_s = round(begun_s + trial.offset_s, 3)
                made.add("phase_start_timestamp_seconds", {**whose, "phase": phase}, at_s)
        # Of a trial that is over nothing is there now.
        if trial.ended is None:
            _gauges(made, {**whose, "phase": trial.phase}, trial)
        for (change, milestone), samples in sorted(trial.milestones.items()):
            labels = {**whose, "change": change, "milestone": milestone}
            made.add("change_milestone_seconds", labels, distribution_of(samples))
        _queue(made, whose, trial)
        _steps(made, whose, trial)
        _outcome(made, whose, board, trial)
    return made.all()


def end_of(board: Board) -> list[Family]:
    """Return how a run ended and the last entries of its journal: of a record that is read at once they come last."""
    made = _Families()
    _state(made, board)
    _notes(made, board)
    return made.all()


class _Families:
    def __init__(self) -> None:
        self._by_name: dict[str, Family] = {}

    def add(self, name: str, labels: Labels, value: float | Distribution) -> None:
        kind, unit, text = NAMES[name]
        family = self._by_name.setdefault(name, Family(f"seatrial_{name}", kind, text, unit))
        family.series.append(Series(labels, value))

    def all(self) -> list[Family]:
        return [self._by_name[name] for name in NAMES if name in self._by_name]


def _run(made: _Families, board: Board) -> None:
    run = {"run": board.run_id}
    _state(made, board)
    made.add("run_trials_planned", run, board.planned)
    for state in ("completed", "cut off", "failed"):
        made.add("run_trials", {**run, "state": state}, board.ended.get(state, 0))


def _state(made: _Families, board: Board) -> None:
    labels = {"run": board.run_id, "plan": board.plan_name, "state": board.state}
    made.add("run", {**labels, "version": __version__}, 1)


def _notes(made: _Families, board: Board) -> None:
    # Who notes the same again moves it: a series is there once.
    last = {(note.author, note.trial, _cut(note.text)): note.at_utc for note in board.notes}
    for (author, trial, text), at_utc in last.items():
        if at_utc:
            labels = {"run": board.run_id, "author": author, "trial": "" if trial is None else str(trial)}
            made.add("note_timestamp_seconds", {**labels, "text": text}, unix_s(at_utc))


def _cut(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= NOTE_LENGTH_LIMIT else f"{line[: NOTE_LENGTH_LIMIT - 1]}…"


def _requests(made: _Families, labels: Labels, totals: PhaseTotals) -> None:
    # Of the ramp there are no requests: 0 of them would be a claim.
    if totals.intended:
        made.add("intended_requests", labels, totals.intended)
        for outcome in OUTCOMES:
            made.add("requests", {**labels, "outcome": outcome}, totals.outcomes[outcome])
        for direction in ("sent", "received"):
            made.add("bytes", {**labels, "direction": direction}, totals.bytes[direction])
    for status, count in sorted(totals.responses.items()):
        made.add("responses", {**labels, "status": status}, count)
    for kind, count in sorted(totals.errors.items()):
        made.add("errors", {**labels, "kind": kind}, count)
    made.add("connections_opened", labels, totals.opened)
    made.add("connections_reconnected", labels, totals.reconnected)
    if totals.held_requests:
        made.add("held_requests", labels, totals.held_requests)
    for kind, samples in totals.samples.items():
        made.add(HISTOGRAMS[kind], labels, distribution_of(samples))


def _used(made: _Families, labels: Labels, totals: PhaseTotals) -> None:
    for (role, member), used_s in _bounded(totals.cpu_s).items():
        made.add("role_cpu_seconds", {**labels, "role": role, "member": member}, used_s)


def _gauges(made: _Families, labels: Labels, trial: TrialTotals) -> None:
    for state in ("active", "held"):
        made.add("connections", {**labels, "state": state}, trial.gauge(state))
    made.add("requests_in_flight", labels, trial.gauge("in_flight"))
    made.add("workers", labels, len(trial.frames))
    if trial.asked_per_s is not None:
        made.add("asked_requests_per_second", labels, trial.asked_per_s)
    sizes: dict[tuple[str, str], float] = {
        (use.role, use.member): float(use.memory_bytes)
        for use in trial.members
        if use.memory_bytes is not None
    }
    for (role, member), size_bytes in _bounded(sizes).items():
        made.add("role_memory_bytes", {**labels, "role": role, "member": member}, size_bytes)


def _queue(made: _Families, whose: Labels, trial: TrialTotals) -> None:
    # What the discoverer does not say has no series.
    sample = trial.queue
    if sample is None:
        return
    if sample.depth is not None and trial.ended is None:
        made.add("discovery_queue_depth", whose, sample.depth)
    for name in ("enqueued", "done", "dropped", "retries"):
        if (count := getattr(sample, name)) is not None:
            made.add(f"discovery_queue_{name}", whose, count)


def _steps(made: _Families, whose: Labels, trial: TrialTotals) -> None:
    for number, begun in list(enumerate(trial.steps_begun, start=1))[-STEPS_LIMIT:]:
        if trial.offset_s is not None:
            labels = {**whose, "number": str(number), "step": begun.step, "words": _cut(begun.words)}
            made.add("discovery_step_start_timestamp_seconds", labels, round(begun.at_s + trial.offset_s, 3))
    for number, facts in list(enumerate(trial.steps_ended, start=1))[-STEPS_LIMIT:]:
        _step(made, {**whose, "number": str(number), "step": facts.step, "words": _cut(facts.words)}, facts)


def _step(made: _Families, labels: Labels, facts: StepFacts) -> None:
    made.add("discovery_step_duration_seconds", labels, round(facts.ended_s - facts.began_s, 6))
    for state, count in (("asked", facts.asked), ("missing", facts.missing)):
        made.add("discovery_step_services", {**labels, "state": state}, count)
    by_verb = Counter[str]()
    for call, count in facts.calls.by_verb.items():
        by_verb[call.split()[0]] += count
    for verb, count in sorted(by_verb.items()):
        made.add("discovery_step_api_calls", {**labels, "verb": verb}, count)
    made.add("discovery_step_writes", labels, facts.calls.writes)


def _outcome(made: _Families, whose: Labels, board: Board, trial: TrialTotals) -> None:
    number = trial.trial.trial
    for (of, code), times in sorted(board.doubts.items()):
        if of == number:
            made.add("doubt_signs", {**whose, "code": code}, times)
    judged = board.cases.get(trial.trial.case_id)
    if judged is None or trial.ended is None:
        return
    for one in (*judged.trials, *judged.set_aside):
        if one.trial == number:
            made.add("trial_valid", whose, float(not one.validity.causes))
    for outcome in judged.verdict.outcomes:
        # Where the doubts may change it there is no verdict, and no series.
        if outcome.held is not None and judged.verdict.state is not None:
            made.add("objective_met", {**whose, "objective": outcome.objective.text}, float(outcome.held))


def _bounded(values: Mapping[tuple[str, str], float]) -> Mapping[tuple[str, str], float]:
    by_role: defaultdict[str, dict[tuple[str, str], float]] = defaultdict(dict)
    for (role, member), value in values.items():
        by_role[role][role, member] = value
    return dict(_of_role(by_role))


def _of_role(
    by_role: Mapping[str, Mapping[tuple[str, str], float]],
) -> Iterator[tuple[tuple[str, str], float]]:
    for role, own in sorted(by_role.items()):
        if len(own) > MEMBERS_LIMIT:
            yield (role, ALL), sum(own.values())
        else:
            yield from sorted(own.items())
