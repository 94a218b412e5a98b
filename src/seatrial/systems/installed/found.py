"""A system that was found on a cluster: its routes are made, its address is read, its pods are described."""

from __future__ import annotations

import asyncio
import socket
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from seatrial.errors import ClusterFault, SystemFault
from seatrial.machine.address import Endpoint
from seatrial.systems.counters import Counters
from seatrial.systems.installed.described import described
from seatrial.systems.installed.kinds import found as kind
from seatrial.systems.installed.kinds.found import NOT_COUNTED, NOT_OURS, IngressOptions, UrlOptions
from seatrial.systems.installed.made import Made
from seatrial.systems.installed.manifests.objects import HTTP_PORT, HTTPS_PORT, Site
from seatrial.systems.installed.manifests.routes import GATEWAY, routes
from seatrial.systems.installed.manifests.services import certificate, services
from seatrial.systems.installed.pods import facts_in, member_of
from seatrial.systems.installed.statuses import reasons

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from seatrial.cluster.owned import Owned
    from seatrial.machine.members import Member
    from seatrial.systems.base import Launch
    from seatrial.systems.disturbance import Disturbable
    from seatrial.systems.installed.kinds.found import FoundOptions
    from seatrial.systems.installed.manifests.objects import Object
    from seatrial.systems.settings import Setting

ADDRESS_LIMIT_S = 60.0
POLL_S = 0.2


