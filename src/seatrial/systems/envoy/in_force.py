"""What is in force of Envoy's limits and sizes, from its admin port: what it was told may not be what it does."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

from seatrial.systems.envoy.bootstrap import BREAKERS, KIB, LISTENER
from seatrial.systems.settings import NO_LIMIT, Setting, Value

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

Ask: TypeAlias = Callable[[str], Awaitable[Any]]
"""Returns a page of the admin port, by its path: a JSON document. Raises as whoever speaks to it does."""

CONNECTION_LIMIT = f"envoy.resource_limits.listener.{LISTENER}.connection_limit"
GLOBAL_LIMIT = "overload.global_downstream_max_connections"
_COUNTERS = {
    "circuit_breakers.max_connections": "cluster.upstream_cx_overflow",
    "circuit_breakers.max_pending_requests": "cluster.upstream_rq_pending_overflow",
    "circuit_breakers.max_requests": "cluster.upstream_rq_active_overflow",
    "circuit_breakers.max_retries": "cluster.upstream_rq_retry_overflow",
    CONNECTION_LIMIT: f"listener.{LISTENER}.downstream_cx_overflow",
    GLOBAL_LIMIT: f"listener.{LISTENER}.downstream_global_cx_overflow",
    "overload_manager": f"listener.{LISTENER}.downstream_cx_overload_reject",
}
"""What Envoy counts where a circuit breaker, a limit of a listener or the overload manager stood in the way."""


@dataclass(frozen=True, slots=True)
class Names:
    """What a configuration calls its things: the ``listener`` of its clients, and which clusters are services.

    ``listeners`` is where the listeners are in the dump: of the bootstrap, or of a controller.
    """

    listener: str = LISTENER
    listeners: str = "static_listeners"
    is_service: Callable[[str], bool] = lambda _: True


OWN = Names()
"""Those of the bootstrap that is rendered here."""


async def settings(
    member: str, ask: Ask, breaker: int | None, sizes: Mapping[str, int | None], names: Names = OWN
) -> tuple[Setting, ...]:
    """Return the circuit breakers of all services, the limits of the listener, and the sizes that were asked for."""
    clusters = (await ask("/clusters?format=json"))["cluster_statuses"]
    runtime = (await ask("/runtime?format=json"))["entries"]
    bootstrap = await ask("/config_dump?mask=bootstrap.overload_manager")
    services = (cluster for cluster in clusters if names.is_service(cluster["name"]))
    found = [
        *_breakers(member, services, breaker),
        *_of_listener(member, runtime, bootstrap, None if breaker is None else NO_LIMIT, names.listener),
    ]
    if any(asked is not None for asked in sizes.values()):
        found += _sizes(member, await ask(f"/config_dump?resource={names.listeners}"), sizes, names.listener)
    return tuple(found)


def _breakers(member: str, clusters: Iterable[Mapping[str, Any]], asked: int | None) -> Iterator[Setting]:
    """Yield each threshold: the least of all clusters, which is the first to be met."""
    found = [
        threshold
        for cluster in clusters
        for threshold in cluster["circuit_breakers"]["thresholds"]
        if threshold.get("priority", "DEFAULT") == "DEFAULT"
    ]
    for name in BREAKERS:
        # What is 0 is left out of the page.
        least = min((int(threshold.get(name, 0)) for threshold in found), default=None)
        yield _setting(member, f"circuit_breakers.{name}", asked, least, "/clusters")


def _of_listener(
    member: str, runtime: Mapping[str, Any], bootstrap: Mapping[str, Any], asked: Value, listener: str
) -> Iterator[Setting]:
    own = CONNECTION_LIMIT.replace(LISTENER, listener)
    for name, counted in ((own, CONNECTION_LIMIT), (GLOBAL_LIMIT, GLOBAL_LIMIT)):
        text = runtime.get(name, {}).get("final_value") or NO_LIMIT
        in_force = int(text) if text.isdigit() else text
        yield Setting(member, name, asked, in_force, "/runtime", counter=_COUNTERS[counted])
    managers = [
        config["bootstrap"]["overload_manager"]
        for config in bootstrap.get("configs", ())
        if config.get("bootstrap", {}).get("overload_manager")
    ]
    names = [monitor["name"] for manager in managers for monitor in manager.get("resource_monitors", ())]
    yield _setting(member, "overload_manager", None, ", ".join(names) or "none", "/config_dump")


def _setting(member: str, name: str, asked: Value, in_force: Value, source: str) -> Setting:
    return Setting(member, name, asked, in_force, source, counter=_COUNTERS[name])


def _sizes(
    member: str, listeners: Mapping[str, Any], sizes: Mapping[str, int | None], name_of_listener: str
) -> Iterator[Setting]:
    found = next(
        listener
        for config in listeners["configs"]
        if (listener := config.get("active_state", config).get("listener", {})).get("name")
        == name_of_listener
    )
    manager = found["filter_chains"][0]["filters"][-1]["typed_config"]
    in_force = {
        "per_connection_buffer_limit_bytes": found.get("per_connection_buffer_limit_bytes"),
        "max_request_headers_kb": manager.get("max_request_headers_kb"),
    }
    for name, asked in sizes.items():
        if asked is not None:
            wanted = -(-asked // KIB) if name.endswith("_kb") else asked
            yield Setting(member, name, wanted, in_force[name], "/config_dump")


_REJECTED = ".update_rejected"
REJECTED = rf".+\{_REJECTED}$"
"""Counted for each kind of resource where an update is not taken: what was there stays in force.

Source: "xDS subscription statistics" of Envoy's documentation.
"""


def rejected(values: Mapping[str, float]) -> Mapping[str, int]:
    """Return how many updates it did not take, by the counter of each kind of resource, those that were."""
    return {name: int(value) for name, value in values.items() if value and name.endswith(_REJECTED)}


def limits_met(values: Mapping[str, float]) -> Mapping[str, int]:
    """Return how often each limit was met, by its counter, those that were."""
    return {name: int(values[name]) for name in _COUNTERS.values() if values.get(name)}
