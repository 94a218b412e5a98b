"""How a pod of ours stands: on its way, at work, or ended, and why, in words."""

from __future__ import annotations

import signal
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Mapping

    from seatrial.cluster.pods.facts import PodFacts, Trouble, TroubleCode

HOPELESS = ("ImagePullBackOff", "InvalidImageName", "ErrImageNeverPull", "CreateContainerConfigError")
"""Why a container waits that will go on waiting: the kubelet has tried more than once, or will not try at all."""

KILLED = (128 + signal.SIGTERM, 128 + signal.SIGKILL)
"""The exit statuses of what was asked to end, and of what was made to."""


UNSCHEDULABLE = "Unschedulable"
"""How the words of a pod begin for which no node has room."""


@dataclass(frozen=True, slots=True)
class Standing:
    """One look at a pod. ``why`` says what it waits for, or how it ended; one that ``is_hopeless`` will not run."""

    state: Literal["waiting", "running", "ended"]
    why: str = ""
    is_hopeless: bool = False

    @property
    def has_ended(self) -> bool:
        """Whether it is over with it."""
        return self.state == "ended"


def standing_of(pod: PodFacts, container: str) -> Standing:
    """Return how a pod with one container stands; one that was restarted or is being deleted has ended."""
    ours = pod.container(container)
    troubles = {trouble.code: trouble for trouble in pod.troubles}
    if "restarted" in troubles:
        first = troubles.get("oom_killed") or troubles.get("crashed")
        return Standing("ended", "was restarted" + (f" ({_words(first)})" if first else ""))
    if pod.has_ended or pod.is_being_deleted or (ours is not None and ours.state == "terminated"):
        return Standing("ended", _how_it_ended(pod, troubles, None if ours is None else ours.exit_code))
    if ours is not None and ours.state == "running":
        return Standing("running")
    for code in ("image_pull", "cannot_start", "unschedulable"):
        if trouble := troubles.get(code):
            return Standing("waiting", _words(trouble), trouble.text.startswith(HOPELESS))
    return Standing("waiting", "its container is being created" if pod.is_scheduled else "no node has it yet")


def _how_it_ended(pod: PodFacts, troubles: Mapping[TroubleCode, Trouble], exit_code: int | None) -> str:
    # What befell the pod explains how its container ended: that was killed for it.
    for code in ("evicted", "node_lost", "oom_killed", "failed"):
        if trouble := troubles.get(code):
            return _words(trouble)
    if pod.is_being_deleted and exit_code in {None, *KILLED}:
        return "was deleted"
    return _words(troubles["crashed"]) if "crashed" in troubles else "ended by itself"


def _words(trouble: Trouble) -> str:
    words = {
        "evicted": f"was evicted: {trouble.text}",
        "node_lost": f"was lost with its node: {trouble.text}",
        "oom_killed": f"was OOM-killed, {trouble.text}",
        "failed": f"failed: {trouble.text}",
        "unschedulable": f"{UNSCHEDULABLE}: {trouble.text}",
    }
    return words.get(trouble.code, trouble.text)
