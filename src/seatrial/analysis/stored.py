"""The document ``seatrial.load/1`` back to its typed form."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from seatrial.analysis.result import Distribution, Interval, LoadResult, Reason, TlsCounts, Validity

if TYPE_CHECKING:
    from collections.abc import Mapping

_DISTRIBUTION = ("min", "mean", "p50", "p75", "p90", "p99", "p999", "p9999", "max", "count")


def load_result(document: Mapping[str, Any]) -> LoadResult:
    """Return the load that a document tells of; raises ``KeyError`` where it is not ``seatrial.load/1``."""
    rate, connections, requests = document["rate_per_s"], document["connections"], document["requests"]
    generator = document["generator"]
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
        failed=requests["sent"] - requests["completed"] - requests["timed_out"] - requests["in_flight"],
        status=document["status"],
        errors=document["errors"],
        bytes_sent=document["bytes"]["sent"],
        bytes_received=document["bytes"]["received"],
        latency_us=_distribution(document["latency_us"]),
        service_time_us=_distribution(document["service_time_us"]),
        lateness_us=_distribution(document["lateness_us"]),
        connect_us=_distribution(document["connect_us"]),
        processes=generator["processes"],
        cpu_user_s=generator["cpu_user_s"],
        cpu_system_s=generator["cpu_system_s"],
        cpu_us_per_request=generator["cpu_us_per_request"],
        pss_bytes=generator["pss_bytes"],
        throttled_s=generator["throttled_s"],
        intervals=tuple(Interval(**interval) for interval in document["intervals"]),
        tls_handshake_us=_distribution(handshakes) if (handshakes := document["tls_handshake_us"]) else None,
        tls=TlsCounts(**tls) if (tls := document.get("tls")) else None,
    )


def _validity(document: Mapping[str, Any]) -> Validity:
    return Validity(tuple(reason(item) for item in document["reasons"]))


def reason(document: Mapping[str, str]) -> Reason:
    """Return the reason that a mapping of ``code``, ``text`` and ``remedy`` tells."""
    return Reason(document["code"], document["text"], document["remedy"])


def _distribution(document: Mapping[str, Any]) -> Distribution:
    return Distribution(**{name: document[name] for name in _DISTRIBUTION})
