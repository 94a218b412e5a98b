"""Who asks for routes before a load: from the network that the load leaves from, so that its way is proven as well."""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING, Protocol

from seatrial.probe.asking import ask_all, certificate_at

if TYPE_CHECKING:
    from seatrial.machine.address import Address
    from seatrial.machine.namespace import Namespace
    from seatrial.probe.question import Answer, Question

LIVE_LIMIT_S = 10.0
"""A system is ready before it is asked; some still spread what they have read to their workers."""


class Asker(Protocol):
    """Asks routes; ``PodProbe`` is the one on a cluster."""

    @property
    def live_limit_s(self) -> float:
        """So long after the last time that one more was live, those that are not are dead."""

    async def ask(self, question: Question) -> Answer:
        """Have every pair of a question asked for once. Called off, it ends with the requests that are under way.

        Raises ``EnvironmentFault`` where nobody can ask.
        """

    async def certificate(
        self, endpoint: Address, ca_pem: str, server_name: str | None = None
    ) -> bytes | None:
        """Return the certificate that an endpoint shows to who connects anew, as DER; None where it shows none.

        Who connects asks for ``server_name``, by default for the endpoint's host.
        """


class LocalAsker:
    """Threads of this process ask, from a ``namespace``, by default from the network in which the endpoints are."""

    def __init__(self, namespace: Namespace | None = None) -> None:
        self._namespace = namespace

    @property
    def live_limit_s(self) -> float:
        """See ``LIVE_LIMIT_S``."""
        return LIVE_LIMIT_S

    async def ask(self, question: Question) -> Answer:
        """Ask for every pair of a question once."""
        given_up = threading.Event()
        try:
            return await asyncio.to_thread(ask_all, question, self._namespace, given_up)
        finally:
            given_up.set()

    async def certificate(
        self, endpoint: Address, ca_pem: str, server_name: str | None = None
    ) -> bytes | None:
        """Return the certificate that an endpoint shows."""
        return await asyncio.to_thread(certificate_at, endpoint, ca_pem, self._namespace, server_name)
