"""What a case of a plan asks of the machine."""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING

from seatrial.plan.model.cpus import choice_of
from seatrial.preflight.needs import Needs
from seatrial.systems.options import ProxyOptions
from seatrial.workload.spec import reopened_per_s

if TYPE_CHECKING:
    from seatrial.plan.cases import Case


def needs_of_case(case: Case) -> Needs:
    """Return what a case needs on one machine, with the proxy, the origin and the workers all on it."""
    options = case.system.options
    return Needs(
        held=case.load.connections,
        active=case.load.active,
        rate_per_s=case.load.peak_rate_per_s,
        connect_rate_per_s=case.load.connect_rate_per_s,
        body_bytes=max(case.origin.body_bytes, _length(case.load.request_body)),
        proxied=options.proxied,
        proxy_processes=options.proxy_processes,
        proxy_bytes_per_connection=options.bytes_per_connection,
        origin_processes=case.origin.processes,
        pools=_pools(case),
        endpoints=case.topology.endpoints_in_all,
        destinations=getattr(options, "proxies", None) or 1,
        workers=case.load.workers,
        sources=_addresses(case.load.sources),
        tls=case.load.tls is not None,
        reopened_per_s=reopened_per_s(
            case.load.peak_rate_per_s,
            case.load.active,
            case.load.requests_per_connection,
            case.load.lifetime_s,
        ),
        namespaces=case.plan.place == "namespaces",
        cpus=choice_of(case.plan.cpus),
    )


def _pools(case: Case) -> int:
    options, services = case.system.options, case.topology.services_in_all
    if services == 1 or not isinstance(options, ProxyOptions):
        return 0
    return services * options.proxies * options.pools_each


def _length(body: int | str) -> int:
    return body if isinstance(body, int) else len(body.encode())


def _addresses(sources: tuple[str, ...]) -> int | None:
    if not sources:
        return None
    return sum(ipaddress.ip_network(source, strict=False).num_addresses for source in sources)
