"""A system that is installed on a cluster for a trial: made, waited for, counted, taken down."""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, TypeVar

from seatrial.errors import ClusterFault, SystemFault
from seatrial.machine.address import Endpoint
from seatrial.machine.processes.programs import BinaryInfo
from seatrial.systems.counters import Counters
from seatrial.systems.installed.changes import RouteChanges
from seatrial.systems.installed.controllers.pods import Controllers
from seatrial.systems.installed.disturbed import Disturbed
from seatrial.systems.installed.kinds.recipe import Asked
from seatrial.systems.installed.logs import keep_logs
from seatrial.systems.installed.made import Made
from seatrial.systems.installed.manifests.documents import documents
from seatrial.systems.installed.pods import Proxies, member_of
from seatrial.systems.installed.statuses import reasons
from seatrial.systems.local.ready import within

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, Sequence
    from pathlib import Path

    from seatrial.cluster.owned import Owned
    from seatrial.machine.members import Member
    from seatrial.systems.base import Launch
    from seatrial.systems.certificate import Certificate
    from seatrial.systems.counters import Reading
    from seatrial.systems.disturbance import Disturbable, RouteHeard
    from seatrial.systems.installed.kinds.recipe import Get, Recipe
    from seatrial.systems.installed.pods import Proxy
    from seatrial.systems.running import ControllerLook
    from seatrial.systems.settings import Setting
    from seatrial.topology.changed import Changed
    from seatrial.topology.expand import Topology

    Answer = TypeVar("Answer")

TAKEN_LIMIT_S = 60.0
"""For ten thousand routes. What is not there by then is named when the routes are proven."""


