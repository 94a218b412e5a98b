"""What a run answers, in two to four plain sentences made from its figures by rule, each with its spread.

A percentile of a case is that of its merged histograms; over several cases there is a range. Differences and growth
count only where the repeats of the two sides do not overlap, in every case that is compared: with the handful of
repeats that a plan has, that is the rule that needs no assumption about how they spread.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from seatrial.analysis.run.labels import UNPROXIED
from seatrial.analysis.run.said.belief import Belief, belief_of, best
from seatrial.analysis.run.said.growth import growth_sentences, percentile
from seatrial.analysis.run.said.scraped import scraped_sentences
from seatrial.analysis.run.said.sentences import range_us
from seatrial.analysis.wording import listed, plural, range_text
from seatrial.systems.registry import is_proxy
from seatrial.units import format_us

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from seatrial.analysis.load.result import LoadResult
    from seatrial.analysis.run.model import CaseSummary, RunSummary
    from seatrial.analysis.run.spread import Spread

# A system that answers less than this of what was asked falls behind: its latencies are those of a queue.
ANSWERED_SHARE_MIN = 0.99
KILOBYTE = 1_000


@dataclass(frozen=True, slots=True)
class _Added:
    """What a system adds in one case: the difference of the two percentiles, and whether the repeats keep apart."""

    us: float
    apart: bool
    belief: Belief


def answers_of(summary: RunSummary) -> tuple[str, ...]:
    """Return the sentences, each with its full stop; none where nothing was measured."""
    measured = [case for case in summary.cases if case.latency_us is not None]
    if not measured:
        return ()
    sentences = [
        _nothing_believed(measured),
        _fell_behind(measured),
        _latencies(measured, planned_baseline=any(case.case.kind == UNPROXIED for case in summary.cases)),
        _costs(measured),
        *scraped_sentences(measured),
        *growth_sentences(measured),
    ]
    return tuple(sentence for sentence in sentences if sentence)


def _nothing_believed(cases: Sequence[CaseSummary]) -> str:
    if any(case.state != "INVALID" for case in cases):
        return ""
    without = [case for case in cases if not any(trial.validity.reasons for trial in case.trials)]
    if without:
        return _nothing_judged(cases, without)
    if any(not trial.validity.reasons for case in cases for trial in case.trials):
        return "No case of this run could be believed as a whole, though single trials could."
    return "Nothing in this run could be believed: what follows is what was seen, and proves nothing."


def _nothing_judged(cases: Sequence[CaseSummary], believed: Sequence[CaseSummary]) -> str:
    """Say that no case has a verdict, though the trials of some can be believed."""
    why = believed[0].own_causes[0].text
    if len(believed) == len(cases):
        return f"Every trial of this run can be believed, and yet no case can be judged: {why}."
    return (
        f"No case of this run can be judged: in {len(cases) - len(believed)} of {plural(len(cases), 'case')} trials"
        f" cannot be believed, and in the others {why}."
    )


def _fell_behind(cases: Sequence[CaseSummary]) -> str:
    behind = [(case, load) for case in cases for load in _least_answered(case)]
    if not behind:
        return ""
    case, load = min(behind, key=lambda pair: _share(pair[1]))
    more = f", and less than was asked in {plural(len(behind) - 1, 'other case')}" if len(behind) > 1 else ""
    return (
        f"{case.case.system} answered {load.requests.completed:,} of the {load.requests.intended:,} requests "
        f"asked with {case.label}"
        f" ({math.floor(_share(load) * 1_000) / 10}%){more}{_whose_latencies(load)}."
    )


def _whose_latencies(load: LoadResult) -> str:
    """Say what the latencies are of, where requests had to wait; what was refused or reset did not."""
    waited = load.requests.intended - load.requests.sent + load.requests.timed_out + load.requests.in_flight
    return ": latencies there are those of a queue" if waited >= load.requests.failed else ""


def _least_answered(case: CaseSummary) -> list[LoadResult]:
    """Return that load of the case of which the least was answered, where that is too little."""
    loads = [trial.load for trial in case.trials if trial.load is not None and trial.load.loop == "open"]
    least = min(loads, key=_share, default=None)
    return [least] if least is not None and _share(least) < ANSWERED_SHARE_MIN else []


def _share(load: LoadResult) -> float:
    # Of what the schedule held: with Poisson arrivals that is not the nominal rate.
    share = load.answers.of_intended
    return 1.0 if share is None else share


def _latencies(cases: Sequence[CaseSummary], *, planned_baseline: bool) -> str:
    baselines = {case.case.variables: case for case in cases if case.case.kind == UNPROXIED}
    proxied = by_system(case for case in cases if is_proxy(case.case.kind))
    if not baselines or not proxied:
        return _absolute(cases, proxied, planned_baseline=planned_baseline)
    parts, less_believed = [], False
    for label, own in proxied.items():
        p50, p99 = (
            [
                _added(case, baselines[case.case.variables], name)
                for case in own
                if case.case.variables in baselines
            ]
            for name in ("p50", "p99")
        )
        if p50:
            parts.append(f"{label} {_added_texts(p50, p99)}{_out_of(p50)}")
            less_believed = less_believed or bool(_out_of(p50))
    if not parts:
        return _absolute(cases, proxied, planned_baseline=planned_baseline)
    spread = _repeats(cases, less_believed=less_believed)
    return f"Beside no proxy ({_seen(list(baselines.values()))}), {'; '.join(parts)}{spread}."


def _absolute(
    cases: Sequence[CaseSummary], proxied: dict[str, list[CaseSummary]], *, planned_baseline: bool
) -> str:
    why = (
        "no case of `direct` beside them was measured"
        if planned_baseline
        else "the plan has no system `direct`"
    )
    without = f" ({why}, so what a proxy adds is not known)" if proxied else ""
    systems = by_system(cases)
    return f"{listed([f'{label} has {_seen(own)}' for label, own in systems.items()])}{without}{_repeats(cases)}."


def _seen(cases: Sequence[CaseSummary]) -> str:
    used, belief = best(cases, belief_of)
    texts = []
    for name in ("p50", "p99"):
        merged = [percentile(case, name) for case in used]
        texts.append(f"{name} {belief.mark(range_us(min(merged), max(merged)))}")
    return ", ".join(texts)


def _added(case: CaseSummary, baseline: CaseSummary, name: str) -> _Added:
    own, other = case.spreads[name], baseline.spreads[name]
    belief = belief_of(case)
    # A baseline that is too slow makes the difference too small: no bound is left then.
    if belief_of(baseline) is not Belief.FULL:
        belief = Belief.NONE
    us = percentile(case, name) - percentile(baseline, name)
    return _Added(us, own.min > other.max or own.max < other.min, belief)


def _added_texts(p50: Sequence[_Added], p99: Sequence[_Added]) -> str:
    """Return "adds 74 to 81 us to the p50 and takes 310 us off the p99"."""
    (verb, first), (other_verb, second) = _added_text(p50, "p50"), _added_text(p99, "p99")
    return f"{verb} {first} and {second if verb == other_verb else f'{other_verb} {second}'}"


def _added_text(all_added: Sequence[_Added], name: str) -> tuple[str, str]:
    used, belief = best(all_added, lambda added: added.belief)
    apart = [added.us for added in used if added.apart]
    if not apart:
        return "adds", f"nothing certain to the {name}"
    some = _part(apart, used)
    if max(apart) < 0:
        # Of a system that may be faster still.
        off = range_us(-max(apart), -min(apart))
        return "takes", f"{belief.mark(off, some, bound='at least')} off the {name}"
    if min(apart) < 0:
        both = f"-{format_us(-min(apart))} to +{format_us(max(apart))}"
        return "moves", f"the {name} by {belief.mark(both, some)}"
    return "adds", f"{belief.mark(range_us(min(apart), max(apart)), some)} to the {name}"


def _part(some: Sequence[object], cases: Sequence[object]) -> str:
    """Return "3 of 4 cases", or nothing where it is all of them."""
    return "" if len(some) == len(cases) else f"{len(some)} of {plural(len(cases), 'case')}"


def _out_of(all_added: Sequence[_Added]) -> str:
    used, _ = best(all_added, lambda added: added.belief)
    part = _part(used, all_added)
    return f", in {part}" if part else ""


def _repeats(cases: Sequence[CaseSummary], *, less_believed: bool = False) -> str:
    others = "other cases can be believed less; " if less_believed else ""
    # A trial that failed has no figure that could differ.
    if max(sum(trial.load is not None for trial in case.trials) for case in cases) < 2:
        return f" ({others}one repeat each: how far these figures spread is not known)"
    apart = (
        max(case.spreads[name].max - case.spreads[name].min for case in cases if name in case.spreads)
        for name in ("p50", "p99")
    )
    p50, p99 = (format_us(us) for us in apart)
    return f" ({others}repeats of one case differ by up to {p50} in the p50 and {p99} in the p99)"


def _costs(cases: Sequence[CaseSummary]) -> str:
    proxied = by_system(case for case in cases if is_proxy(case.case.kind))
    cores = _each(proxied, "system_cpu_cores_per_1000_per_s", lambda value: f"{value:.3f}", "cores")
    memory = _each(
        proxied,
        "system_memory_bytes_per_connection",
        lambda value: f"{value / KILOBYTE:,.1f}",
        f"kB of {memory_words(cases)}",
    )
    parts = []
    if cores:
        parts.append(f"1,000 requests/s cost {cores}")
    if memory:
        parts.append(f"{'a' if cores else 'A'} connection costs {memory}")
    return f"{'; '.join(parts)}." if parts else ""


def memory_words(cases: Iterable[CaseSummary]) -> str:
    """Return "memory", with what it is where that is of pods."""
    of_pods = any("working set" in case.memory_measures for case in cases)
    return "memory (working set)" if of_pods else "memory"


def _each(systems: dict[str, list[CaseSummary]], key: str, text: Callable[[float], str], unit: str) -> str:
    parts = []
    for label, own in systems.items():
        used, belief = best([case for case in own if key in case.spreads], belief_of)
        spreads: list[Spread] = [case.spreads[key] for case in used]
        if spreads:
            least, greatest = min(spread.min for spread in spreads), max(spread.max for spread in spreads)
            cost = f"{range_text(text(least), text(greatest))} {unit}"
            # What can only inflate latencies may move a cost either way, a little.
            marked = belief.mark(cost, bound="about")
            part = _part(used, own)
            parts.append(f"{label} {marked} ({part})" if part else f"{label} {marked}")
    return listed(parts)


def by_system(cases: Iterable[CaseSummary]) -> dict[str, list[CaseSummary]]:
    """Return the cases of each system, by its label, in their order."""
    found: dict[str, list[CaseSummary]] = {}
    for case in cases:
        found.setdefault(case.case.system, []).append(case)
    return found
