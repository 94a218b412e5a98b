"""What one load gave, in the shape of the document ``seatrial.load/1``.

Counts cover the measure window by intended send time:
``intended = sent + unsent`` and ``sent = completed + timed_out + failed + in_flight``. What was answered in the window
is counted apart, by when the answer came: see :mod:`seatrial.analysis.load.answered`.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, Self

from seatrial.analysis.load.distribution import Distribution, Percentiles
from seatrial.analysis.reasons import Validity
from seatrial.errors import InvalidMeasurement
from seatrial.generator.routes import KeptAnswer

SCHEMA = "seatrial.load/1"


@dataclass(frozen=True, slots=True)
class Rate:
    """Requests/s: asked for, None in a closed loop; and answered within the window, whoever asked."""

    requested: float | None
    achieved: float


@dataclass(frozen=True, slots=True)
class Established:
    """Connections asked for, and the fewest of them that were established in the window."""

    requested: int
    established: int


@dataclass(frozen=True, slots=True)
class Connections:
    """The connections of a load: the active ones carry its requests, the held ones are idle or nearly so."""

    active: Established
    held: Established
    opened: int
    reconnected: int
    churned: int
    closed_by_peer: int
    reset_by_peer: int
    syn_retransmissions: int
    held_requests: int
    held_unanswered: int
    held_answers: Mapping[str, int]
    held_lifetime_us: Distribution | None


@dataclass(frozen=True, slots=True)
class Requests:
    """The requests intended in the window, by what became of them."""

    intended: int
    sent: int
    completed: int
    unsent: int
    in_flight: int
    timed_out: int
    failed: int


@dataclass(frozen=True, slots=True)
class Answers:
    """The answers ``in_window`` by when they came, and those of them that the warm-up had asked for.

    ``of_intended`` is which part of the requests intended in the window was answered, None where there were none;
    ``unexpected`` counts answers to them that were not as expected.
    """

    in_window: int
    to_warmup: int
    of_intended: float | None
    unexpected: int


@dataclass(frozen=True, slots=True)
class Unexpected:
    """Answers of the window that were not as the load's expectations say: how many by kind, and some of them."""

    counts: Mapping[str, int]
    kept: tuple[KeptAnswer, ...]


@dataclass(frozen=True, slots=True)
class Bytes:
    """What the sockets took and gave for the window's requests; ``received_in_window`` by when it came."""

    sent: int
    received: int
    received_in_window: int


@dataclass(frozen=True, slots=True)
class GeneratorUse:
    """What the workers used from the window's start to the drain's end, and how well they kept time.

    ``worker_cpu_cores_max`` is the mean CPU use of the busiest worker over the window, None where its frames do not
    say.
    """

    processes: int
    cpu_user_s: float
    cpu_system_s: float
    cpu_us_per_request: float
    cpu_frames_s: float
    pss_bytes: int
    throttled_s: float
    worker_cpu_cores_max: float | None
    stall_us_max: int
    receive_wait_us_p99: int
    receive_wait_us_max: int
    clock_steps: int
    scheduling: Literal["first", "shared"]
    spin: bool


@dataclass(frozen=True, slots=True)
class MachineUse:
    """Parts of this machine's CPU time over the window; None is unknown.

    ``cpu_others_fraction`` is of processes other than this load's, what answers among them if it runs here;
    ``cpu_steal_fraction`` is what the hypervisor gave away.
    """

    cpu_others_fraction: float | None
    cpu_idle_fraction: float | None
    cpu_steal_fraction: float | None


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
    interval, the warm-up's too. ``drain`` marks what came after the window.
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

    ``driver`` joins the names of several with "+"; ``driver_fallback`` is why it is not the one that was asked for.
    ``findings`` is what a reader must know before any figure, as sentences without a full stop. ``errors`` is of the
    whole load, ramp and warm-up included; ``errors_in_window`` counts requests of the measure window and connections
    that broke in it. ``status_expected`` empty is any of 2xx. ``latency_ours_us`` is how much of each percentile can
    be the generator's at most, None without samples. ``latency_buckets`` is every occupied bucket of the latencies as
    (highest value in us, samples in it) where they were asked for; the document does not hold it.
    """

    url: str
    loop: Literal["open", "closed"]
    arrival: str
    driver: str
    driver_fallback: str | None
    resolution_us: int
    timestamps: Literal["kernel", "program"]
    seed: int
    validity: Validity
    window_s: float
    rate_per_s: Rate
    connections: Connections
    requests: Requests
    answers: Answers
    findings: tuple[str, ...]
    status: Mapping[str, int]
    errors: Mapping[str, int]
    errors_in_window: Mapping[str, int]
    unexpected: Unexpected
    status_expected: tuple[int, ...]
    routes: tuple[RouteResult, ...]
    bytes: Bytes
    latency_us: Distribution
    latency_ours_us: Percentiles | None
    service_time_us: Distribution
    service_time_ours_us: Percentiles | None
    lateness_us: Distribution
    connect_us: Distribution
    tls_handshake_us: Distribution | None
    tls: TlsCounts | None
    generator: GeneratorUse
    machine: MachineUse
    remarks: tuple[str, ...]
    intervals: tuple[Interval, ...]
    latency_buckets: tuple[tuple[int, int], ...] = ()

    def document(self) -> dict[str, Any]:
        """Return the document ``seatrial.load/1`` with dataclasses in it, for an encoder that reads them itself."""
        held = {one.name: getattr(self, one.name) for one in dataclasses.fields(self)}
        del held["latency_buckets"]
        validity = {
            "state": self.validity.state,
            "direction": self.validity.direction,
            "reasons": self.validity.reasons,
        }
        return {"schema": SCHEMA, **held, "validity": validity}

    def to_json(self) -> dict[str, Any]:
        """Return the document ``seatrial.load/1``, ready for ``json.dumps``."""
        document: dict[str, Any] = _plain(self.document())
        return document

    def raise_for_validity(self) -> Self:
        """Return the result itself; raises ``InvalidMeasurement`` with every reason if it may not be believed."""
        if self.validity.is_valid:
            return self
        raise InvalidMeasurement(
            "; ".join(f"{reason.code}: {reason.text}" for reason in self.validity.reasons),
            next_step="; ".join(dict.fromkeys(reason.remedy for reason in self.validity.causes)),
        )


def _plain(value: Any) -> Any:
    """Return a value as JSON has it: dataclasses and mappings as dicts, tuples as lists."""
    if dataclasses.is_dataclass(value):
        return {one.name: _plain(getattr(value, one.name)) for one in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {key: _plain(one) for key, one in value.items()}
    return [_plain(one) for one in value] if isinstance(value, tuple) else value