class Installed:
    """A system that its ``recipe`` describes, on the cluster of a ``run``, whose label everything has that it makes.

    Clients reach each proxy by the address of its pod: what stands in front of them is none of it.
    """

    def __init__(self, recipe: Recipe, run: Owned) -> None:
        self.recipe = recipe
        self._made = Made(run, recipe.site)
        self._proxies = Proxies(run.client, recipe)
        self._controllers = Controllers(run.client, recipe)
        self._asked = Asked(has_tls=False, max_connections=0)
        self._last: Counters | None = None
        self._is_up = False
        self._logs: Path | None = None
        self._changes = RouteChanges(recipe, self._made)
        self._disturbed = Disturbed(recipe, self._made, self._of_each)

    async def start(self, launch: Launch) -> tuple[Endpoint, ...]:
        """Make the system and the topology, and wait until every proxy is ready; see ``System.start``."""
        self._asked = Asked(launch.certificate is not None, launch.max_connections)
        self._logs = launch.log_directory
        try:
            await self._made.require(self.recipe.needs)
            made = list(self.recipe.system(self._asked))
            # Without the topology's: what they hold is in the plan, but for a certificate's key.
            (launch.directory / f"{launch.label}.yaml").write_text("".join(documents(made)))
            await self._made.apply(made, launch.changes, in_order=True)
            await self._made.available(self.recipe.deployments)
            topology = self.recipe.topology(launch.topology, self._asked, launch.certificate)
            await self._made.apply(topology, launch.changes, in_order=False)
            await self._proxies.come_up()
            await self._controllers.look(at_once=True)
            await within(TAKEN_LIMIT_S, partial(self._has_taken, launch.topology))
        except BaseException:
            await self.stop()
            raise
        self._is_up = True
        port = self.recipe.listen_port(self._asked)
        return tuple(
            Endpoint(proxy.address, port, None if launch.certificate is None else launch.certificate.ca)
            for proxy in self._proxies.all
        )

    async def reasons(self, names: Sequence[str]) -> Sequence[str]:
        """Return what the cluster says of routes that are not served."""
        return await reasons(self._made.client, self.recipe.site.namespace, self.recipe.dialect, names)

    async def change_routes(self, changed: Changed, heard: RouteHeard) -> None:
        """Have routes made, changed or deleted; see ``Changing``."""
        await self._changes.make(changed, self._asked, heard)

    async def routes_said(self, limit_s: float) -> None:
        """Wait until the status of what was changed is there; see ``Changing``."""
        await self._changes.said(limit_s)

    async def change_topology(self, before: Topology, after: Topology) -> None:
        """Change the objects in which two topologies differ; see ``Reconfigured``."""
        await self._disturbed.topology(before, after, self._asked)

    async def change_certificate(self, certificate: Certificate) -> None:
        """Put another certificate in place; see ``Reconfigured``."""
        await self._disturbed.certificate(certificate)

    async def restart_controller(self) -> None:
        """Have the pods of its controllers replaced; see ``Reconfigured``."""
        await self._controllers.put_down()
        await self._disturbed.controllers()
        await self._controllers.look(at_once=True)

    @property
    def shown_by(self) -> str:
        """The command that shows a person its routes."""
        return f"kubectl -n {self.recipe.site.namespace} describe {self.recipe.dialect.lower()}"

    async def counters(self, *, exact: bool = False) -> Counters:  # noqa: ARG002
        """Read what each proxy counts; the last reading once it is taken down."""
        if self._last is not None:
            return self._last

        async def one(proxy: Proxy, get: Get) -> Reading:
            return await self.recipe.reading(get, proxy.incarnation, self._asked)

        await self._proxies.look()
        return Counters(time.monotonic(), await self._of_each(one), self.recipe.missing)

    async def configuration(self) -> Mapping[str, Mapping[str, str]]:
        """Return digests of what each proxy runs, its image's among them."""

        async def one(proxy: Proxy, get: Get) -> Mapping[str, str]:
            return {"image": proxy.image, **await self.recipe.configuration(get)}

        return await self._of_each(one)

    async def settings(self) -> tuple[Setting, ...]:
        """Read from each proxy what is in force."""

        async def one(proxy: Proxy, get: Get) -> tuple[Setting, ...]:
            return await self.recipe.settings(proxy.name, get, self._asked)

        return tuple(setting for found in (await self._of_each(one)).values() for setting in found)

    async def drained(self, limit_s: float) -> bool:
        """Wait until no proxy has a connection of a client; False where ``limit_s`` passes first."""
        return await within(limit_s, self._is_empty)

    def members(self) -> tuple[Member, ...]:
        """Return its proxies as pods, and its controller's; none of their processes is on this machine."""
        if not self._is_up:
            return ()
        of = self.recipe.namespace
        proxies = (member_of("system", proxy, of) for proxy in self._proxies.all)
        return (*proxies, *self._controllers.members())

    @property
    def has_controllers(self) -> bool:
        """Whether there is one beside its proxies; see ``Controlled``."""
        return bool(self.recipe.controllers)

    async def controllers(self, *, at_once: bool = False) -> Mapping[str, ControllerLook]:
        """Look at each pod of its controller; see ``Controlled``."""
        return await self._controllers.look(at_once=at_once)

    async def panics(self, since_utc: str) -> Mapping[str, tuple[int, str]]:
        """Return the panics in the log of each; see ``Controlled``."""
        return await self._controllers.panics(since_utc)

    def proxies(self) -> tuple[Disturbable, ...]:
        """Return nothing: what is done to it is done to objects, and to all of its proxies by that."""
        return ()

    def failure(self) -> str | None:
        """Say which of its proxies was restarted, or has gone, since they came up."""
        return self._proxies.failure

    def version(self) -> BinaryInfo:
        """Return the version, the image, and once it runs the image's digest."""
        image = tuple(self.recipe.images.values())[-1]
        digests = {proxy.image for proxy in self._proxies.all}
        return BinaryInfo(image, self.recipe.version, ", ".join(sorted(digests)))

    async def stop(self) -> None:
        """Take it down, after a last reading; return once nothing of it is left."""
        try:
            if self._is_up and self._last is None:
                with suppress(SystemFault, ClusterFault):
                    self._last = await self.counters()
            if self._logs is not None:
                with suppress(ClusterFault, OSError):
                    await keep_logs(self._made.client, self.recipe.namespace, self._logs)
                self._logs = None
        finally:
            self._is_up = False
            await self._changes.close()
            await self._made.remove()

    async def _has_taken(self, topology: Topology) -> bool:
        async def one(_: Proxy, get: Get) -> bool:
            return await self.recipe.has_taken(topology, get)

        return all((await self._of_each(one)).values())

    async def _is_empty(self) -> bool:
        try:
            members = (await self.counters()).members.values()
        except (SystemFault, ClusterFault):
            # Who is not heard of may have any number.
            return False
        return all(not one.connections_active for one in members)

    async def _of_each(self, ask: Callable[[Proxy, Get], Awaitable[Answer]]) -> dict[str, Answer]:
        async def one(proxy: Proxy) -> Answer:
            try:
                return await ask(proxy, partial(self._proxies.page, proxy))
            except ClusterFault as fault:
                raise SystemFault(
                    f"{proxy.name} cannot be asked how it is", cause=fault.what, next_step=fault.next_step
                ) from fault

        # Whoever looks meanwhile may find that one has gone.
        proxies = self._proxies.all
        answers = await asyncio.gather(*map(one, proxies))
        return {proxy.name: answer for proxy, answer in zip(proxies, answers, strict=True)}
