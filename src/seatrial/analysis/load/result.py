"""What one load gave: the typed form of the document ``seatrial.load/1``.

Counts cover the measure window by intended send time:
``intended = sent + unsent`` and ``sent = completed + timed_out + failed + in_flight``. What was answered in the window
is counted apart, by when the answer came: see :mod:`seatrial.analysis.load.answered`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Self

from seatrial.errors import InvalidMeasurement
from seatrial.generator.routes import KeptAnswer

Direction = Literal["inflates", "either"]
"""How a doubt can move the numbers: the system looks worse than it is, never better; or either."""


@dataclass(frozen=True, slots=True)
class Reason:
    """Why a measurement may not be believed, and what to do about it.

    ``because`` is the code of the reason that this one follows from; None where it is a cause itself.
    """

    code: str
    text: str
    remedy: str
    direction: Direction = "either"
    because: str | None = None


@dataclass(frozen=True, slots=True)
class Validity:
    """VALID, or INVALID with reasons, each cause before what follows from it. Decided before any number is shown."""

    reasons: tuple[Reason, ...] = ()

    @property
    def state(self) -> Literal["VALID", "INVALID"]:
        """Return the word that every output shows."""
        return "INVALID" if self.reasons else "VALID"

    @property
    def is_valid(self) -> bool:
        """Return whether the numbers may be believed."""
        return not self.reasons

    @property
    def direction(self) -> Direction | None:
        """Return how the doubts together can move the numbers; None without a doubt."""
        if not self.reasons:
            return None
        return "inflates" if all(reason.direction == "inflates" for reason in self.reasons) else "either"

    @property
    def causes(self) -> tuple[Reason, ...]:
        """Return the reasons that follow from no other."""
        return tuple(reason for reason in self.reasons if reason.because is None)

    def consequences(self, cause: Reason) -> tuple[Reason, ...]:
        """Return the reasons that follow from ``cause``."""
        return tuple(reason for reason in self.reasons if reason.because == cause.code)


@dataclass(frozen=True, slots=True)
class Distribution:
    """Percentiles of one merged histogram, in microseconds."""

    min: int
    mean: float
    p50: int
    p75: int
    p90: int
    p99: int
    p999: int
    p9999: int
    max: int
    count: int


@dataclass(frozen=True, slots=True)
class Ours:
    """Of the mean, each percentile and the maximum: how many microseconds can be the generator's at most."""

    mean: float
    p50: int
    p75: int
    p90: int
    p99: int
    p999: int
    p9999: int
    max: int


@dataclass(frozen=True, slots=True)
class TlsCounts:
    """The TLS handshakes of a load that succeeded, held connections' too.

    ``versions`` counts them by the version agreed upon, ``resumed`` those that resumed a session; the others were full.
    ``handshakes_per_s`` is the rate in the measure window.
    """

    versions: Mapping[str, int]
    resumed: int
    handshakes: int
    handshakes_per_s: float


@dataclass(frozen=True, slots=True)
class Interval:
    """One interval of the time series, all workers merged; ``start_s`` is from the start of the measure window.

    ``sent``, ``completed`` and ``errors`` are of requests of the window; ``answered`` is every answer that came in the
    interval, the warm-up's too. ``drain`` marks what came after the window. Older documents have no length and no
    ``answered``, and their last interval holds the drain.
    """

    start_s: float
    sent: int
    completed: int
    errors: int
    held: int
    latency_us: Mapping[str, int]
    lateness_us: Mapping[str, int]
    length_s: float | None = None
    answered: int | None = None
    drain: bool = False


@dataclass(frozen=True, slots=True)
class RouteResult:
    """One host and path over the measure window; ``latency_us`` only where latencies were kept apart."""

    route: str
    sent: int
    completed: int
    failed: int
    unexpected: int
    completed_in_all: int
    latency_us: Distribution | None


