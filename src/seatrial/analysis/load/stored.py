"""The document ``seatrial.load/1`` back to its typed form."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from seatrial.analysis.load.document import FRAME_COUNTERS
from seatrial.analysis.load.result import (
    Distribution,
    Interval,
    LoadResult,
    Ours,
    Reason,
    RouteResult,
    TlsCounts,
    Validity,
)
from seatrial.generator.routes import KeptAnswer

if TYPE_CHECKING:
    from collections.abc import Mapping

_DISTRIBUTION = ("min", "mean", "p50", "p75", "p90", "p99", "p999", "p9999", "max", "count")


def load_result(document: Mapping[str, Any]) -> LoadResult:
    """Return the load that a document describes: the inverse of ``to_json``, but for figures that it rounds.

    Documents of older versions lack some keys; what those hold has its default then. Raises ``KeyError`` where it is
    not ``seatrial.load/1``.
    """
    rate, connections, requests = document["rate_per_s"], document["connections"], document["requests"]
    generator, unexpected = document["generator"], document.get("unexpected", {})
    machine = document.get("machine", {})
    return LoadResult(
        url=document["url"],
        loop=document["loop"],
        arrival=document["arrival"],
        driver=document["driver"],
        resolution_us=document["resolution_us"],
        timestamps=document["timestamps"],
        seed=document["seed"],
        validity=_validity(document["validity"]),
        window_s=document["window_s"],
        rate_requested_per_s=rate["requested"],
        rate_achieved_per_s=rate["achieved"],
        active_requested=connections["active"]["requested"],
        active_established=connections["active"]["established"],
        held_requested=connections["held"]["requested"],
        held_established=connections["held"]["established"],
        opened=connections["opened"],
        reconnected=connections["reconnected"],
        intended=requests["intended"],
        sent=requests["sent"],
        completed=requests["completed"],
        unsent=requests["unsent"],
        in_flight=requests["in_flight"],
        timed_out=requests["timed_out"],
        failed=requests["failed"],
        status=document["status"],
        answered_in_window=document.get("answers", {}).get("in_window"),
        answered_to_warmup=document.get("answers", {}).get("to_warmup"),
        bytes_received_in_window=document["bytes"].get("received_in_window"),
        status_expected=tuple(document.get("status_expected", ())),
        errors=document["errors"],
        bytes_sent=document["bytes"]["sent"],
        bytes_received=document["bytes"]["received"],
        latency_us=_distribution(document["latency_us"]),
        service_time_us=_distribution(document["service_time_us"]),
        latency_ours_us=Ours(**ours) if (ours := document.get("latency_ours_us")) else None,
        service_time_ours_us=Ours(**ours) if (ours := document.get("service_time_ours_us")) else None,
        lateness_us=_distribution(document["lateness_us"]),
        connect_us=_distribution(document["connect_us"]),
        processes=generator["processes"],
        cpu_user_s=generator["cpu_user_s"],
        cpu_system_s=generator["cpu_system_s"],
        cpu_us_per_request=generator["cpu_us_per_request"],
        pss_bytes=generator["pss_bytes"],
        throttled_s=generator["throttled_s"],
        intervals=tuple(Interval(**interval) for interval in document["intervals"]),
        **{name: connections[name] for name in FRAME_COUNTERS if name in connections},
        **{name: generator[name] for name in _ADDED_GENERATOR if name in generator},
        cpu_others_fraction=machine.get("cpu_others_fraction"),
        cpu_idle_fraction=machine.get("cpu_idle_fraction"),
        cpu_steal_fraction=machine.get("cpu_steal_fraction"),
        remarks=tuple(document.get("remarks", ())),
        held_answers=connections.get("held_answers", {}),
        held_lifetime_us=_known_distribution(connections.get("held_lifetime_us")),
        errors_in_window=document.get("errors_in_window"),
        driver_fallback=document.get("driver_fallback"),
        unexpected=unexpected.get("counts", {}),
        unexpected_kept=tuple(KeptAnswer(**answer) for answer in unexpected.get("kept", ())),
        routes=tuple(_route(route) for route in document.get("routes", ())),
        tls_handshake_us=_known_distribution(document.get("tls_handshake_us")),
        tls=TlsCounts(**tls) if (tls := document.get("tls")) else None,
    )


# Keys that the first documents did not have.
_ADDED_GENERATOR = (
    "cpu_frames_s",
    "worker_cpu_cores_max",
    "stall_us_max",
    "receive_wait_us_p99",
    "receive_wait_us_max",
    "clock_steps",
    "scheduling",
    "spin",
)


def _route(document: Mapping[str, Any]) -> RouteResult:
    return RouteResult(**{**document, "latency_us": _known_distribution(document["latency_us"])})


def _known_distribution(document: Mapping[str, Any] | None) -> Distribution | None:
    return None if document is None else _distribution(document)


def _validity(document: Mapping[str, Any]) -> Validity:
    return Validity(tuple(reason(item) for item in document["reasons"]))


def reason(document: Mapping[str, Any]) -> Reason:
    """Return the reason that a mapping holds; older ones do not say how the doubt can move the numbers."""
    return Reason(
        document["code"],
        document["text"],
        document["remedy"],
        document.get("direction", "either"),
        document.get("because"),
    )


def _distribution(document: Mapping[str, Any]) -> Distribution:
    return Distribution(**{name: document[name] for name in _DISTRIBUTION})