class Found:
    """A system that was found; its routes, if it has any of ours, are made at a ``site``, as the ``run``'s."""

    def __init__(self, options: FoundOptions, site: Site, run: Owned) -> None:
        self._options: Any = options
        self._site = site
        self._client = run.client
        self._made = Made(run, site)
        self._members: tuple[Member, ...] = ()

    async def start(self, launch: Launch) -> tuple[Endpoint, ...]:
        """Make the routes, and wait until there is an address. Raises ``SystemFault`` where it does not resolve."""
        options, has_tls = self._options, launch.certificate is not None
        port = HTTPS_PORT if has_tls else HTTP_PORT
        ca = None if launch.certificate is None else launch.certificate.ca
        if isinstance(options, UrlOptions):
            parts = urlsplit(options.url)
            self._members = await self._its_pods()
            return (Endpoint(await self._resolved(str(parts.hostname)), parts.port or HTTP_PORT),)
        try:
            before = kind.before(self._site, options, has_tls=has_tls)
            await self._made.apply(before, launch.changes, in_order=True)
            await self._made.apply(self._topology(launch), launch.changes, in_order=False)
            address = options.address or await self._address()
            self._members = await self._its_pods()
        except BaseException:
            await self.stop()
            raise
        host, _, given = address.rpartition(":") if address.count(":") == 1 else (address, "", "")
        return (Endpoint(await self._resolved(host), int(given or port), ca),)

    def _topology(self, launch: Launch) -> Iterator[Object]:
        options, has_tls = self._options, launch.certificate is not None
        if launch.certificate is not None:
            yield certificate(self._site, launch.certificate)
        yield from services(self._site, launch.topology, options.service_annotations)
        dialect = kind.dialect(options)
        yield from routes(self._site, launch.topology, dialect, kind.door(options), has_tls=has_tls)

    async def _address(self) -> str:
        """Wait for the address that the controller writes down."""
        deadline_s = time.monotonic() + ADDRESS_LIMIT_S
        while True:
            if found := await self._written():
                return found
            if time.monotonic() > deadline_s:
                raise SystemFault(
                    f"nobody has given {self._site.label} an address within {ADDRESS_LIMIT_S:g} s",
                    cause=f"no controller serves the class {self._options.class_name}, or it writes no address down",
                    next_step="give it: `address: HOST` among the options of the system",
                )
            await asyncio.sleep(POLL_S)

    async def _written(self) -> str | None:
        where = f"/namespaces/{self._site.namespace}"
        if isinstance(self._options, IngressOptions):
            answer = await self._client.get(f"/apis/networking.k8s.io/v1{where}/ingresses", {"limit": "1"})
            return next((_of_ingress(one.get("status", {})) for one in answer.body["items"]), None)
        answer = await self._client.get(f"/apis/gateway.networking.k8s.io/v1{where}/gateways/{GATEWAY}")
        addresses = answer.body.get("status", {}).get("addresses") or ()
        return next((str(one["value"]) for one in addresses), None)

    async def _resolved(self, host: str) -> str:
        """Return the host, whose name resolves; a service of the cluster is looked for there."""
        name = host.strip("[]")
        if ".svc" in name:
            service, of, *_ = name.split(".")
            await self._client.get(
                f"/api/v1/namespaces/{of}/services/{service}", asked=f"find the service {name}"
            )
            return name
        try:
            await asyncio.to_thread(socket.getaddrinfo, name, None)
        except OSError as error:
            raise SystemFault(
                f"the name {name} of {self._site.label} does not resolve",
                cause=str(error),
                next_step="give an address in place of the name, or correct it; nothing was measured",
            ) from None
        return name

    async def reasons(self, names: Sequence[str]) -> Sequence[str]:
        """Return what the cluster says of routes that are not served: nothing of those that are not Seatrial's."""
        if isinstance(self._options, UrlOptions):
            return ()
        said = await reasons(self._client, self._site.namespace, kind.dialect(self._options), names)
        return said or await self._untaken()

    async def _untaken(self) -> Sequence[str]:
        """Say that no controller has taken the routes: an Ingress has no other place for that than its address."""
        with suppress(ClusterFault):
            if isinstance(self._options, IngressOptions) and await self._written() is None:
                return (
                    "no controller has written an address into them: perhaps none serves the class"
                    f" {self._options.class_name}",
                )
        return ()

    @property
    def shown_by(self) -> str:
        """The command that shows a person its routes."""
        if isinstance(self._options, UrlOptions):
            return f"curl -v {self._options.url}"
        return f"kubectl -n {self._site.namespace} describe {kind.dialect(self._options).lower()}"

    async def counters(self, *, exact: bool = False) -> Counters:  # noqa: ARG002
        """Return that nothing is known."""
        missing = tuple(f"{what}: {NOT_OURS}" for what in (*NOT_COUNTED, "connections before the load"))
        return Counters(time.monotonic(), {}, missing)

    async def configuration(self) -> Mapping[str, Mapping[str, str]]:
        """Return nothing: what it runs is described by its pods."""
        return {}

    async def settings(self) -> tuple[Setting, ...]:
        """Return what its pods are, where the plan names them. Raises ``SystemFault`` where there are none."""
        if self._options.pods is None:
            return ()
        of, labels = self._chosen()
        found = await described(self._client, of, labels)
        if not found:
            raise SystemFault(
                f"there is no pod {self._options.pods}",
                cause="the `pods` of the system name none that the cluster has",
                next_step=f"kubectl -n {of} get pods --show-labels",
            )
        return found

    async def drained(self, limit_s: float) -> bool:  # noqa: ARG002
        """Return True: nobody knows (``counters`` says so)."""
        return True

    def members(self) -> tuple[Member, ...]:
        """Return the pods that the plan names, as they were when it started; none of another is known."""
        return self._members

    def proxies(self) -> tuple[Disturbable, ...]:
        """Return nothing: it is not Seatrial's to disturb."""
        return ()

    def failure(self) -> str | None:
        """Return None: what nobody watches is not known to have failed."""
        return None

    def version(self) -> None:
        """Return None: it is described by its pods."""

    async def stop(self) -> None:
        """Remove the routes."""
        await self._made.remove()

    def _chosen(self) -> tuple[str, Mapping[str, str]]:
        of, _, label = self._options.pods.partition("/")
        name, _, value = label.partition("=")
        return of, {name: value}

    async def _its_pods(self) -> tuple[Member, ...]:
        if self._options.pods is None:
            return ()
        of, labels = self._chosen()
        return tuple(member_of("system", pod, of) for pod in await facts_in(self._client, of, labels))


def _of_ingress(status: Mapping[str, Any]) -> str | None:
    for one in status.get("loadBalancer", {}).get("ingress", ()):
        found = one.get("ip") or one.get("hostname")
        if found:
            return str(found)
    return None
