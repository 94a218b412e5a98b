"""Systems under test and their origins: one file each, behind the two interfaces in ``base``.

``create`` and ``create_origin`` are the way in: a new kind is one file here and one line below. Nothing above
this package knows where a system runs. Each kind is imported only when it is asked for, so that the rest
starts light.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, assert_never

if TYPE_CHECKING:
    from seatrial.plan.model.target import OriginPlan, SystemPlan
    from seatrial.systems.base import Origin, System

__all__ = ["create", "create_origin"]


def create(plan: SystemPlan) -> System:
    """Return the system that the plan names, not started."""
    options = plan.options
    match options.kind:
        case "envoy":
            from seatrial.systems.envoy.system import EnvoySystem

            return EnvoySystem(concurrency=options.concurrency)
        case "nginx":
            from seatrial.systems.nginx.system import NginxSystem

            return NginxSystem(options.worker_processes, options.keepalive_upstream)
        case "direct":
            from seatrial.systems.direct import DirectSystem

            return DirectSystem()
    assert_never(options)


def create_origin(plan: OriginPlan, seed: int = 1) -> Origin:
    """Return the origin that the plan names, not started; ``seed`` is of its random delays."""
    if plan.kind == "nginx":
        from seatrial.systems.origins.nginx import NginxOrigin

        return NginxOrigin(plan.body_bytes, plan.status, plan.processes)
    from seatrial.systems.origins.seatrial import SeatrialOrigin

    return SeatrialOrigin(plan, seed)
