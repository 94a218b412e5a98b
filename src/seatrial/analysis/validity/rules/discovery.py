"""The rules of validity that are about what stands around a discoverer: the gate before it, and the watch."""

from __future__ import annotations

from typing import TYPE_CHECKING

from seatrial.analysis.reasons import Reason

if TYPE_CHECKING:
    from seatrial.analysis.validity.evidence import TrialEvidence

# The gate is one thread: at one core a discoverer waits for it. Below that it adds what it took, which is reported.
GATE_CORES_MOST = 0.8
# Nobody asks how soon a service is discovered to less than a second and on a machine that stands still for one.
LAG_MOST_S = 1.0


def gate_busy(evidence: TrialEvidence) -> Reason | None:
    """Doubt a trial whose discoverer waited for the program that counts its calls."""
    use = evidence.discovery
    if use is None or use.gate_cores is None or use.gate_cores < GATE_CORES_MOST:
        return None
    return Reason(
        "generator.gate",
        f"the gate that counts the discoverer's calls used {use.gate_cores:.2f} cores in the first discovery, and is "
        "one thread: the discoverer may have waited for it",
        "measure with fewer calls at a time, or on faster cores",
        "inflates",
    )


def watch_missed(evidence: TrialEvidence) -> Reason | None:
    """Doubt a trial in which the watch on the destination had to begin anew: what changed meanwhile was seen later."""
    use = evidence.discovery
    if use is None or not use.lists_read_anew:
        return None
    times = "once" if use.lists_read_anew == 1 else f"{use.lists_read_anew} times"
    return Reason(
        "environment.watch",
        f"the watch on the destination broke, and its list was read anew {times}: what changed meanwhile was seen "
        "later than it was there",
        "see whether the API server was restarted or overloaded, and run the plan again",
        "inflates",
    )


def watch_late(evidence: TrialEvidence) -> Reason | None:
    """Doubt a trial in which the watch showed a write of Seatrial's own much later than it was made."""
    use = evidence.discovery
    if use is None or use.lag_s_max is None or use.lag_s_max < LAG_MOST_S:
        return None
    return Reason(
        "environment.watch_late",
        f"the watch on the destination showed a write of Seatrial's own {use.lag_s_max:.1f} s after it was sent: what "
        "the discoverer wrote may have been seen as late",
        "give the API server, or the machine of Seatrial, more CPU time",
        "inflates",
    )


def calls_lost(evidence: TrialEvidence) -> Reason | None:
    """Doubt a trial some of whose calls nobody has counted."""
    use = evidence.discovery
    if use is None or not use.calls_lost:
        return None
    return Reason(
        "generator.calls_lost",
        f"{use.calls_lost:,} calls of the discoverer were not known any more when they were asked for: what is said of "
        "calls and writes is too little",
        "take fewer services at a time",
    )
