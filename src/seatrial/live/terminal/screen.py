"""The one screen: where the run is, what its load and its members do, what gives reason to doubt it, what was noted."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from rich.text import Text

from seatrial.errors import printable
from seatrial.live.model.discovery import step_text
from seatrial.live.model.roles import by_role
from seatrial.live.terminal.bars import bar, sparkline
from seatrial.live.terminal.lines import left, queue_text, rate_text, time_left_s
from seatrial.units import format_duration, format_size, format_us

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from seatrial.live.model.points import LoadPoint
    from seatrial.live.model.roles import MemberUse
    from seatrial.live.model.run import LiveRun
    from seatrial.live.terminal.lines import Course

NARROW = 80
LABEL, WIDE_LABEL = 9, 11
BAR, SPARK = 16, 40
JOURNAL_LINES, DOUBT_LINES, MEMBER_LINES, ERROR_KINDS = 3, 4, 8, 4
DIM, BAD = "dim", "bold red"


def screen(course: Course, now_s: float, width: int, height: int) -> Text:
    """Return what goes on as text of at most ``width`` columns and ``height`` lines; ``now_s`` is CLOCK_MONOTONIC.

    What there is no room for is left out from below, the journal first.
    """
    live = course.live
    lines = [
        *(_line("", line) for line in course.pinned),
        *_where(course, now_s),
        *_discovery(live, now_s, width),
        *_load(live, width),
        *_roles(live, width),
        *_doubts(live),
        *_journal(live),
    ]
    text = Text(no_wrap=True, overflow="ellipsis")
    for line in lines[: max(1, height - 2)]:
        line.truncate(max(1, width - 1), overflow="ellipsis")
        text.append_text(line).append("\n")
    text.rstrip()
    return text


def _line(label: str, *parts: str | tuple[str, str]) -> Text:
    return Text.assemble((f"{label:<{LABEL}}", DIM), *parts)


def _where(course: Course, now_s: float) -> Iterator[Text]:
    live = course.live
    if (trial := live.trial) is not None:
        left_s = time_left_s(trial, live.first, now_s)
        judged = [f"{count} {state}" for state, count in sorted(course.judged.items(), reverse=True)]
        whole = [
            f"trial {trial.order} of {trial.of}",
            *judged,
            *([] if left_s is None or not judged else [f"about {format_duration(left_s)} left after it"]),
        ]
        yield Text.assemble((live.plan_name or "run", "bold"), "  ", ", ".join(whole))
        yield _line("case", f"{trial.case_id}, repeat {trial.repeat}")
    phase = live.phase
    if phase is None:
        yield _line("phase", "starting")
        return
    done = "" if not phase.expected_s else bar((now_s - phase.at_s) / phase.expected_s, BAR) + " "
    yield _line("phase", done, (phase.phase, "bold"), left(phase, now_s))


def _discovery(live: LiveRun, now_s: float, width: int) -> Iterator[Text]:
    found = live.discovery
    if found is None:
        return
    step = found.goes_on
    if step is None:
        yield _line("step", "between two steps" if found.step is None or live.phase is None else "none")
    else:
        done = f"{bar(found.there_in_step / found.of_step, BAR)} " if found.of_step else ""
        there = f", {found.there_in_step:,} of {found.of_step:,} there" if found.of_step else ""
        name = step_text(step.step, step.words)
        yield _line("step", done, (name, "bold"), f"{there}, {max(0.0, now_s - step.at_s):.0f} s so far")
    yield _line("services", f"{found.there:,} of {found.asked:,} changes there, {found.missing:,} missed")
    if found.looks:
        spark = sparkline(found.depths_by_second(SPARK), SPARK)
        yield _with_spark(_line("queue", queue_text(found.looks[-1])), spark, width)


def _load(live: LiveRun, width: int) -> Iterator[Text]:
    points = list(live.points)
    last = points[-1] if points else None
    if last is None:
        return
    if live.discovery is not None and not any(point.sent for point in points):
        # Its load only waits: what there is to see is above.
        if live.errors:
            yield _errors(live)
        return
    asked = "" if last.asked_per_s is None else f" of {last.asked_per_s:,.0f} asked for"
    yield _with_spark(
        _line("rate", f"{rate_text(last)} requests/s{asked}"),
        sparkline([point.completed_per_s for point in points], SPARK),
        width,
    )
    yield _with_spark(
        _line("latency", _latency(last)),
        sparkline(
            [None if point.latency_us is None else float(point.latency_us.p99) for point in points],
            SPARK,
            log=True,
        ),
        width,
    )
    wanted = "" if live.load is None or not live.load.asked.held else f" of {live.load.asked.held:,}"
    yield _line("held", f"{last.held:,}{wanted}; {last.active:,} active, {last.in_flight:,} in flight")
    yield _errors(live)


def _errors(live: LiveRun) -> Text:
    kinds = live.errors.most_common(ERROR_KINDS)
    listed = ", ".join(f"{count:,} x {kind}" for kind, count in kinds)
    more = len(live.errors) - len(kinds)
    return _line(
        "errors", (f"{listed}{f' and {more} other kinds' if more else ''}", BAD) if kinds else "none"
    )


def _latency(point: LoadPoint) -> str:
    found = point.latency_us
    if found is None:
        return "no requests"
    named = (("p50", found.p50), ("p99", found.p99), ("p99.9", found.p999), ("max", found.max))
    return "  ".join(f"{name} {format_us(value)}" for name, value in named)


def _with_spark(line: Text, spark: str, width: int) -> Text:
    if width < NARROW:
        return line
    line.pad_right(max(0, LABEL + 54 - line.cell_len))
    return line.append(" ").append(spark, "cyan")


def _roles(live: LiveRun, width: int) -> Iterator[Text]:
    roles = by_role(live.members)
    most_bytes = max((size or 0 for _, size in roles.values()), default=0)
    for role, (cores, size) in roles.items():
        own = [member for member in live.members if member.role == role]
        yield _use(role, cores, size, most_bytes, width)
        if len(own) > 1 and width >= NARROW:
            yield from _members(own, most_bytes, width)


def _members(own: Sequence[MemberUse], most_bytes: int, width: int) -> Iterator[Text]:
    busiest = sorted(own, key=lambda member: -(member.cores or 0.0))
    for member in busiest[:MEMBER_LINES]:
        yield _use(f"  {member.member}", member.cores, member.memory_bytes, most_bytes, width)
    if len(busiest) > MEMBER_LINES:
        yield Text(f"  and {len(busiest) - MEMBER_LINES} more", DIM)


def _use(name: str, cores: float | None, size: int | None, most_bytes: int, width: int) -> Text:
    """CPU as a part of this machine's, memory as a part of the largest role's."""
    label = 24 if width >= NARROW else WIDE_LABEL
    cpu = "cpu ?" if cores is None else f"{cores:5.2f} cores"
    memory = "memory ?" if size is None else format_size(size)
    if width < NARROW:
        return Text.assemble((f"{name:<{label}}"[:label], DIM), f" {cpu}  {memory}")
    of_machine = (cores or 0.0) / (os.cpu_count() or 1)
    return Text.assemble(
        (f"{name:<{label}}"[:label], DIM),
        f" {bar(of_machine, BAR)} {cpu}   {bar((size or 0) / most_bytes if most_bytes else 0, BAR)} {memory}",
    )


def _doubts(live: LiveRun) -> Iterator[Text]:
    latest = sorted(live.doubts.values(), key=lambda doubt: -doubt.last_s)
    for doubt in latest[:DOUBT_LINES]:
        times = "" if doubt.times == 1 else f" ({doubt.times} times)"
        yield _line("doubt", (f"{doubt.text}{times}", "yellow"))
    if len(latest) > DOUBT_LINES:
        yield _line("", f"and {len(latest) - DOUBT_LINES} other reasons")


def _journal(live: LiveRun) -> Iterator[Text]:
    for noted in list(live.journal)[-JOURNAL_LINES:]:
        text = " ".join(printable(noted.text).split())
        yield _line("journal", text if noted.author == "seatrial" else f"{noted.author}: {text}")
