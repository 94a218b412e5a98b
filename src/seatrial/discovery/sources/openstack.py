"""A simulated OpenStack cloud as a source: a load balancer is a service, a project a namespace."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from seatrial.discovery.helper import Helper
from seatrial.discovery.sources.base import Changed, Service, gone
from seatrial.faults.fault import document_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from seatrial.machine.members import Member

_NS = 1e9
AT_A_TIME = 500


@dataclass(slots=True)
class OpenStackSource:
    """See ``Source``; each service has so many ``members``, and the cloud is as ``cloud`` says all the time."""

    members_each: int
    cloud: Sequence[str] = ()
    seed: int = 1
    _helper: Helper | None = field(default=None, init=False)

    async def start(self, namespaces: Sequence[str]) -> None:  # noqa: ARG002 - a project comes with its first service
        """Start the simulator."""
        faults = [word for words in self.cloud for word in ("--fault", words)]
        arguments = [
            "openstack",
            "--listen",
            "127.0.0.1:0",
            "--services",
            "0",
            "--seed",
            str(self.seed),
            *faults,
        ]
        self._helper = await Helper.start("simulated cloud", arguments)

    def wiring(self) -> Mapping[str, str]:
        """Return what a client of OpenStack takes from the environment."""
        assert self._helper is not None
        ready = self._helper.ready
        return {
            "OS_AUTH_URL": ready["auth_url"],
            "OS_USERNAME": ready["username"],
            "OS_PASSWORD": ready["password"],
            "OS_PROJECT_NAME": ready["project_name"],
            "OS_TENANT_NAME": ready["project_name"],
            "OS_USER_DOMAIN_NAME": ready["domain_name"],
            "OS_PROJECT_DOMAIN_NAME": ready["domain_name"],
        }

    async def create(self, counts: Mapping[str, int]) -> Sequence[Changed]:
        """Add load balancers."""
        made: list[Changed] = []
        for project, count in counts.items():
            if not count:
                continue
            body = {"count": count, "project": project, "members": self.members_each}
            made += _changed(await self._ask("POST", "/services", body))
        return made

    async def update(self, services: Sequence[Service]) -> Sequence[Changed]:
        """Give them other members."""
        return [
            one for chunk in self._chunks(services) for one in _changed(await self._select("update", chunk))
        ]

    async def delete(self, services: Sequence[Service]) -> Sequence[Changed]:
        """Delete them, with all that hangs on them."""
        of = {service.id: service for service in services}
        return [
            gone(of[one["id"]], one["visible"]["monotonic_ns"] / _NS)
            for chunk in self._chunks(services)
            for one in (await self._select("delete", chunk))["services"]
        ]

    async def calls(self) -> int:
        """Return how many calls its APIs have answered."""
        return int((await self._ask("GET", "/calls"))["total"])

    async def plant(self, words: str) -> None:
        """Plant a fault."""
        await self._ask("POST", "/faults", document_of(words))

    async def lift(self) -> int:
        """Lift all that were planted since the start."""
        assert self._helper is not None
        befallen = await self._helper.befallen()
        await self._ask("DELETE", "/faults")
        for words in self.cloud:
            await self._ask("POST", "/faults", document_of(words))
        return befallen

    def members(self) -> tuple[Member, ...]:
        """Return the simulator."""
        member = None if self._helper is None else self._helper.member()
        return () if member is None else (member,)

    async def close(self) -> None:
        """End it."""
        if self._helper is not None:
            await self._helper.close()

    async def _select(self, what: str, services: Sequence[Service]) -> Any:
        return await self._ask("POST", f"/services/{what}", {"ids": [service.id for service in services]})

    @staticmethod
    def _chunks(services: Sequence[Service]) -> Iterable[Sequence[Service]]:
        return (services[at : at + AT_A_TIME] for at in range(0, len(services), AT_A_TIME))

    async def _ask(self, method: str, path: str, body: Any = None) -> Any:
        assert self._helper is not None
        return await self._helper.ask(method, path, body)


def _changed(answer: Any) -> list[Changed]:
    return [
        Changed(
            Service(
                one["id"],
                one["project"],
                one["name"],
                frozenset(member for port in one["ports"] for member in port["members"]),
                frozenset(port["port"] for port in one["ports"]),
            ),
            one["visible"]["monotonic_ns"] / _NS,
        )
        for one in answer["services"]
    ]
