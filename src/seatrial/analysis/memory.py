"""What the memory of a process or a container is, and how much it held at each look."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from seatrial.observe.samples import ProcessSample

Measure = Literal["PSS", "RSS", "working set"]
"""PSS counts a page that several processes share by its parts, RSS in each of them.

The working set is of a container: what its control group uses, with the kernel's memory for its connections, but
without the pages of files that could be dropped at once. Neither of the others is known of a pod.
"""


def measure_of(processes: Iterable[Sequence[ProcessSample]]) -> Measure:
    """Return the measure that all of them have."""
    every = list(processes)
    if every and all(sample.working_set_bytes is not None for own in every for sample in own):
        return "working set"
    return "PSS" if all(_has_pss(own) for own in every) else "RSS"


def _has_pss(own: Sequence[ProcessSample]) -> bool:
    return any(sample.pss_bytes is not None for sample in own)


def _pss(own: Sequence[ProcessSample]) -> list[float]:
    # The PSS of a large process is not taken at every look. What it shares with others, RSS less PSS, hardly moves, and
    # is interpolated between the looks that took it; RSS is known at every look.
    import numpy as np

    known = [sample for sample in own if sample.pss_bytes is not None]
    shared = np.interp(
        [sample.at_s for sample in own],
        [sample.at_s for sample in known],
        [(sample.rss_bytes or 0) - (sample.pss_bytes or 0) for sample in known],
    )
    return [
        float(sample.pss_bytes) if sample.pss_bytes is not None else (sample.rss_bytes or 0) - float(between)
        for sample, between in zip(own, shared, strict=True)
    ]


def _rss(own: Sequence[ProcessSample]) -> list[float]:
    return [float(sample.rss_bytes or 0) for sample in own]


def _working_set(own: Sequence[ProcessSample]) -> list[float]:
    return [float(sample.working_set_bytes or 0) for sample in own]


HELD: Mapping[Measure, Callable[[Sequence[ProcessSample]], Sequence[float]]] = {
    "PSS": _pss,
    "RSS": _rss,
    "working set": _working_set,
}
"""Bytes at each look at one process, by measure."""
