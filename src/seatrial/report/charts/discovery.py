"""What a discoverer's charts are made of: changes and its queue over time with the steps, and how soon by case."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any

from seatrial.analysis.discovery.figures import FIGURES
from seatrial.report.charts.series import rows_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from seatrial.analysis.discovery.use import Curve, CurveStep
    from seatrial.analysis.run.model import CaseSummary
    from seatrial.report.charts.series import Values

ASKED, THERE, DEPTH = "changed at the source", "there at the destination", "queue depth"
CHANGES_TITLE, QUEUE_TITLE = "services (in all)", "queue (items)"
LETTER_PIXELS = 6.2
"""Of a name of a step, on the whole."""
TIMES = {
    "discovered_first_s": "first there",
    "discovered_all_s": "all there",
    "discovered_new_s_max": "one added (slowest)",
    "discovered_update_s_max": "one changed (slowest)",
    "discovered_delete_s_max": "one deleted (slowest)",
    "discovered_in_storm_s": "one added in a storm",
}


def change_values(curve: Curve) -> Values:
    """Return how many services were changed at the source, and were as they should be at the destination, by when."""
    end_s = max((step.ended_s for step in curve.steps), default=0.0)
    return [*_counted(ASKED, curve.asked, end_s), *_counted(THERE, curve.there, end_s)]


def queue_values(curve: Curve) -> Values:
    """Return the depth of the queue as it was seen last."""
    spans = [(at_s, next_s, depth) for (at_s, depth), (next_s, _) in pairwise(curve.depth)]
    return rows_of(DEPTH, [*spans, *((at_s, at_s, depth) for at_s, depth in curve.depth[-1:])])


def _counted(series: str, counts: Sequence[tuple[float, int]], end_s: float) -> Values:
    ends = [at_s for at_s, _ in counts[1:]] + [max(end_s, counts[-1][0])] if counts else []
    return rows_of(
        series, [(at_s, until_s, count) for (at_s, count), until_s in zip(counts, ends, strict=True)]
    )


def step_marks(curve: Curve, length_s: float, width_pixels: float) -> Values:
    """Return where each step began, and where its name may stand without running into the one before."""
    free_s, rows = 0.0, []
    for name, step in zip(_names(curve.steps), curve.steps, strict=True):
        text_s = max(step.began_s, free_s)
        free_s = text_s + (len(name) + 1) * LETTER_PIXELS * length_s / width_pixels if name else free_s
        rows.append({"at_s": step.began_s, "text_s": round(text_s, 3), "step": name, "words": step.words})
    return rows


def _names(steps: Sequence[CurveStep]) -> Iterator[str]:
    before, faults = "", 0
    for step in steps:
        faults += step.step == "fault"
        # What is injected is said in many words, which are in the caption. What only prepares a step is part of it.
        name = f"f{faults}" if step.step == "fault" else step.step
        yield "" if name == before else name
        before = name


def faults_text(curve: Curve) -> str:
    """Return what the faults are whose steps have numbers; empty where there are none."""
    words = [step.words for step in curve.steps if step.step == "fault"]
    return "".join(f" f{number}: {text}." for number, text in enumerate(words, start=1))


def time_values(case: CaseSummary) -> Values:
    """Return how soon services were there in a case: the median of its repeats, and from the least to the greatest."""
    uses = [trial.discovery for trial in case.trials if trial.discovery is not None]
    found: list[dict[str, Any]] = []
    for name, title in TIMES.items():
        times = sorted(seconds for use in uses if (seconds := FIGURES[name](use)) is not None)
        if times:
            middle = (times[(len(times) - 1) // 2] + times[len(times) // 2]) / 2
            found.append({"what": title, "merged_s": middle, "low_s": times[0], "high_s": times[-1]})
    return found
