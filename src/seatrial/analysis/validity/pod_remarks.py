"""What a reader should know of pods and their nodes that is no reason to doubt a trial."""

from __future__ import annotations

from typing import TYPE_CHECKING

from seatrial.analysis.limits import held_back_text
from seatrial.analysis.validity.rules.delays import THROTTLED_FRACTION_LIMIT

if TYPE_CHECKING:
    from collections.abc import Iterator

    from seatrial.analysis.pods import PodsUse, PodThrottled
    from seatrial.analysis.validity.evidence import TrialEvidence

# What is known of nearly all of the phase has nothing in the rest that would move it by much.
COVERED_FRACTION = 0.9
# See GENERATOR_CORES_LIMIT: of a node that busy, whoever runs there waits.
NODE_FRACTION_LIMIT = 0.9


def pod_remarks(evidence: TrialEvidence) -> Iterator[str]:
    """Yield them; nothing where no role is of pods."""
    window_s = 0.0 if evidence.load is None else evidence.load.window_s
    for pods in evidence.pods:
        yield from _cpu(pods, window_s)
    for one in held_back(evidence):
        yield f"its own CPU limit held back {held_back_text(one)}"
    for node in evidence.nodes:
        if node.cores and node.cpu_cores_mean > NODE_FRACTION_LIMIT * node.cores:
            yield (
                f"node {node.node}, which has pods of the {' and the '.join(node.roles)}, used"
                f" {node.cpu_cores_mean:.2f} of its {node.cores} CPUs"
            )


def _cpu(pods: PodsUse, window_s: float) -> Iterator[str]:
    apart = "" if pods.apart_s is None else f" up to {pods.apart_s:.0f} s apart"
    if pods.cpu_covers_s is None:
        yield (
            f"not known: the CPU of the {pods.role}: kubelets look at pods{apart}, and not twice at each of these in"
            f" the {window_s:g} s of the measure phase"
        )
    elif pods.cpu_covers_s < COVERED_FRACTION * window_s:
        yield (
            f"the CPU of the {pods.role} is that of {pods.cpu_covers_s:.1f} of the {window_s:g} s of the measure phase:"
            f" kubelets look at pods{apart}"
        )


def held_back(evidence: TrialEvidence) -> tuple[PodThrottled, ...]:
    """Return the containers of the system that their own CPU limit held back for long enough to show."""
    system = (one for pods in evidence.pods if pods.role == "system" for one in pods.throttled)
    return tuple(one for one in system if one.throttled_s > THROTTLED_FRACTION_LIMIT * one.covers_s)
