"""The gate before an API server as its user sees it: what it counted since it was asked last, and what goes wrong."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any, Self

from seatrial.discovery.helper import Helper
from seatrial.errors import EnvironmentFault
from seatrial.faults.fault import document_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from seatrial.cluster.client import Client
    from seatrial.machine.members import Member

PAGE = 10_000
_LOOK_S = 0.02


class Gate:
    """A running gate. Made by ``start``."""

    def __init__(self, helper: Helper) -> None:
        self._helper = helper
        self._after = 0
        self._dropped = 0

    @classmethod
    async def start(cls, name: str, client: Client) -> Self:
        """Start one before the API server of a client.

        Raises ``GeneratorFault`` where it does not come up, ``EnvironmentFault`` for a cluster without a kubeconfig.
        """
        reference = client.reference
        if "kubeconfig" not in reference:
            raise EnvironmentFault(
                "a discoverer is measured with a kubeconfig, and this cluster is known from within only",
                next_step="name one: --kubeconfig FILE",
            )
        arguments = ["gate", "--kubeconfig", reference["kubeconfig"], "--context", reference["context"]]
        return cls(await Helper.start(name, arguments))

    @property
    def kubeconfig(self) -> str:
        """What leads to it."""
        return str(self._helper.ready["kubeconfig"])

    async def new_calls(self) -> tuple[list[Mapping[str, Any]], int]:
        """Return the calls that have ended since this was asked last, and how many it no longer knows."""
        found: list[Mapping[str, Any]] = []
        dropped = 0
        while True:
            page = await self._helper.ask("GET", f"/calls?after={self._after}&limit={PAGE}")
            found += page["calls"]
            self._after = page["next_after"]
            dropped, self._dropped = dropped + page["dropped"] - self._dropped, page["dropped"]
            if len(page["calls"]) < PAGE:
                return found, dropped

    async def quiet(self, limit_s: float) -> None:
        """Wait until no call is under way, watches apart; ``limit_s`` at most: what has ended is known then."""
        deadline_s = time.monotonic() + limit_s
        while time.monotonic() < deadline_s:
            if not (await self._helper.ask("GET", ""))["calls_under_way"]:
                return
            await asyncio.sleep(_LOOK_S)

    async def plant(self, words: str) -> None:
        """Have something go wrong; raises ``PlanError`` for what the gate does not know."""
        await self._helper.ask("POST", "/faults", document_of(words))

    async def lift(self) -> int:
        """Have nothing go wrong any more; return how many calls it has befallen."""
        befallen = await self._helper.befallen()
        await self._helper.ask("DELETE", "/faults")
        return befallen

    def members(self) -> tuple[Member, ...]:
        """Return its process."""
        member = self._helper.member()
        return () if member is None else (member,)

    async def close(self) -> None:
        """End it."""
        await self._helper.close()
