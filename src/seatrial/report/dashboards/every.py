"""Every dashboard there is."""

from __future__ import annotations

from typing import TYPE_CHECKING

from seatrial.report.dashboards.control_plane import CONTROL_PLANE
from seatrial.report.dashboards.discovery import DISCOVERY
from seatrial.report.dashboards.load import LOAD
from seatrial.report.dashboards.machine import MACHINE
from seatrial.report.dashboards.proxies.caddy import CADDY
from seatrial.report.dashboards.proxies.envoy import ENVOY
from seatrial.report.dashboards.proxies.haproxy import HAPROXY
from seatrial.report.dashboards.proxies.nginx import NGINX
from seatrial.report.dashboards.proxies.traefik import TRAEFIK
from seatrial.report.dashboards.talk import TALK

if TYPE_CHECKING:
    from seatrial.report.dashboards.panels import Dashboard

DASHBOARDS: tuple[Dashboard, ...] = (
    LOAD, TALK, ENVOY, NGINX, HAPROXY, TRAEFIK, CADDY, CONTROL_PLANE, DISCOVERY, MACHINE,
)  # fmt: skip
"""In the order in which a person may want them."""
