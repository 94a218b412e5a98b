"""Looks at networks, nodes and systems as rows, and back; of interfaces and listeners the numbers alone are written."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from seatrial.observe.samples import Interface, ListenQueue, NetworkSample, NodeSample, SystemSample
from seatrial.record.tables.run_rows import mapping_of

if TYPE_CHECKING:
    import sqlite3


def network_json(sample: NetworkSample) -> str:
    """Return all but its time and its namespace as compact JSON."""
    document = {
        "roles": sample.roles,
        # All of them count things; none has a fraction.
        "values": {name: int(value) for name, value in sample.values.items()},
        "interfaces": sample.interfaces,
        "listeners": sample.listeners,
        **({"pod": sample.pod} if sample.pod else {}),
        **({"node": sample.node} if sample.node else {}),
    }
    return json.dumps(document, separators=(",", ":"))


def network_of(row: sqlite3.Row) -> NetworkSample:
    """Undo :func:`network_json`; raises ``ValueError``, ``TypeError`` or ``KeyError`` where it is damaged."""
    document: dict[str, Any] = json.loads(row["sample"])
    return NetworkSample(
        at_s=row["at_s"],
        network=row["network"],
        roles=tuple(document["roles"]),
        values=document["values"],
        interfaces={name: Interface(*counts) for name, counts in document["interfaces"].items()},
        listeners={role: ListenQueue(*counts) for role, counts in document["listeners"].items()},
        pod=document.get("pod", ""),
        node=document.get("node", ""),
    )


def node_of(row: sqlite3.Row) -> NodeSample:
    """Return the look at a node that a row is."""
    return NodeSample(
        at_s=row["at_s"],
        node=row["node"],
        roles=tuple(row["roles"].split(",")),
        cpu_s=row["cpu_s"],
        memory_working_set_bytes=row["memory_working_set_bytes"],
        cores=row["cores"],
    )


def system_of(row: sqlite3.Row) -> SystemSample:
    """Return the look at a member of a system, or of its controller, that a row is."""
    return SystemSample(
        row["at_s"], row["system"], row["member"], row["incarnation"], mapping_of(row["sample"]), row["role"]
    )
