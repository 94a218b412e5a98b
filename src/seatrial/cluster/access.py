"""The door to a cluster: found by kubeconfig, context, or from within; opened, and asked for its version."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from seatrial.cluster.connection.credentials import of_kubeconfig, of_pod, require_kubernetes
from seatrial.cluster.connection.kubeconfig import Where, choose
from seatrial.errors import ClusterFault

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping
    from typing import Any

    from seatrial.cluster.client import Client
    from seatrial.cluster.connection.credentials import Credentials
    from seatrial.cluster.connection.session import Seen


@asynccontextmanager
async def open_cluster(where: Where | None = None, seen: Seen | None = None) -> AsyncIterator[Client]:
    """Open a cluster, and close it again; ``seen`` hears of every request.

    Raises ``PlanError`` for a kubeconfig or context that is not there, ``EnvironmentFault`` where no cluster is known
    or Seatrial's part for Kubernetes is not installed, ``ClusterFault`` where it cannot be reached or lets nobody in.
    """
    require_kubernetes()
    from seatrial.cluster.client import Client
    from seatrial.cluster.connection.session import Session

    chosen = choose(where or Where())

    async def load() -> Credentials:
        return of_pod() if chosen is None else await of_kubeconfig(chosen)

    credentials = await load()
    reference: dict[str, Any] = {"in_cluster": True, "server": credentials.server}
    if chosen is not None:
        reference = {"kubeconfig": chosen.paths, "context": chosen.context, "server": credentials.server}
    async with Client(Session(credentials, load, seen), reference) as client:
        client.version = str((await client.get("/version", asked="ask its version")).body["gitVersion"])
        yield client


@asynccontextmanager
async def open_again(reference: Mapping[str, Any]) -> AsyncIterator[Client]:
    """Open the cluster that was written down so (``Client.reference``).

    Raises what :func:`open_cluster` does, and ``ClusterFault`` where the context leads to another server by now.
    """
    where = Where(reference.get("kubeconfig"), reference.get("context"), bool(reference.get("in_cluster")))
    async with open_cluster(where) as client:
        if client.reference["server"] != reference["server"]:
            raise ClusterFault(
                f"context {reference.get('context')} leads to {client.reference['server']} by now",
                cause=f"what is looked for was made on {reference['server']}",
                next_step="use a kubeconfig for that: seatrial clean --on kubernetes --kubeconfig FILE --context NAME",
            )
        yield client
