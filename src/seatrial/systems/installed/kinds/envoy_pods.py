"""An Envoy in a pod that a controller configures: what it counts and what is in force, by the names used here.

Contour and Envoy Gateway call their listeners and clusters each in a way of their own. Their stats are given the names
of the bootstrap that Seatrial writes, so that one catalogue and one way of reading serve all.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from seatrial.machine.address import Address
from seatrial.systems.catalogue import ENVOY, absent
from seatrial.systems.counters import Reading
from seatrial.systems.envoy import in_force
from seatrial.systems.envoy.system import own_of, parse_stats
from seatrial.systems.local.configured import digest
from seatrial.systems.running import GIVEN

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Collection, Iterator, Mapping

    from seatrial.systems.settings import Setting

    Get = Callable[[str], Awaitable[str]]

_MANAGERS = r"http\.(?:ingress_https?|https?-\d+)\."
"""Contour's connection managers, for an Ingress or an HTTPProxy, or for a Gateway's listener; and Envoy Gateway's."""
_LISTENERS = r"listener\.[^/]*_(?:8080|8443|10080|10443)\."
"""Those of clients, by their ports: neither controller gives them a name among the stats."""


@dataclass(frozen=True, slots=True)
class EnvoyNames:
    """What a controller calls the ``clusters`` of services (a pattern of ``/clusters``), and among the ``stats``."""

    clusters: str
    stats: str
    listener: str


def of_contour(namespace: str, *, has_tls: bool, is_gateway: bool) -> EnvoyNames:
    """Return the names that Contour gives to what is in a namespace."""
    plain, secure = ("http-80", "https-443") if is_gateway else ("ingress_http", "ingress_https")
    return EnvoyNames(
        clusters=rf"{re.escape(namespace)}/service-\d+/",
        stats=rf"{namespace}_service-\d+_80",
        listener=secure if has_tls else plain,
    )


def of_envoy_gateway(namespace: str, *, has_tls: bool) -> EnvoyNames:
    """Return the names that Envoy Gateway gives to them."""
    return EnvoyNames(
        clusters=rf"httproute/{re.escape(namespace)}/",
        stats=rf"httproute/{namespace}/[^.]*",
        listener=f"{namespace}/gateway/{'https' if has_tls else 'http'}",
    )


async def reading(get: Get, names: EnvoyNames, incarnation: str) -> Reading:
    """Read one Envoy's counters; raises as ``get`` does."""
    values = as_here(parse_stats(await get(stats_page(names))), names)
    own = own_of(values)
    lacking = absent(ENVOY, values)
    return Reading(
        incarnation=incarnation,
        connections_active=own.connections_active,
        connections_accepted=own.connections_accepted,
        requests=own.requests,
        upstream_requests=own.upstream_requests,
        values=values,
        upstream_connections=own.upstream_connections,
        absent=lacking,
        limits_met=in_force.limits_met(values),
        rejected=in_force.rejected(values),
    )


async def clusters_in(get: Get, names: EnvoyNames) -> int:
    """Return how many clusters of services one Envoy has the endpoints of."""
    wanted = rf"^cluster\.({names.stats})\.membership_total$"
    values = parse_stats(await get(f"/stats?filter={quote(wanted)}"))
    return sum(1 for value in values.values() if value)


async def endpoints(get: Get, names: EnvoyNames) -> Collection[frozenset[str]]:
    """Return the addresses of each of one Envoy's clusters of services."""
    clusters = json.loads(await get("/clusters?format=json"))["cluster_statuses"]
    is_service = re.compile(names.clusters).match
    return {
        frozenset(_address(host) for host in cluster.get("host_statuses", ()))
        for cluster in clusters
        if is_service(cluster["name"])
    }


def _address(host: Mapping[str, Any]) -> str:
    address = host["address"]["socket_address"]
    return str(Address(address["address"], address["port_value"]))


async def settings(
    member: str, get: Get, names: EnvoyNames, breaker: int | None, sizes: Mapping[str, int | None]
) -> tuple[Setting, ...]:
    """Return the circuit breakers of every service, the limits of the listener and the sizes: asked and in force."""

    async def ask(path: str) -> Any:
        return json.loads(await get(path))

    is_service = re.compile(names.clusters).match
    own = in_force.Names(names.listener, "dynamic_listeners", lambda name: is_service(name) is not None)
    return await in_force.settings(member, ask, breaker, sizes, own)


async def configuration(get: Get) -> Mapping[str, str]:
    """Return digests of what it runs."""
    dump = json.loads(await get("/config_dump"))
    info = json.loads(await get("/server_info"))
    # A controller counts its versions up although nothing else has changed.
    without = {"last_updated", "version_info"}
    return {
        "config_dump": digest(dump, without),
        # An update that was refused is counted as such, and has a time of its own at each.
        GIVEN: digest(sorted(digest(one, {*without, "error_state"}) for one in _given(dump))),
        "command_line": digest(info["command_line_options"]),
    }


def _given(dump: Mapping[str, Any]) -> Iterator[object]:
    """Yield each listener, cluster, route table and secret that came over xDS; they have no order."""
    for part in dump["configs"]:
        for name, entries in part.items():
            if name.startswith("dynamic_"):
                yield from entries


def stats_page(names: EnvoyNames) -> str:
    """Return the path of the counters that are worth keeping; only of what has been counted at all."""
    wanted = (
        rf"^({_MANAGERS}(downstream_(cx|rq)|no_)"
        rf"|cluster\.({names.stats})\.(circuit_breakers\.default|membership|upstream_(cx|rq))"
        rf"|{_LISTENERS}downstream"
        rf"|server\.(memory|total_connections|concurrency|worker)|{in_force.REJECTED})"
    )
    return f"/stats?usedonly&filter={quote(wanted)}"


def as_here(values: Mapping[str, float], names: EnvoyNames) -> Mapping[str, float]:
    """Return the values by the names of Seatrial's own bootstrap: of all clusters together, and of both listeners."""
    patterns = (
        (re.compile(rf"^cluster\.(?:{names.stats})\."), "cluster."),
        (re.compile(rf"^{_MANAGERS}"), "http.ingress."),
        (re.compile(rf"^{_LISTENERS}"), "listener.ingress."),
    )
    added: Counter[str] = Counter()
    for name, value in values.items():
        here = name
        for pattern, own in patterns:
            here = pattern.sub(own, here)
        added[here] += value  # type: ignore[assignment]
    return added
