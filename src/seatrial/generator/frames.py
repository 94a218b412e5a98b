"""What a worker reports to its parent: a line of JSON each interval, deltas since the line before.

Adding up every frame gives the whole run exactly: counters are differences, histograms are of the interval only.
Times are CLOCK_MONOTONIC nanoseconds of this machine: those of a worker elsewhere were put onto its clock.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

PhaseName = Literal["warmup", "measure"]


@dataclass(frozen=True, slots=True)
class PhasePart:
    """The requests of one phase, by their intended send time, that were accounted for in one interval.

    ``sent = completed + timed_out + failed + in_flight`` holds over the sum of all frames; ``in_flight`` and ``unsent``
    are non-zero only in the last one. ``completed_in_window`` of the completed came within the measure window, and
    ``bytes_received_in_window`` of the bytes, ``completed_late`` after it. Each histogram
    is base64 V2, in microseconds; ``latency`` has one sample for each intended request (at-least samples for those that
    never completed), the others one for each sent request. ``lateness`` counts from the intended time or, where every
    connection was busy then, from when one was free: it is the generator's own error. It has no samples in closed loop.
    ``errors`` counts the requests of this phase that failed or timed out, by kind.
    """

    phase: PhaseName
    sent: int
    completed: int
    completed_in_window: int
    completed_late: int
    timed_out: int
    failed: int
    unsent: int
    in_flight: int
    bytes_sent: int
    bytes_received: int
    bytes_received_in_window: int
    status: Mapping[str, int]
    unexpected: Mapping[str, int]
    errors: Mapping[str, int]
    latency: str
    service_time: str
    lateness: str


@dataclass(frozen=True, slots=True)
class Frame:
    """One interval of one worker.

    ``errors`` counts by kind (see ``docs``): of requests of every phase and of connections, held ones too.
    ``connect`` is a base64 V2 histogram of the connect times in microseconds, ``tls_handshake`` one of the handshakes
    that followed them; ``tls_versions`` counts those by the version agreed upon. CPU times are cumulative, gauges are
    as of ``end_ns``. ``throttled_ns`` is for how long the quota of its container has held the worker back so far.
    ``churned`` connections were closed because they had served their time. ``receive_wait`` is
    a base64 V2 histogram of how long answers lay unread in microseconds, ``receive_wait_ns_max``
    the longest, ``stall_ns_max`` the longest that the loop was away from its work beyond what it had asked for.
    ``held_min`` and ``active_min`` are the fewest of each kind at any moment of the interval, ``active_missing_ns`` the
    time for which active ones were missing, added up over all of them;
    ``held_lost`` counts those that the peer ended. Of the ``held_requests`` that they sent, ``held_answers``
    counts the answers by the class of their status, ``held_unanswered`` those that had none when the next was
    sent or the connection ended. ``held_lifetime`` is a base64 V2 histogram of how long held connections lived
    that the peer ended, in microseconds.
    """

    worker: int
    seq: int
    start_ns: int
    end_ns: int
    held: int
    held_min: int
    held_lost: int
    active: int
    active_min: int
    active_missing_ns: int
    in_flight: int
    backlog: int
    opened: int
    reconnected: int
    churned: int
    closed_by_peer: int
    reset_by_peer: int
    syn_retransmissions: int
    held_requests: int
    held_answers: Mapping[str, int]
    held_unanswered: int
    held_lifetime: str
    receive_wait: str
    receive_wait_ns_max: int
    stall_ns_max: int
    errors: Mapping[str, int]
    connect: str
    tls_handshake: str
    tls_versions: Mapping[str, int]
    tls_resumed: int
    cpu_user_ns: int
    cpu_system_ns: int
    cpu_frames_ns: int
    parts: tuple[PhasePart, ...]
    throttled_ns: int = 0

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Frame:
        """Read the JSON form that a worker writes (the ``type`` key is ignored)."""
        fields = {key: value for key, value in document.items() if key != "type"}
        fields["parts"] = tuple(PhasePart(**part) for part in document["parts"])
        return cls(**fields)


def answered(frames: Iterable[Frame]) -> int:
    """Count the requests of every phase that were answered, those of held connections as well."""
    return sum(
        sum(part.completed for part in frame.parts) + sum(frame.held_answers.values()) for frame in frames
    )


def answered_other(frames: Iterable[Frame]) -> int:
    """Count the answers of every phase that were of another class than 2xx, to held connections as well."""
    return sum(
        count
        for frame in frames
        for statuses in (*(part.status for part in frame.parts), frame.held_answers)
        for status, count in statuses.items()
        if not status.startswith("2")
    )


def unanswered(frames: Iterable[Frame]) -> int:
    """Count the requests of every phase that were sent and not answered, those of held connections as well."""
    frames = tuple(frames)
    sent = sum(sum(part.sent for part in frame.parts) + frame.held_requests for frame in frames)
    return sent - answered(frames)
