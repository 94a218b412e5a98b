"""The probe of a whole run: one pod for as long as it lives, and another once that is lost."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from seatrial.pods.probe import LIVE_LIMIT_S, PodProbe

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from seatrial.machine.address import Address
    from seatrial.pods.group import Group
    from seatrial.probe.facts import Facts
    from seatrial.probe.question import Answer, Question


class LastingProbe:
    """Asks by pods that ``group_of`` makes for a number, from 1; ``note`` is given a sentence where one was lost.

    A question that a pod was lost over fails as that of a ``PodProbe`` does; the next one is asked by another pod.
    """

    live_limit_s = LIVE_LIMIT_S

    def __init__(
        self, group_of: Callable[[int], Group], settings: Sequence[str], note: Callable[[str], None]
    ) -> None:
        self._group_of, self._settings, self._note = group_of, settings, note
        self._number = 0
        self._pod: PodProbe | None = None
        self._learnt: tuple[Facts, str] | None = None
        self._making = asyncio.Lock()
        self._another: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Make the first pod; raises ``EnvironmentFault`` where it does not run, and leaves nothing then."""
        self._number += 1
        pod = PodProbe(self._group_of(self._number))
        await pod.start(self._settings)
        # Of the last that came up: where no other does, the trials that fail for it are planned with this.
        self._pod, self._learnt = pod, (pod.facts, pod.node)

    @property
    def facts(self) -> Facts:
        """What a program of ours has in the pod, or had in the last one; it has started."""
        assert self._learnt is not None
        return self._learnt[0]

    @property
    def node(self) -> str:
        """The node that those facts are of; it has started."""
        assert self._learnt is not None
        return self._learnt[1]

    async def ask(self, question: Question) -> Answer:
        """Have a question asked; raises as ``PodProbe.ask`` and its start do."""
        return await (await self._living()).ask(question)

    async def certificate(
        self, endpoint: Address, ca_pem: str, server_name: str | None = None
    ) -> bytes | None:
        """Return the certificate that an endpoint shows; raises as ``PodProbe.certificate`` and its start do."""
        return await (await self._living()).certificate(endpoint, ca_pem, server_name)

    async def close(self) -> None:
        """Delete the pod."""
        if self._another is not None:
            self._another.cancel()
            await asyncio.gather(self._another, return_exceptions=True)
        if self._pod is not None:
            await self._pod.close()

    async def _living(self) -> PodProbe:
        async with self._making:
            if self._pod is not None and (why := self._pod.failure()) is not None:
                self._note(f"the probe was lost: {why}; another is made")
                lost, self._pod = self._pod, None
                await lost.close()
            if self._pod is None:
                await self._make_another()
            assert self._pod is not None
            return self._pod

    async def _make_another(self) -> None:
        """Have another made; who asked may be called off meanwhile, and who asks next goes on waiting for the same."""
        if self._another is None or self._another.done():
            self._another = asyncio.create_task(self.start())
            # Why it did not come up is heard by who waits for it, if anybody does.
            self._another.add_done_callback(lambda made: made.cancelled() or made.exception())
        await asyncio.shield(self._another)