@dataclass(frozen=True, slots=True)
class LoadResult:
    """One load, all workers merged.

    ``errors`` is of the whole load, ramp and warm-up included; ``errors_in_window`` counts requests of the measure
    window and connections that broke in it. It is None in documents of older versions. ``latency_buckets`` is every
    occupied bucket of the latencies as (highest value in us, samples in it) where they were asked for; the document
    does not hold it. ``worker_cpu_cores_max`` is the mean CPU use of the busiest worker over the window, None where its
    frames do not say. ``latency_ours_us`` is how much of each percentile can be the generator's at most, None where
    that is not known. ``driver`` joins the names of several with "+"; ``driver_fallback`` is why it is not the one that
    was asked for. ``cpu_others_fraction`` is the part of this machine's CPU time that processes other than this load's
    took over the window, what answers among them if it runs here; ``cpu_steal_fraction`` what the hypervisor gave away.
    ``answered_in_window`` is of answers by when they came, ``answered_to_warmup`` those of them that the
    warm-up had asked for; both are None in documents of older versions. ``status_expected`` empty is any of 2xx.
    """

    url: str
    loop: Literal["open", "closed"]
    arrival: str
    driver: str
    resolution_us: int
    timestamps: Literal["kernel", "program"]
    seed: int
    validity: Validity
    window_s: float
    rate_requested_per_s: float | None
    rate_achieved_per_s: float
    active_requested: int
    active_established: int
    held_requested: int
    held_established: int
    opened: int
    reconnected: int
    intended: int
    sent: int
    completed: int
    unsent: int
    in_flight: int
    timed_out: int
    failed: int
    status: Mapping[str, int]
    errors: Mapping[str, int]
    bytes_sent: int
    bytes_received: int
    latency_us: Distribution
    service_time_us: Distribution
    lateness_us: Distribution
    connect_us: Distribution
    processes: int
    cpu_user_s: float
    cpu_system_s: float
    cpu_us_per_request: float
    pss_bytes: int
    throttled_s: float
    intervals: tuple[Interval, ...]
    churned: int = 0
    closed_by_peer: int = 0
    reset_by_peer: int = 0
    syn_retransmissions: int = 0
    held_requests: int = 0
    held_answers: Mapping[str, int] = field(default_factory=dict)
    held_unanswered: int = 0
    held_lifetime_us: Distribution | None = None
    unexpected: Mapping[str, int] = field(default_factory=dict)
    unexpected_kept: tuple[KeptAnswer, ...] = ()
    routes: tuple[RouteResult, ...] = ()
    clock_steps: int = 0
    cpu_frames_s: float = 0.0
    scheduling: Literal["first", "shared"] = "shared"
    driver_fallback: str | None = None
    stall_us_max: int = 0
    receive_wait_us_max: int = 0
    receive_wait_us_p99: int = 0
    worker_cpu_cores_max: float | None = None
    spin: bool = False
    errors_in_window: Mapping[str, int] | None = None
    tls_handshake_us: Distribution | None = None
    tls: TlsCounts | None = None
    answered_in_window: int | None = None
    answered_to_warmup: int | None = None
    bytes_received_in_window: int | None = None
    status_expected: tuple[int, ...] = ()
    latency_buckets: tuple[tuple[int, int], ...] = ()
    latency_ours_us: Ours | None = None
    service_time_ours_us: Ours | None = None
    cpu_others_fraction: float | None = None
    cpu_idle_fraction: float | None = None
    cpu_steal_fraction: float | None = None
    remarks: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Return the document ``seatrial.load/1``, ready for ``json.dumps``."""
        from seatrial.analysis.load.document import to_json

        return to_json(self)

    def raise_for_validity(self) -> Self:
        """Return the result itself; raises ``InvalidMeasurement`` with every reason if it may not be believed."""
        if self.validity.is_valid:
            return self
        raise InvalidMeasurement(
            "; ".join(f"{reason.code}: {reason.text}" for reason in self.validity.reasons),
            next_step="; ".join(dict.fromkeys(reason.remedy for reason in self.validity.causes)),
        )
