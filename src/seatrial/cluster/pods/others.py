"""Pods that other runs of Seatrial have on the nodes of a cluster: whoever else measures there takes from its CPUs."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from seatrial.cluster.labels import RUN, label_value, run_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from seatrial.cluster.client import Client


async def nodes_of_other_runs(client: Client, run_id: str, limit_s: float) -> Mapping[str, set[str]]:
    """Return the nodes on which each other run has pods that run, and are not on their way out.

    Raises ``ClusterFault``.
    """
    answer = await client.get(
        "/api/v1/pods",
        # What the API server has in memory is new enough, and is no work for its store.
        {
            "labelSelector": f"{RUN},{RUN}!={label_value(run_id)}",
            "fieldSelector": "status.phase=Running",
            "resourceVersion": "0",
        },
        limit_s=limit_s,
        asked="list the pods of other runs",
    )
    found: defaultdict[str, set[str]] = defaultdict(set)
    for pod in answer.body["items"] or ():
        node = pod["spec"].get("nodeName")
        if node and "deletionTimestamp" not in pod["metadata"]:
            found[str(run_of(pod))].add(str(node))
    return found
