"""Every kind of system under test: to add one is a file beside this one and a line below.

Nothing above this package knows a kind by its name, but for the baseline, or where a system runs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from seatrial.systems.caddy.system import CaddyOptions
from seatrial.systems.direct import DirectOptions
from seatrial.systems.discoverers.command import AnyDiscovererOptions
from seatrial.systems.discoverers.gimbal import GimbalKubernetesOptions, GimbalOpenstackOptions
from seatrial.systems.discoverers.mirroring import MirroringOptions
from seatrial.systems.discoverers.ours import SeatrialDiscovererOptions
from seatrial.systems.envoy.system import EnvoyOptions
from seatrial.systems.haproxy.system import HaproxyOptions
from seatrial.systems.installed.kinds.contour import ContourOptions
from seatrial.systems.installed.kinds.envoy_gateway import EnvoyGatewayOptions
from seatrial.systems.installed.kinds.found import GatewayOptions, IngressOptions, UrlOptions
from seatrial.systems.nginx.system import NginxOptions
from seatrial.systems.traefik import TraefikOptions

if TYPE_CHECKING:
    from collections.abc import Mapping

    from seatrial.systems.base import Origin
    from seatrial.systems.options import SystemOptions
    from seatrial.systems.origins.options import OriginPlan

LOCAL: Mapping[str, type[SystemOptions]] = {
    "envoy": EnvoyOptions,
    "nginx": NginxOptions,
    "haproxy": HaproxyOptions,
    "traefik": TraefikOptions,
    "caddy": CaddyOptions,
    "direct": DirectOptions,
}
"""Those that are started on this machine."""
INSTALLED: Mapping[str, type[SystemOptions]] = {
    "contour": ContourOptions,
    "envoy-gateway": EnvoyGatewayOptions,
    "ingress": IngressOptions,
    "gateway": GatewayOptions,
    "url": UrlOptions,
}
"""Those that there are on a cluster only."""
DISCOVERERS: Mapping[str, type[SystemOptions]] = {
    "seatrial-discoverer": SeatrialDiscovererOptions,
    "gimbal-openstack": GimbalOpenstackOptions,
    "gimbal-kubernetes": GimbalKubernetesOptions,
    "endpointslice-mirroring": MirroringOptions,
    "discoverer": AnyDiscovererOptions,
}
"""Those that carry services from a source of truth to a cluster; they run on this machine."""
SYSTEMS: Mapping[str, type[SystemOptions]] = {**LOCAL, **INSTALLED, **DISCOVERERS}


def is_discoverer(kind: str) -> bool:
    """Return whether this kind is one; a word that is no kind is none."""
    return kind in DISCOVERERS


def is_proxy(kind: str) -> bool:
    """Return whether this kind stands before the origin: not the baseline, nor a discoverer, whose load only waits."""
    return kind not in SYSTEMS or SYSTEMS[kind].proxied


def create_origin(plan: OriginPlan, seed: int = 1) -> Origin:
    """Return the origin that the plan names, not started; ``seed`` is of its random delays."""
    if plan.kind == "nginx":
        from seatrial.systems.origins.nginx import NginxOrigin

        return NginxOrigin(plan.body_bytes, plan.status, plan.processes)
    from seatrial.systems.origins.seatrial import SeatrialOrigin

    return SeatrialOrigin(plan, seed)
