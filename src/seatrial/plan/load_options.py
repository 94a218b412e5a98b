"""A case and where its system listens -> the options of its load, as ``seatrial load`` would be given them."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

from seatrial.machine.address import Endpoint
from seatrial.workload.words.options import LoadOptions

if TYPE_CHECKING:
    from collections.abc import Sequence

    from seatrial.plan.cases import Case
    from seatrial.plan.model.load import LoadPlan


_SOMEWHERE = Endpoint("127.0.0.1", 1)


def load_anywhere(case: Case, authority: str = str(_SOMEWHERE), ca: str | None = None) -> LoadOptions:
    """Return the options where it is not known yet where the system listens, and who issues its certificate."""
    tls = case.load.tls is not None
    url = f"{'https' if tls else 'http'}://{authority}/"
    return dataclasses.replace(load_options(case, (_SOMEWHERE,)), url=url, ca=ca if tls else None)


def load_options(case: Case, endpoints: Sequence[Endpoint], seed: int = 1) -> LoadOptions:
    """Return the options; connections are dealt to the endpoints in turns.

    What a plan leaves out keeps the default of its model, which is not that of the command everywhere.
    """
    load, phases = case.load, case.phases
    first, *others = endpoints
    return LoadOptions(
        first.url,
        target=tuple(str(endpoint) for endpoint in endpoints) if others else (),
        rate=load.profile or load.rate_per_s,
        closed=load.loop == "closed",
        arrival=load.arrival,
        duration=phases.measure_s,
        stable_for=phases.stable_for_s,
        warmup=phases.warmup_s,
        timeout=load.timeout_s,
        resolution=load.resolution,
        interval=load.interval_s,
        spin=load.spin,
        driver=load.driver,
        seed=seed,
        workers=load.workers,
        connections=load.carrying,
        hold=load.connections,
        # Where a case holds none, there is nothing for them to do.
        hold_traffic=load.hold_traffic if load.connections else "silent",
        connect_rate=load.connect_rate_per_s,
        reuse=load.reuse,
        requests_per_connection=load.requests_per_connection,
        lifetime=load.lifetime_s,
        source=load.sources,
        route_latency=load.route_latency,
        **_requests(case),
        **_tls(load, first),
    )


def _requests(case: Case) -> dict[str, Any]:
    load, topology = case.load, case.topology
    return {
        "method": load.method,
        "header": tuple(f"{name}: {value}" for name, value in load.headers),
        "body": load.request_body or "",
        "host": topology.hosts or load.host,
        "path": topology.paths or (None if load.path == "/" else load.path),
        "expect_status": load.expect_status or None,
        "expect_header": None if load.expect_header is None else ": ".join(load.expect_header),
        "expect_body": load.expect_body,
    }


def _tls(load: LoadPlan, endpoint: Endpoint) -> dict[str, Any]:
    if load.tls is None:
        return {}
    return {
        "ca": endpoint.ca,
        "sni": load.tls.sni,
        "tls": load.tls.version,
        "alpn": load.tls.alpn,
        "no_resumption": not load.tls.resumption,
    }
