"""What a case of a plan asks of the machine."""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING

from seatrial.plan.model.target import NginxOptions
from seatrial.preflight.needs import Needs

if TYPE_CHECKING:
    from seatrial.plan.cases import Case

# User memory of one connection inside the proxy. Envoy: its connection, filter chain and codec objects; nginx: a slot
# of `worker_connections` (232 + 2 x 96 bytes) and a pool of 512 bytes.
_PROXY_BYTES_PER_CONNECTION = {"envoy": 8_192, "nginx": 1_024, "direct": 0}


def needs_of_case(case: Case) -> Needs:
    """Return what a case needs on one machine, with the proxy, the origin and the workers all on it."""
    options = case.system.options
    return Needs(
        held=case.load.connections,
        active=case.load.active,
        rate_per_s=case.load.rate_per_s,
        connect_rate_per_s=case.load.connect_rate_per_s,
        body_bytes=case.origin.body_bytes,
        proxied=case.system.kind != "direct",
        # Envoy's workers are threads of one process with one descriptor table; nginx's are processes with one each.
        proxy_processes=options.worker_processes if isinstance(options, NginxOptions) else 1,
        proxy_bytes_per_connection=_PROXY_BYTES_PER_CONNECTION[case.system.kind],
        origin_processes=case.origin.processes,
        workers=case.load.workers,
        sources=_addresses(case.load.sources),
    )


def _addresses(sources: tuple[str, ...]) -> int | None:
    if not sources:
        return None
    return sum(ipaddress.ip_network(source, strict=False).num_addresses for source in sources)
