"""A case and where its system listens -> the spec of its load."""

from __future__ import annotations

from collections.abc import Sequence

from seatrial.machine.address import Address
from seatrial.plan.cases import Case
from seatrial.workload.addresses import addresses_of
from seatrial.workload.profile import constant
from seatrial.workload.requests import Request
from seatrial.workload.spec import LoadSpec, Target


def load_spec(case: Case, addresses: Sequence[Address], seed: int) -> LoadSpec:
    """Return the load of one trial; ``seed`` differs from trial to trial, so that repeats are independent."""
    plan, phases = case.load, case.phases
    return LoadSpec(
        targets=tuple(Target(address.host, address.port) for address in addresses),
        requests=(
            Request(
                method=plan.method, path=plan.path, host=plan.host or str(addresses[0]), headers=plan.headers
            ),
        ),
        expected_status=plan.expect_status,
        loop=plan.loop,
        arrival=plan.arrival,
        profile=constant(plan.rate_per_s) if plan.rate_per_s else (),
        active=plan.carrying,
        held=plan.connections,
        connect_rate_per_s=plan.connect_rate_per_s,
        timeout_s=plan.timeout_s,
        stable_for_s=phases.stable_for_s,
        warmup_s=phases.warmup_s,
        measure_s=phases.measure_s,
        drain_s=plan.timeout_s,
        resolution_s=_resolution_s(plan.resolution),
        seed=seed,
        sources=addresses_of(plan.sources),
        workers=plan.workers,
    )


def _resolution_s(resolution: str | float) -> float | None:
    if isinstance(resolution, str):
        return None if resolution == "auto" else 0.0
    return resolution
