"""What a system makes on a cluster: kinds defined, objects made, Deployments waited for, and all of it removed."""

from __future__ import annotations

import asyncio
import time
from itertools import groupby, islice
from typing import TYPE_CHECKING, Any

from seatrial.cluster.objects import Objects
from seatrial.cluster.owned import Owned
from seatrial.cluster.resources import Ref
from seatrial.errors import ClusterFault, EnvironmentFault
from seatrial.systems.installed.definitions import definition
from seatrial.systems.installed.manifests.objects import INSTANCE, NAME
from seatrial.systems.installed.pods import facts_in, is_hopeless, not_up

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from seatrial.cluster.answers import Answer
    from seatrial.cluster.client import Client
    from seatrial.machine.processes.changes import ChangeLog
    from seatrial.systems.installed.manifests.objects import Object, Site

TOGETHER = 500
"""So many objects are in memory at a time."""
READY_LIMIT_S = 180.0
"""An image may have to be fetched."""
KNOWN_LIMIT_S = 30.0
POLL_S = 0.2


class Made:
    """The objects of one system at its site. ``run`` owns the definitions of kinds, which other trials need as well."""

    def __init__(self, run: Owned, site: Site) -> None:
        self._run, self._site = run, site
        self._own: Owned | None = None

    @property
    def client(self) -> Client:
        """The cluster."""
        return self._run.client

    async def require(self, kinds: Iterable[tuple[str, str]]) -> None:
        """See that the cluster has these kinds; define those that it lacks, as the run's.

        Raises ``EnvironmentFault`` for a kind whose definition does not come along.
        """
        # Another run may have removed what it had defined since the trial before.
        self.client.resources.forget()
        lacking = [kind for kind in kinds if not await self._knows(*kind)]
        if not lacking:
            return
        await self._run.apply(definition(*kind) for kind in lacking)
        deadline_s = time.monotonic() + KNOWN_LIMIT_S
        for api_version, kind in lacking:
            while not await self._knows(api_version, kind):
                if time.monotonic() > deadline_s:
                    raise EnvironmentFault(
                        f"the cluster does not serve {kind} ({api_version}), although it was defined",
                        cause="another version of it may be installed",
                        next_step=f"kubectl get crd | grep {api_version.partition('/')[0]}",
                    )
                await asyncio.sleep(POLL_S)

    async def apply(self, objects: Iterable[Object], changes: ChangeLog, *, in_order: bool) -> None:
        """Make them, side by side; ``in_order`` has those of one kind wait for those of another that come before."""
        own = self._own = self._own or Owned(
            self.client, self._run.run_id, changes, part=self._site.namespace
        )
        left = iter(objects)
        while part := list(islice(left, TOGETHER)):
            if not in_order:
                await own.apply(part)
                continue
            for _, together in groupby(part, key=lambda one: str(one["kind"])):
                await own.apply(together)

    async def change(self, objects: Iterable[Object]) -> list[Answer]:
        """Make or change some, once there are others; return the API server's answer to each."""
        assert self._own is not None
        return await self._own.apply(objects)

    async def delete(self, refs: Iterable[Ref]) -> list[Answer | None]:
        """Delete some; None is the answer for one that is gone already."""
        return await Objects(self.client).delete(refs)

    async def available(self, deployments: Iterable[str]) -> None:
        """Wait until every pod of these Deployments is ready. Raises ``SystemFault`` that says why one is not."""
        deadline_s = time.monotonic() + READY_LIMIT_S
        objects, namespace = Objects(self.client), self._site.namespace
        for name in deployments:
            labels = {NAME: name, INSTANCE: self._site.label}
            while not _is_available(await objects.get(Ref("apps/v1", "Deployment", name, namespace))):
                pods = await facts_in(self.client, namespace, labels)
                if is_hopeless(pods) or time.monotonic() > deadline_s:
                    raise not_up(f"{name} of {self._site.label} did not come up", pods, READY_LIMIT_S)
                await asyncio.sleep(POLL_S)

    async def remove(self) -> None:
        """Delete everything, and wait until it is gone. Raises ``ClusterFault`` where something stays."""
        if self._own is not None:
            await self._own.remove()
            self._own = None

    async def _knows(self, api_version: str, kind: str) -> bool:
        try:
            await self.client.resources.find(api_version, kind)
        except ClusterFault as fault:
            if fault.status != 404:
                raise
            return False
        return True


def _is_available(deployment: Mapping[str, Any] | None) -> bool:
    if deployment is None:
        return False
    status, wanted = deployment.get("status", {}), deployment["spec"]["replicas"]
    is_current = status.get("observedGeneration") == deployment["metadata"]["generation"]
    return bool(is_current and status.get("updatedReplicas") == status.get("readyReplicas") == wanted)
