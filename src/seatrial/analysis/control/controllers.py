"""What the controller of a system did in a trial, and what became of it: its own numbers beside its pods' ends.

Memory that grows is read from the heap that its runtime reports as in use, by least squares over its looks in the
measure phase, with the interval of the slope (``analysis/fit.py``). Looks are 10 s apart: a garbage collection between
them makes them scatter, and the interval wide.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from seatrial.analysis.fit import Slope, fit
from seatrial.analysis.wording import plural

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from seatrial.analysis.load.window import Window
    from seatrial.analysis.objects import ChangeUse
    from seatrial.observe.samples import SystemSample
    from seatrial.record.facts import TrialFacts
    from seatrial.systems.running import ControllerUse

LOOKS_FOR_GROWTH = 5
"""Through fewer a line says more of collections than of growth."""


@dataclass(frozen=True, slots=True)
class ControllerSummary:
    """One pod of a controller; None is "it does not say", or has begun anew meanwhile.

    ``restarts`` and ``panics`` are of the whole trial, and so are ``status_updates`` and ``rebuilds``: how often it
    wrote what became of an object, and how often it made the configuration of its proxies. ``heap_bytes_max``,
    ``goroutines_max`` and ``queue_depth_max`` are the most of any look; ``heap_growth`` is in bytes/s.
    """

    member: str
    restarts: int
    why: str
    panics: int | None
    panic: str
    status_updates: float | None
    status_updates_per_change: float | None
    rebuilds: float | None
    heap_bytes_max: float | None
    heap_growth: Slope | None
    goroutines_before: float | None
    goroutines_max: float | None
    goroutines_after: float | None
    queue_depth_max: float | None


def controllers_in(
    uses: Sequence[ControllerUse] | None,
    samples: Iterable[SystemSample],
    changes: Sequence[ChangeUse],
    window: Window | None,
) -> tuple[ControllerSummary, ...] | None:
    """Return what became of each; None where the system has none, or nobody said."""
    if uses is None:
        return None
    looks = [sample for sample in samples if sample.role == "controller"]
    made = sum({use.change: use.made for use in changes}.values())
    return tuple(
        _summary(use, [one for one in looks if one.member == use.member], made, window) for use in uses
    )


def controllers_text(trials: Iterable[TrialFacts]) -> str | None:
    """Return "its controller contour-1 ended and was started again 2 times (...)", or None; of the worst trial."""
    uses = [use for facts in trials for use in facts.controllers or ()]
    worst = max(uses, key=lambda use: (use.restarts, use.panics or 0), default=None)
    if worst is None or not (worst.restarts or worst.panics):
        return None
    said = []
    if worst.restarts:
        times = "once" if worst.restarts == 1 else f"{worst.restarts} times"
        said.append(f"ended and was started again {times}" + (f" ({_words(worst.why)})" if worst.why else ""))
    if worst.panics:
        said.append(f"logged {plural(worst.panics, 'panic')}, the first: {worst.panic}")
    return f"its controller {worst.member} {', and '.join(said)}"


def _words(why: str) -> str:
    # What a container wrote last has many lines; all of them are in the run's logs.
    first, _, rest = why.partition("\n")
    return f"{first} ..." if rest else first


def _summary(
    use: ControllerUse, looks: Sequence[SystemSample], made: int, window: Window | None
) -> ControllerSummary:
    updates = use.grown("status_updates")
    return ControllerSummary(
        member=use.member,
        restarts=use.restarts,
        why=use.why,
        panics=use.panics,
        panic=use.panic,
        status_updates=updates,
        status_updates_per_change=None if updates is None or not made else round(updates / made, 3),
        rebuilds=use.grown("rebuilds"),
        heap_bytes_max=_most(use, looks, "heap_bytes"),
        heap_growth=_growth(looks, window),
        goroutines_before=use.before.get("goroutines"),
        goroutines_max=_most(use, looks, "goroutines"),
        goroutines_after=use.after.get("goroutines"),
        queue_depth_max=_most(use, looks, "queue_depth"),
    )


def _most(use: ControllerUse, looks: Sequence[SystemSample], name: str) -> float | None:
    values = [
        found[name] for found in (use.before, use.after, *(look.values for look in looks)) if name in found
    ]
    return max(values, default=None)


def _growth(looks: Sequence[SystemSample], window: Window | None) -> Slope | None:
    own = [
        look
        for look in looks
        if "heap_bytes" in look.values and window is not None and window.holds(look.at_s)
    ]
    # One that began anew began with another heap.
    if len(own) < LOOKS_FOR_GROWTH or len({look.incarnation for look in own}) > 1:
        return None
    points = [({"at_s": look.at_s - own[0].at_s}, look.values["heap_bytes"]) for look in own]
    line = fit(points)
    return None if line is None else line.slopes.get("at_s")
