"""What a plan may vary, and where each variable lives when it does not move."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from seatrial.plan.model.discovery import DiscoveryPlan
from seatrial.plan.model.load import LoadPlan
from seatrial.plan.model.objects import ObjectsPlan
from seatrial.plan.model.observe import ObservePlan
from seatrial.schema.fields import quantity_of
from seatrial.systems.options import ProxyOptions
from seatrial.systems.origins.options import OriginPlan
from seatrial.topology.options import TopologyPlan

if TYPE_CHECKING:
    from collections.abc import Mapping

    from seatrial.schema.quantities import Quantity

VariableName = Literal[
    "connections", "rate", "active", "body", "connect_rate", "request_body", "requests_per_connection", "lifetime",
    "timeout", "workers", "resolution", "interval", "proxies",
    "routes", "services", "endpoints", "changed_routes", "change_rate", "discovered_services", "scrape",
]  # fmt: skip


@dataclass(frozen=True, slots=True)
class VariableKind:
    """One variable: the way to the model field that it sets, and the values that it may take.

    ``key`` is what its section has it as in YAML, where that is not the variable's own name.
    """

    path: tuple[str, ...]
    quantity: Quantity
    meaning: str
    example: tuple[str, ...]
    key: str = ""


def _of_load(name: str, meaning: str, *example: str) -> VariableKind:
    """Return a variable that takes what the field of the load takes."""
    return _kind("load", LoadPlan, name, meaning, example)


def _kind(
    section: str,
    model: type[
        LoadPlan | OriginPlan | ProxyOptions | TopologyPlan | ObjectsPlan | ObservePlan | DiscoveryPlan
    ],
    name: str,
    meaning: str,
    example: tuple[str, ...],
    key: str = "",
) -> VariableKind:
    quantity = quantity_of(model.model_fields[name])
    assert quantity is not None
    return VariableKind((section, name), quantity, meaning, example, key)


_ACTIVE = _of_load("active", "connections that carry requests", "50", "600")

VARIABLES: Mapping[VariableName, VariableKind] = {
    "connections": _of_load(
        "connections", "idle connections, held from before the rate starts to the end", "100k", "200k"
    ),
    "rate": _of_load("rate_per_s", "requests per second of all workers together", "10k/s", "20k/s"),
    # Cases without a load are written as a plan of their own: with `active: 0`.
    "active": dataclasses.replace(_ACTIVE, quantity=dataclasses.replace(_ACTIVE.quantity, low=1)),
    "body": _kind("origin", OriginPlan, "body_bytes", "size of each response body", ("600 B", "22 KB")),
    "connect_rate": _of_load("connect_rate_per_s", "connections opened per second during the ramp", "2k/s"),
    "request_body": _of_load("request_body", "size of each request's body", "1 KB", "100 KB"),
    "requests_per_connection": _of_load(
        "requests_per_connection", "answers after which an active connection is opened anew", "1", "100"
    ),
    "lifetime": _of_load("lifetime_s", "time after which an active connection is opened anew", "1 s", "30 s"),
    "timeout": _of_load(
        "timeout_s", "time after which a request without a full answer has timed out", "500 ms", "2 s"
    ),
    "workers": _of_load("workers", "load-generating processes", "1", "2"),
    "resolution": _of_load("resolution", "grid of the intended send times", "100 us", "1 ms"),
    "interval": _of_load("interval_s", "length of the time series' steps", "100 ms", "1 s"),
    "routes": _kind("topology", TopologyPlan, "routes", "routes, all of them exercised", ("100", "1k")),
    "services": _kind(
        "topology", TopologyPlan, "services", "services that the routes lead to", ("10", "100")
    ),
    "endpoints": _kind("topology", TopologyPlan, "endpoints", "endpoints of each service", ("1", "10")),
    "changed_routes": _kind(
        "objects",
        ObjectsPlan,
        "routes",
        "routes that change beside those of the topology",
        ("10", "1k"),
        "routes",
    ),
    "change_rate": _kind(
        "objects", ObjectsPlan, "rate_per_s", "changes that are begun in a second", ("1/s", "10/s"), "rate"
    ),
    "discovered_services": _kind(
        "discovery",
        DiscoveryPlan,
        "services",
        "services that are there when the discoverer begins",
        ("100", "1k"),
        "services",
    ),
    "scrape": _kind(
        "observe",
        ObservePlan,
        "scrape_s",
        "how often each proxy's metrics page is scraped, 0 for never: without and with",
        ("0", "1 s"),
    ),
    "proxies": _kind("systems", ProxyOptions, "proxies", "proxies of each system that has any", ("1", "8")),
}
