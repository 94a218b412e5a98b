"""Every kind of system under test: to add one is a file beside this one and a line below.

Nothing above this package knows a kind by its name, but for the baseline, or where a system runs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from seatrial.systems.caddy import CaddyOptions
from seatrial.systems.direct import DirectOptions
from seatrial.systems.envoy.system import EnvoyOptions
from seatrial.systems.haproxy.system import HaproxyOptions
from seatrial.systems.nginx.system import NginxOptions
from seatrial.systems.traefik import TraefikOptions

if TYPE_CHECKING:
    from collections.abc import Mapping

    from seatrial.systems.base import Origin
    from seatrial.systems.options import SystemOptions
    from seatrial.systems.origins.options import OriginPlan

SYSTEMS: Mapping[str, type[SystemOptions]] = {
    "envoy": EnvoyOptions,
    "nginx": NginxOptions,
    "haproxy": HaproxyOptions,
    "traefik": TraefikOptions,
    "caddy": CaddyOptions,
    "direct": DirectOptions,
}


def create_origin(plan: OriginPlan, seed: int = 1) -> Origin:
    """Return the origin that the plan names, not started; ``seed`` is of its random delays."""
    if plan.kind == "nginx":
        from seatrial.systems.origins.nginx import NginxOrigin

        return NginxOrigin(plan.body_bytes, plan.status, plan.processes)
    from seatrial.systems.origins.seatrial import SeatrialOrigin

    return SeatrialOrigin(plan, seed)
