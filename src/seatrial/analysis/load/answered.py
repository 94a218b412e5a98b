"""What was asked of a system and what came, defined once.

*Answered in the window*: the answers that came within the measure window, whoever asked, the warm-up's requests too.
Their rate is what the system sustained, ``rate_per_s.achieved``: a backlog of the warm-up that takes up the window is
work that the system did in it.

*Answered of the intended*: of the requests whose intended send time lies in the window, how many were answered at all,
be it in the drain. This is what the objective ``achieved`` is about. It divides by what the schedule held, which with
Poisson arrivals is not the nominal rate, and does not count as lost what was under way when the window ended.

*Unanswered*: the rest of the intended: never sent for want of a free connection, timed out, failed, or in flight when
the load ended.

*Dropped*: those of the unanswered that were sent.

*Unexpected*: an answer with another status than was said to be expected (any of 2xx where nothing was said: a redirect
is not followed), or with another header or body than was said.

*Of idle connections*: what `--hold-traffic` asked and got, over the whole load, for it has no window of its own:
answers of another class of status than expected, and requests without one by the next or the end of their connection.

*Errors*: unanswered requests, unexpected answers, those of idle connections too, and connections that could not be
opened in the window.
"""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from seatrial.analysis.load.failures import is_of_connection
from seatrial.units import format_per_s

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from seatrial.analysis.load.result import LoadResult

# The requested rate is as requested within one percent (DESIGN.md); less than that is no news.
SHORTFALL = 0.01
# Shares that have a name are called by it where they are as near as a reader would round.
NAMED_SHARES = {
    "a quarter": 1 / 4,
    "a third": 1 / 3,
    "half": 1 / 2,
    "two thirds": 2 / 3,
    "three quarters": 3 / 4,
}
NAMED_WITHIN = 0.005
STATUSES_NAMED_LIMIT = 4


def unanswered(load: LoadResult) -> int:
    """Return how many requests of the window got no answer."""
    return load.requests.unsent + dropped(load)


def dropped(load: LoadResult) -> int:
    """Return how many requests were sent and are known to have got no answer."""
    return load.requests.timed_out + load.requests.failed + load.requests.in_flight


def unexpected_answers(load: LoadResult) -> int:
    """Return how many answers of the window were not as expected."""
    # With expectations the workers count each such answer once, its status among what they look at.
    return max(sum(_other_statuses((load,)).values()), sum(load.unexpected.counts.values()))


def unexpected_of_held(load: LoadResult) -> int:
    """Return how many answers to idle connections were of another class of status than expected."""
    expected = {f"{status // 100}xx" for status in load.status_expected} or {"2xx"}
    return sum(count for name, count in load.connections.held_answers.items() if name not in expected)


def error_count(load: LoadResult) -> int:
    """Return the errors: unanswered requests, unexpected answers, connections that were not opened in the window."""
    connections = sum(count for kind, count in load.errors_in_window.items() if is_of_connection(kind))
    held = unexpected_of_held(load) + load.connections.held_unanswered
    return load.answers.unexpected + unanswered(load) + connections + held


def findings_of(loads: Iterable[LoadResult]) -> tuple[str, ...]:
    """Return what a reader must know before any figure, as sentences without a full stop; loads of a case together."""
    loads = tuple(loads)
    tally = _Tally.of(loads)
    sentences = (_unexpected_sentence(tally), *_shortfall_sentences(tally), _held_sentence(loads))
    return tuple(sentence for sentence in sentences if sentence)


@dataclass(frozen=True, slots=True)
class _Tally:
    """Loads that were asked the same, added up."""

    is_open: bool
    window_s: float
    intended: int
    completed: int
    in_window: int
    to_warmup: int
    unsent: int
    timed_out: int
    failed: int
    in_flight: int
    unexpected: int
    statuses: Mapping[str, int]
    expected: tuple[int, ...]

    @classmethod
    def of(cls, loads: tuple[LoadResult, ...]) -> _Tally:
        return cls(
            is_open=any(load.loop == "open" for load in loads),
            window_s=sum(load.window_s for load in loads),
            intended=sum(load.requests.intended for load in loads),
            completed=sum(load.requests.completed for load in loads),
            in_window=sum(load.answers.in_window for load in loads),
            to_warmup=sum(load.answers.to_warmup for load in loads),
            unsent=sum(load.requests.unsent for load in loads),
            timed_out=sum(load.requests.timed_out for load in loads),
            failed=sum(load.requests.failed for load in loads),
            in_flight=sum(load.requests.in_flight for load in loads),
            unexpected=sum(load.answers.unexpected for load in loads),
            statuses=_other_statuses(loads),
            expected=loads[0].status_expected if loads else (),
        )


