"""Services of another cluster: its Services and EndpointSlices, listed and watched.

``kubernetes`` of ``default`` and what is in ``kube-system`` are every cluster's own, and names of others
(``ExternalName``) lead to no endpoints: these are left out, and so are endpoints that are not ready.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from time import monotonic
from typing import TYPE_CHECKING, Any

from seatrial.cluster.access import open_cluster
from seatrial.cluster.labels import SERVICE_NAME
from seatrial.cluster.watch import Change, Watch
from seatrial.discoverer.objects import RESOURCES, SERVICE, SLICE
from seatrial.discoverer.services import Port, Upstream
from seatrial.errors import ClusterFault

if TYPE_CHECKING:
    from collections.abc import Mapping

    from seatrial.cluster.client import Client
    from seatrial.cluster.connection.kubeconfig import Where
    from seatrial.discoverer.services import Endpoint, Key
    from seatrial.discoverer.sources.base import Sink

AGAIN_S = 0.5
NO_OUTAGE_S = -1.0
SYSTEM_NAMESPACE = "kube-system"
API_SERVICE = ("default", "kubernetes")


class KubernetesSource:
    """Another cluster; everything is compared once a period, without asking it."""

    def __init__(self, where: Where, period_s: float) -> None:
        self._where = where
        self._period_s = period_s
        self._services: Mapping[Key, Mapping[str, Any]] = {}
        self._slices: dict[Key, dict[str, Mapping[str, Any]]] = defaultdict(dict)
        self._is_known = False

    async def follow(self, sink: Sink) -> None:
        """Watch, for ever. Raises ``ClusterFault`` where the cluster cannot be opened at first."""
        began_s = monotonic()
        async with open_cluster(self._where) as client, asyncio.TaskGroup() as group:
            listed = [
                self._begin(group, client, SERVICE, sink),
                self._begin(group, client, SLICE, sink),
            ]
            for event in listed:
                await event.wait()
            self._is_known = True
            sink.replace(service for key in self._services if (service := self._service(key)) is not None)
            while True:
                sink.cycle(began_s, is_whole=True)
                await asyncio.sleep(self._period_s)
                began_s = monotonic()

    def _begin(self, group: asyncio.TaskGroup, client: Client, kind: str, sink: Sink) -> asyncio.Event:
        form = _service_form if kind == SERVICE else _slice_form
        watch = Watch(client, RESOURCES[kind].path(), outage_limit_s=NO_OUTAGE_S, form=form)
        if kind == SERVICE:
            self._services = watch.known
        listed = asyncio.Event()
        group.create_task(self._watch(watch, kind, sink, listed))
        return listed

    async def _watch(self, watch: Watch, kind: str, sink: Sink, listed: asyncio.Event) -> None:
        while True:
            try:
                async for change in watch.changes():
                    if kind == SERVICE:
                        # It is another one after each list.
                        self._services = watch.known
                    if isinstance(change, Change):
                        self._take(change, kind, sink)
                    else:
                        listed.set()
            except ClusterFault as fault:
                sink.failed("watch_source", fault.line)
                await asyncio.sleep(AGAIN_S)

    def _take(self, change: Change, kind: str, sink: Sink) -> None:
        metadata = change.object["metadata"]
        key = metadata["namespace"], metadata["name"]
        if kind == SLICE:
            key = metadata["namespace"], change.object["service"]
            if change.kind == "deleted":
                self._slices[key].pop(metadata["name"], None)
            else:
                self._slices[key][metadata["name"]] = change.object
            if not self._slices[key]:
                del self._slices[key]
        if self._is_known:
            sink.apply(key, self._service(key))
            sink.look(key)

    def _service(self, key: Key) -> Upstream | None:
        form = self._services.get(key)
        if form is None or form["ports"] is None or key[0] == SYSTEM_NAMESPACE or key == API_SERVICE:
            return None
        ends: dict[tuple[str, str], set[Endpoint]] = defaultdict(set)
        for one in self._slices.get(key, {}).values():
            for name, protocol, number in one["ports"]:
                ends[name, protocol].update((address, number) for address in one["addresses"])
        ports = tuple(
            Port(name, protocol, number, tuple(sorted(ends.get((name, protocol), ()))))
            for name, protocol, number in form["ports"]
        )
        return Upstream(*key, ports)


def _service_form(manifest: Mapping[str, Any]) -> dict[str, Any]:
    spec = manifest["spec"]
    is_elsewhere = spec.get("type") == "ExternalName"
    ports = tuple(sorted(_port(port) for port in spec.get("ports") or ()))
    return {"metadata": _metadata(manifest), "ports": None if is_elsewhere else ports}


def _slice_form(manifest: Mapping[str, Any]) -> dict[str, Any]:
    is_of_addresses = manifest["addressType"] in {"IPv4", "IPv6"}
    addresses = {
        str(address)
        for one in (manifest.get("endpoints") or ())
        if is_of_addresses
        if (one.get("conditions") or {}).get("ready") is not False
        for address in one["addresses"]
    }
    return {
        "metadata": _metadata(manifest),
        "service": (manifest["metadata"].get("labels") or {}).get(SERVICE_NAME, ""),
        "addresses": tuple(sorted(addresses)),
        "ports": tuple(_port(port) for port in manifest.get("ports") or () if port.get("port")),
    }


def _port(port: Mapping[str, Any]) -> tuple[str, str, int]:
    return str(port.get("name") or ""), str(port.get("protocol") or "TCP"), int(port["port"])


def _metadata(manifest: Mapping[str, Any]) -> dict[str, str]:
    metadata = manifest["metadata"]
    return {name: metadata[name] for name in ("namespace", "name", "uid", "resourceVersion")}
