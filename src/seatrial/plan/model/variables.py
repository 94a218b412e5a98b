"""What a plan may vary, and where each variable lives when it does not move."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from seatrial import limits
from seatrial.schema.quantities import COUNT, DURATION, RATE, SIZE, Quantity

if TYPE_CHECKING:
    from collections.abc import Mapping

VariableName = Literal[
    "connections", "rate", "active", "body", "connect_rate", "request_body", "requests_per_connection", "lifetime",
    "timeout", "workers", "resolution", "interval",
]  # fmt: skip


@dataclass(frozen=True, slots=True)
class VariableKind:
    """One variable: the way to the model field that it sets, and the values that it may take."""

    path: tuple[str, ...]
    quantity: Quantity
    meaning: str
    example: tuple[str, ...]


VARIABLES: Mapping[VariableName, VariableKind] = {
    "connections": VariableKind(
        ("load", "connections"),
        Quantity(COUNT, 0, limits.MAX_CONNECTIONS),
        "idle connections, held from before the rate starts to the end",
        ("100k", "200k"),
    ),
    "rate": VariableKind(
        ("load", "rate_per_s"),
        Quantity(RATE, limits.MIN_RATE_PER_S, limits.MAX_RATE_PER_S),
        "requests per second of all workers together",
        ("10k/s", "20k/s"),
    ),
    "active": VariableKind(
        ("load", "active"),
        Quantity(COUNT, 1, limits.MAX_CONNECTIONS),
        "connections that carry requests",
        ("50", "600"),
    ),
    "body": VariableKind(
        ("origin", "body_bytes"),
        Quantity(SIZE, 0, limits.MAX_BODY_BYTES),
        "size of each response body",
        ("600 B", "22 KB"),
    ),
    "connect_rate": VariableKind(
        ("load", "connect_rate_per_s"),
        Quantity(RATE, 1, limits.MAX_RATE_PER_S),
        "connections opened per second during the ramp",
        ("2k/s",),
    ),
    "request_body": VariableKind(
        ("load", "request_body"),
        Quantity(SIZE, 0, limits.MAX_BODY_BYTES),
        "size of each request's body",
        ("1 KB", "100 KB"),
    ),
    "requests_per_connection": VariableKind(
        ("load", "requests_per_connection"),
        Quantity(COUNT, 1, limits.MAX_ENGINE_COUNT),
        "answers after which an active connection is opened anew",
        ("1", "100"),
    ),
    "lifetime": VariableKind(
        ("load", "lifetime_s"),
        Quantity(DURATION, limits.MIN_TIMEOUT_S, limits.MAX_DURATION_S),
        "time after which an active connection is opened anew",
        ("1 s", "30 s"),
    ),
    "timeout": VariableKind(
        ("load", "timeout_s"),
        Quantity(DURATION, limits.MIN_TIMEOUT_S, limits.MAX_TIMEOUT_S),
        "time after which a request without a full answer has timed out",
        ("500 ms", "2 s"),
    ),
    "workers": VariableKind(
        ("load", "workers"),
        Quantity(COUNT, 1, limits.MAX_WORKERS),
        "load-generating processes",
        ("1", "2"),
    ),
    "resolution": VariableKind(
        ("load", "resolution"),
        Quantity(DURATION, limits.MIN_RESOLUTION_S, limits.MAX_RESOLUTION_S),
        "grid of the intended send times",
        ("100 us", "1 ms"),
    ),
    "interval": VariableKind(
        ("load", "interval_s"),
        Quantity(DURATION, limits.MIN_INTERVAL_S, limits.MAX_DURATION_S),
        "length of the time series' steps",
        ("100 ms", "1 s"),
    ),
}
