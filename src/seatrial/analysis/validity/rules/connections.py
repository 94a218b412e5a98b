"""The rules of validity that are about connections and about what breaks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from seatrial.analysis.load.failures import OWN_LIMITS, remedy_of
from seatrial.analysis.reasons import Reason
from seatrial.record.events import CUT_OFF

if TYPE_CHECKING:
    from seatrial.analysis.validity.evidence import TrialEvidence

# Above this part of requests failing, percentiles show how fast the system fails.
ERROR_FRACTION_LIMIT = 0.01
# Of the connections that a system closes, or we because they have served their time, this part may be on its way, over
# the window. Only those that carry requests: a held one is never renewed.
RECONNECTING_FRACTION = 0.05


def held_missing(evidence: TrialEvidence) -> Reason | None:
    """Doubt a trial whose held connections were not all there at every moment of the window."""
    # Start and end do not show it: connections that were lost and opened again in between were not held.
    held = evidence.held
    seen = [count for count in (held.at_start, held.at_end, held.lowest) if count is not None]
    if not seen or (evidence.state == CUT_OFF and not held.lost):
        return None
    if not held.lost and set(seen) == {held.requested}:
        return None
    missing = held.requested - min(seen)
    text = f"of {held.requested:,} held, {min(seen):,} throughout"
    ended = (
        f"{held.lost:,} lost, ended by the other side" if held.lost else f"{missing:,} lost or never there"
    )
    return _missing(evidence, f"{text} ({ended})", "held")


def active_missing(evidence: TrialEvidence) -> Reason | None:
    """Doubt a trial in which too few connections carried requests."""
    # Where connections are closed as a matter of course, by the system or by the load itself, a few are always being
    # opened again, and all of them may be at one moment. Where none is, the lowest count of the window decides.
    load = evidence.steady
    # Where the window never began, connections were still to come.
    if load is None or not load.window_s:
        return None
    text = f"{load.connections.active.established:,} of {load.connections.active.requested:,} active"
    missing = evidence.active.missing
    if load.connections.reconnected and missing is not None:
        if missing <= RECONNECTING_FRACTION:
            return None
        return _missing(evidence, f"{text} at one moment, and {missing:.1%} missing throughout", "active")
    allowed = load.connections.active.requested * RECONNECTING_FRACTION if load.connections.reconnected else 0
    if load.connections.active.requested - load.connections.active.established <= allowed:
        return None
    return _missing(evidence, text, "active")


def _missing(evidence: TrialEvidence, text: str, what: str) -> Reason:
    counts = evidence.load.errors if evidence.load is not None else {}
    exhausted = [name for name in OWN_LIMITS if counts.get(name)]
    fault = "environment" if exhausted else "system"
    remedy = (
        f"the generator's machine ran out ({', '.join(exhausted)}): see `seatrial check`"
        if exhausted
        else remedy_of(counts, "look at the connection limits, idle timeouts and the log of the system")
    )
    return Reason(f"{fault}.{what}_connections", f"connections were not as asked for: {text}", remedy)


def exhausted(evidence: TrialEvidence) -> Reason | None:
    """Doubt a trial for which this machine had too few descriptors or ports."""
    counts = evidence.load.errors if evidence.load is not None else {}
    found = [f"{counts[name]:,} x {name}" for name in OWN_LIMITS if counts.get(name)]
    if not found:
        return None
    return Reason(
        "environment.exhausted",
        f"the generator's machine ran out of what connections need: {', '.join(found)}",
        "raise the limit that `seatrial check` names, or plan fewer connections",
    )


def errors(evidence: TrialEvidence) -> Reason | None:
    """Doubt a trial in which so much broke that latencies show nothing else."""
    load = evidence.steady
    if load is None:
        return None
    broken = {
        name: count
        for name, count in load.errors_in_window.items()
        if name != "timeout" and name not in OWN_LIMITS
    }
    total, bound = (
        sum(broken.values()),
        ERROR_FRACTION_LIMIT * max(load.requests.intended, load.connections.held.requested),
    )
    if total <= bound:
        return None
    listed = ", ".join(
        f"{count:,} x {name}" for name, count in sorted(broken.items(), key=lambda item: -item[1])
    )
    return Reason(
        "system.errors",
        f"{total:,} connections or requests broke, more than {ERROR_FRACTION_LIMIT:.0%}: {listed}",
        remedy_of(broken, "mend what breaks first: percentiles of a failing system say how fast it fails"),
    )