def _other_statuses(loads: Iterable[LoadResult]) -> Mapping[str, int]:
    found: Counter[str] = Counter()
    for load in loads:
        for status, count in load.status.items():
            is_expected = (
                int(status) in load.status_expected if load.status_expected else status.startswith("2")
            )
            found[status] += 0 if is_expected else count
    return +found


def _held_sentence(loads: Iterable[LoadResult]) -> str | None:
    asked = unexpected = lost = 0
    for load in loads:
        asked += load.connections.held_requests
        unexpected += unexpected_of_held(load)
        lost += load.connections.held_unanswered
    parts = (
        f"{unexpected:,} were not answered as expected" if unexpected else "",
        f"{lost:,} had no answer" if lost else "",
    )
    found = ", ".join(part for part in parts if part)
    return f"of {asked:,} requests of idle connections {found}" if found else None


def _unexpected_sentence(tally: _Tally) -> str | None:
    if not tally.unexpected:
        return None
    of_status = sum(tally.statuses.values())
    which = [f"{count:,} were {status}" for status, count in _most(tally.statuses)]
    if of_status < tally.unexpected:
        which.append(f"{tally.unexpected - of_status:,} had another header or body")
    subject = f"{tally.unexpected:,} of {tally.completed:,} answers"
    if tally.unexpected == tally.completed:
        subject = "the only answer" if tally.completed == 1 else f"all {tally.completed:,} answers"
    wanted = f", {' or '.join(map(str, tally.expected))} was expected" if tally.expected else ""
    if len(which) == 1 and of_status == tally.unexpected:
        return f"{subject} {'was' if tally.unexpected == 1 else 'were'} {next(iter(tally.statuses))}{wanted}"
    return f"{subject} were not as expected{wanted}: {', '.join(which)}"


def _most(statuses: Mapping[str, int]) -> list[tuple[str, int]]:
    return sorted(statuses.items(), key=lambda item: (-item[1], item[0]))[:STATUSES_NAMED_LIMIT]


def _shortfall_sentences(tally: _Tally) -> list[str]:
    lacking = tally.intended - tally.completed
    is_short = tally.is_open and tally.in_window < (1 - SHORTFALL) * tally.intended
    if not is_short:
        if lacking <= 0:
            return []
        return [
            f"{lacking:,} of {tally.intended:,} requests {_were(lacking)} not answered: {_lacking(tally)}"
        ]
    head = f"{_per_s(tally, tally.intended)} asked, {_per_s(tally, tally.in_window)} answered: "
    head += share_text(tally.in_window, tally.intended)
    return [f"{head}; {_lacking(tally)}" if lacking > 0 else head, *_of_intended(tally, lacking)]


def _of_intended(tally: _Tally, lacking: int) -> list[str]:
    """Say how much of what was intended was answered, where that is another share than the rates'."""
    if abs(tally.completed - tally.in_window) <= SHORTFALL * tally.intended:
        return []
    late = tally.completed - (tally.in_window - tally.to_warmup)
    sentence = f"of the {tally.intended:,} requests intended in the window "
    sentence += f"{tally.completed:,} were answered" if lacking else "all were answered"
    sentence += f", {late:,} of them after its end" if late else ""
    if tally.to_warmup:
        sentence += f"; {tally.to_warmup:,} of the answers in the window were to requests of the warm-up"
    return [sentence]


def _lacking(tally: _Tally) -> str:
    ends = (
        (tally.unsent, "found no free connection"),
        (tally.timed_out, "timed out"),
        (tally.failed, "failed"),
        (tally.in_flight, f"{_were(tally.in_flight)} unanswered at the end"),
    )
    # A load that was cut short left no word of what was under way.
    unknown = tally.intended - tally.completed - sum(count for count, _ in ends)
    known = [
        (count, end) for count, end in (*ends, (unknown, "had no answer yet when the load was cut")) if count
    ]
    return ", ".join(
        f"{count:,} {_requests(count) if index == 0 else ''}{end}" for index, (count, end) in enumerate(known)
    )


def _requests(count: int) -> str:
    return "request " if count == 1 else "requests "


def _were(count: int) -> str:
    return "was" if count == 1 else "were"


def _per_s(tally: _Tally, count: int) -> str:
    return format_per_s(count / tally.window_s if tally.window_s else 0.0)


def share_text(part: float, whole: float) -> str:
    """Return a share as a person would say it, never rounded up to all: ``a quarter``, ``39.8 %``, ``nothing``."""
    share = part / whole if whole else 0.0
    for name, value in NAMED_SHARES.items():
        if abs(share - value) <= NAMED_WITHIN:
            return name
    if not part:
        return "nothing"
    percent = math.floor(share * 1_000) / 10
    return f"{percent:g} %" if percent else "less than 0.1 %"
