"""What a node's kubelet says, through the API server: no port of the node need be reachable."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import quote

from seatrial.cluster.rights import rights_to

if TYPE_CHECKING:
    from seatrial.cluster.answers import Answer
    from seatrial.cluster.client import Client

LIMIT_S = 30.0
RESOURCE_METRICS = "metrics/resource"
CADVISOR_METRICS = "metrics/cadvisor"
RIGHTS = rights_to(
    "get",
    "nodes/proxy",
    why="what pods and nodes use is read from the kubelets; without it, that is not known",
    is_optional=True,
)


async def node_proxy(client: Client, node: str, path: str, limit_s: float = LIMIT_S) -> Answer:
    """Read a path of a node's kubelet, such as :data:`RESOURCE_METRICS`; its text is the answer's body.

    Needs the right in :data:`RIGHTS`. Raises ``ClusterFault``.
    """
    accept = "text/plain, application/json;q=0.5"
    asked = f"read {path} of node {node}"
    return await client.get(
        f"/api/v1/nodes/{quote(node)}/proxy/{path}", accept=accept, limit_s=limit_s, asked=asked
    )
