"""Whether a ramp makes progress: as long as connections are established it goes on, however long it takes."""

from __future__ import annotations

from dataclasses import dataclass

from seatrial.workload.spec import LoadSpec

SLACK_S = 5.0
"""How much longer than an attempt may take nothing needs to come: a listener that restarts, or rests, comes back."""

REFUSED_S = 2.0
"""Where every attempt at a load's one address was refused from the first on, nothing listens: no answer is awaited."""

REPORT_S_MAX = 1.0
"""Until the schedule begins a worker reports at least so often, however long the intervals of the series are."""

LEAST_FRACTION = 0.01
"""Less than this part of the asked rate is no progress: the ramp would take a hundred times as long as it was to."""


@dataclass(frozen=True, slots=True)
class Ramp:
    """How far a ramp came: ``established`` of ``wanted`` after ``took_s``, and no more in the ``idle_s`` after that."""

    wanted: int
    established: int
    asked_per_s: float
    took_s: float
    idle_s: float

    @property
    def accepted_per_s(self) -> float:
        """Return at what rate connections were established, while they were."""
        return self.established / self.took_s if self.took_s else 0.0


class RampWatch:
    """Looks at how many connections are established, and when the last progress was. Times are in seconds."""

    def __init__(self, load: LoadSpec, workers: int, now_s: float) -> None:
        """Begin now: each of so many workers opens one at once, and the next ones at its share of the rate."""
        self._wanted = load.held + load.active
        self._asked_per_s = load.connect_rate_per_s
        # An attempt may take all of its timeout, a slow rate has gaps, and workers report now and then.
        gap_s = workers / load.connect_rate_per_s
        self.patience_s = load.timeout_s + gap_s + min(load.interval_s, REPORT_S_MAX) + SLACK_S
        # Of several addresses one may refuse while another has not answered yet.
        self._refused_patience_s = REFUSED_S + gap_s if len(load.targets) == 1 else self.patience_s
        self._all_refused = False
        self._began_s = self._most_s = self._marked_s = now_s
        self._most = self._marked = 0

    def saw(self, established: int, now_s: float, *, all_refused: bool = False) -> None:
        """Note how many connections are established, and whether every attempt so far was refused."""
        self._all_refused = all_refused
        if established > self._most:
            self._most, self._most_s = established, now_s
        due = LEAST_FRACTION * self._asked_per_s * self.patience_s
        if self._most >= self._marked + max(1, min(due, self._wanted - self._marked)):
            self._marked, self._marked_s = self._most, now_s

    def has_failed(self, now_s: float) -> bool:
        """Return whether there has been no progress for too long."""
        patience_s = self._refused_patience_s if self._all_refused else self.patience_s
        return now_s - self._marked_s > patience_s

    def result(self, now_s: float) -> Ramp:
        """Return how far it came."""
        took_s, idle_s = self._most_s - self._began_s, now_s - self._most_s
        return Ramp(self._wanted, self._most, self._asked_per_s, took_s, idle_s)
