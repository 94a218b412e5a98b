"""May the numbers of a trial be believed? The rules are in ``rules.py``.

A system that is slow, or cannot keep up with an open loop, is a true result and no reason for doubt. A reason
for doubt is whatever makes the numbers show something else than the system under the load that was asked
for. The first word of a reason's code says whose fault it is: ``generator``, ``environment``, ``system`` or
``plan``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from seatrial.analysis.control.said import said_of
from seatrial.analysis.load.failures import held_answers_text
from seatrial.analysis.reasons import Reason, Validity
from seatrial.analysis.validity.blame import grouped
from seatrial.analysis.validity.kernel_remarks import kernel_remarks
from seatrial.analysis.validity.pod_remarks import pod_remarks
from seatrial.analysis.validity.rules.delays import IDLE_FRACTION_ENOUGH, OTHERS_FRACTION_LIMIT
from seatrial.analysis.validity.rules.table import RULES

if TYPE_CHECKING:
    from collections.abc import Iterator

    from seatrial.analysis.validity.evidence import TrialEvidence
    from seatrial.machine.cpus.shares import CpuShares


def judge_trial(evidence: TrialEvidence) -> Validity:
    """Return VALID, or INVALID with every reason, each cause before what follows from it."""
    return Validity(grouped(_reasons(evidence)))


def fault_of(reason: Reason) -> str:
    """Return whose fault a reason is: "generator", "environment", "system" or "plan"."""
    fault, dot, _ = reason.code.partition(".")
    return fault if dot else "generator"


def remarks_on(evidence: TrialEvidence) -> tuple[str, ...]:
    """Return what a reader should know of a trial that is no reason to doubt it."""
    load, remarks = evidence.load, []
    if load is not None and load.driver_fallback:
        remarks.append(f"epoll moved the bytes in place of io_uring: {load.driver_fallback}")
    if load is not None and load.requests.unsent:
        remarks.append(
            f"{load.requests.unsent:,} of {load.requests.intended:,} requests never found a free connection: the system"
            " answered slower than the schedule asked, and its backlog is in the latencies"
        )
    if load is not None and (held := held_answers_text(load)):
        remarks.append(held)
    if load is not None and load.requests.in_flight:
        remarks.append(
            f"{load.requests.in_flight:,} requests were unanswered at the end; they count with their age"
        )
    if answered := evidence.probes.answered:
        remarks.append(
            f"the system answered {answered:,} probes of changes beside the load: its CPU is of these, too, and of"
            " the changes"
        )
    remarks += said_of((evidence.facts,))
    return (
        *remarks,
        *busy_remarks(evidence.cpu),
        *kernel_remarks(evidence),
        *pod_remarks(evidence),
        *evidence.facts.remarks,
        *(f"not known: {text}" for text in evidence.facts.missing),
    )


def busy_remarks(cpu: CpuShares | None) -> tuple[str, ...]:
    """Return what is to be said of others on this machine where that left enough for all."""
    if cpu is None or cpu.others <= OTHERS_FRACTION_LIMIT or cpu.idle < IDLE_FRACTION_ENOUGH:
        return ()
    return (
        f"other programs took {cpu.others:.0%} of this machine's CPU time, while {cpu.idle:.0%} of it was idle",
    )


def _reasons(evidence: TrialEvidence) -> Iterator[Reason]:
    for rule in RULES:
        reason = rule(evidence)
        if reason is not None:
            yield reason
    yield from evidence.known_reasons
    if evidence.load is not None:
        yield from evidence.load.validity.reasons
