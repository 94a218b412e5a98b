"""The rules of validity that are about how a trial and its programs ended."""

from __future__ import annotations

from typing import TYPE_CHECKING

from seatrial.analysis.reasons import Reason
from seatrial.record.events import CUT_OFF, FAILED, ending_text

if TYPE_CHECKING:
    from seatrial.analysis.validity.evidence import TrialEvidence

WITHOUT_WINDOW = {"environment.cut_off", "environment.ramp", "generator.lost", "system.ramp"}
"""Reasons of the workers' parent that say why the measure window never began."""

OUT_OF_MEMORY = "took more memory than its limit"
"""In the words for a container of a pod that the kernel has ended."""


def system_died(evidence: TrialEvidence) -> Reason | None:
    """Doubt a trial whose system went away."""
    failure = evidence.facts.system_failure
    if failure is None:
        return None
    return Reason(
        "system.died",
        f"the system went away during the trial: {failure}",
        "give each of its pods more memory, or plan fewer connections"
        if OUT_OF_MEMORY in failure
        else "read its log in the run directory, under logs/",
    )


def process_lost(evidence: TrialEvidence) -> Reason | None:
    """Doubt a trial in which a process ended or began anew."""
    if evidence.facts.system_failure is not None or not evidence.facts.processes_lost:
        return None
    return Reason(
        "system.restarted",
        f"ended or restarted during the trial: {', '.join(evidence.facts.processes_lost)}",
        "read the logs in the run directory; a measurement must see one life of each process",
    )


def failed(evidence: TrialEvidence) -> Reason | None:
    """Doubt a trial that failed for another reason than those which are known of it."""
    if evidence.state != FAILED or evidence.facts.system_failure is not None:
        return None
    if any(reason.code.endswith(".failed") for reason in evidence.known_reasons):
        return None
    ending = ending_text(evidence.state, evidence.failure)
    return Reason("environment.failed", f"the trial {ending}", "remove the cause, run again")


def cut_off(evidence: TrialEvidence) -> Reason | None:
    """Doubt a trial that was cut off before its end."""
    if evidence.state != CUT_OFF:
        return None
    return Reason(
        "environment.cut_off",
        "the trial was cut off before its end; the numbers are of the part that was recorded",
        "run the plan again",
    )


def no_data(evidence: TrialEvidence) -> Reason | None:
    """Doubt a trial of which nothing was measured."""
    if evidence.load is not None and (evidence.load.requests.intended or not evidence.active.requested):
        return None
    if WITHOUT_WINDOW & {reason.code for reason in evidence.known_reasons}:
        return None
    return Reason(
        "generator.no_data",
        "nothing was recorded in the measure phase",
        "see the journal for what happened before it",
    )


def nothing_completed(evidence: TrialEvidence) -> Reason | None:
    """Doubt a trial in which nothing was answered."""
    load = evidence.load
    # What the window intended counts: where the warm-up's requests hold every connection, none of it was ever sent. A
    # system that answers those is overloaded, and answers.
    if load is None or not load.requests.intended or load.requests.completed or load.answers.in_window:
        return None
    # What a worker that is gone had counted is gone with it.
    if any(reason.code == "generator.lost" for reason in evidence.known_reasons):
        return None
    return Reason(
        "system.no_answers",
        f"none of {load.requests.intended:,} requests was answered",
        "check that the system reaches its origin, and read its log",
    )


def not_drained(evidence: TrialEvidence) -> Reason | None:
    """Doubt a trial that began beside the rest of earlier work."""
    if evidence.facts.drained_before_start is not False:
        return None
    return Reason(
        "system.not_drained",
        "connections or requests of earlier work were still there when the trial began",
        "raise the plan's cooldown, or find out what else talks to the system",
    )
