"""Whether every route leads to its service before anything is measured: each is asked for, through each member.

Who asks is where the load leaves, so its way to the system is proven as well. What is right is ``probe/asking.py``.
"""

from __future__ import annotations

import asyncio
import ssl
import time
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from seatrial.errors import SystemFault
from seatrial.probe.asking import ENDPOINT_FIELD
from seatrial.probe.question import Answering, Question, Wanted
from seatrial.run.testbed.askers import LocalAsker

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from seatrial.machine.address import Endpoint
    from seatrial.probe.question import Answer
    from seatrial.run.testbed.askers import Asker
    from seatrial.systems.base import Published
    from seatrial.systems.certificate import Certificate
    from seatrial.topology.expand import Route, Topology

DELAY_MAX_S = 1.0
"""Of an origin that thinks for longer than this nobody can say in time whether it will answer: it is not asked."""

AGAIN_S = 0.2
NAMED = 3


@dataclass(frozen=True, slots=True)
class Asking:
    """The ``status`` that the origin answers with, and who asks.

    Over TLS the certificate has to be for ``server_name``, by default for the host of the endpoint. Of a system whose
    routes are objects of a cluster ``published`` has their words, and ``members`` the name of each endpoint's.
    """

    status: int
    asker: Asker = field(default_factory=LocalAsker)
    server_name: str | None = None
    published: Published | None = None
    members: tuple[str, ...] = ()

    def question(
        self, topology: Topology, routes: Sequence[Route], endpoints: Sequence[Endpoint]
    ) -> Question:
        """Return that of these routes of a topology through every endpoint."""
        numbers = {service.name: number for number, service in enumerate(topology.services)}
        ca = next((endpoint.ca for endpoint in endpoints), None)
        return Question(
            routes=tuple(Wanted(one.authority, one.prefix, numbers[one.service.name]) for one in routes),
            endpoints=tuple(endpoints),
            services=tuple(Answering(one.name, tuple(map(str, one.endpoints))) for one in topology.services),
            status=self.status,
            asked=tuple(range(len(routes) * len(endpoints))),
            ca_pem=None if ca is None else ca.read_text(),
            server_name=self.server_name,
        )

    def through(self, number: int, of: int) -> str:
        """Return which member an endpoint is of, in words; one alone needs none."""
        if len(self.members) == of:
            return f" through {self.members[number]}"
        return f" through member {number + 1}" if of > 1 else ""


async def prove(topology: Topology, endpoints: Sequence[Endpoint], asking: Asking) -> int:
    """Ask for every route through every endpoint until its service has answered each, with the origin's status.

    Returns how many requests that took. Raises ``SystemFault`` that names the routes which lead elsewhere or nowhere,
    once for as long as the asker's limit not one more was live, and as the asker does.
    """
    return await _until_none(
        asking.question(topology, topology.routes, endpoints),
        asking.asker,
        lambda answer, _: answer.dead,
        lambda answer, _: _dead(answer, topology.routes, endpoints, asking),
    )


async def gone(
    before: Topology, routes: Sequence[Route], endpoints: Sequence[Endpoint], asking: Asking
) -> int:
    """Ask for routes that there were ``before`` until their services answer none; return and raise as ``prove``."""

    def left(answer: Answer, asked: Sequence[int]) -> tuple[int, ...]:
        silent = set(answer.dead)
        return tuple(one for one in asked if one not in silent)

    async def alive(_: Answer, still: Sequence[int]) -> SystemFault:
        named = ", ".join(routes[one % len(routes)].name for one in still[:NAMED])
        return SystemFault(
            f"{len(still):,} routes that were removed still answer: {named}",
            cause="the proxy has not taken the configuration without them",
            next_step="read its log in the run directory",
        )

    return await _until_none(asking.question(before, routes, endpoints), asking.asker, left, alive)


async def _until_none(
    question: Question,
    asker: Asker,
    left: Callable[[Answer, Sequence[int]], tuple[int, ...]],
    fault: Callable[[Answer, Sequence[int]], Awaitable[SystemFault]],
) -> int:
    """Ask, and again for those that are ``left``, until none is; return how many requests that took.

    Raises the ``fault`` where for the asker's limit not one fewer was left.
    """
    asked, requests = question.asked, 0
    fewest, deadline_s = len(asked) + 1, 0.0
    while asked:
        answer = await asker.ask(replace(question, asked=asked))
        requests += len(asked)
        asked = left(answer, asked)
        if len(asked) < fewest:
            fewest, deadline_s = len(asked), time.monotonic() + asker.live_limit_s
        if asked and time.monotonic() > deadline_s:
            raise await fault(answer, asked)
        if asked:
            await asyncio.sleep(AGAIN_S)
    return requests


async def shown(certificate: Certificate, endpoints: Sequence[Endpoint], asking: Asking) -> None:
    """Wait until every endpoint shows a certificate to those who connect anew; no request is made.

    Raises ``SystemFault`` that names the first which still shows another after the asker's limit.
    """
    wanted, ca_pem = ssl.PEM_cert_to_DER_cert(certificate.cert.read_text()), certificate.ca.read_text()
    asker, name = asking.asker, asking.server_name
    deadline_s = time.monotonic() + asker.live_limit_s
    for endpoint in endpoints:
        while await asker.certificate(endpoint, ca_pem, name) != wanted:
            if time.monotonic() > deadline_s:
                raise SystemFault(
                    f"{endpoint} still shows the certificate that it had before",
                    cause="the proxy has not taken the new one",
                    next_step="read its log in the run directory",
                )
            await asyncio.sleep(AGAIN_S)


async def _dead(
    answer: Answer, routes: Sequence[Route], endpoints: Sequence[Endpoint], asking: Asking
) -> SystemFault:
    first = answer.named[:NAMED]
    names = [routes[one.pair % len(routes)].name for one in first]
    members = [asking.through(one.pair // len(routes), len(endpoints)) for one in first]
    named = [f"{name}{at} {one.what}" for name, at, one in zip(names, members, first, strict=True)]
    dead, asked = len(answer.dead), len(routes) * len(endpoints)
    more = f", and {dead - NAMED:,} more" if dead > NAMED else ""
    elsewhere = answer.elsewhere == dead
    cause, next_step = await _why(asking, names, elsewhere=elsewhere)
    return SystemFault(
        f"{dead:,} of {asked:,} routes {'lead elsewhere' if elsewhere else 'are dead'}: {', '.join(named)}{more}",
        cause=cause,
        next_step=f"{next_step}; nothing was measured",
    )


async def _why(asking: Asking, names: Sequence[str], *, elsewhere: bool) -> tuple[str, str]:
    """Return the likely cause, and where a person looks next."""
    said: Sequence[str] = ()
    cause, next_step = _DEAD_HERE, "read its configuration and its log in the run directory"
    if asking.published is not None:
        said = await asking.published.reasons(tuple(dict.fromkeys(names)))
        cause, next_step = _DEAD_THERE, asking.published.shown_by
    return "; ".join(said) or (_ELSEWHERE if elsewhere else cause), next_step


_DEAD_HERE = "the system is up and does not serve them"
_DEAD_THERE = "the proxies do not serve them, and their objects do not say why"
_ELSEWHERE = (
    "the configuration of the system sends them to another service than the plan's topology, answers them itself, or "
    f"takes the field `{ENDPOINT_FIELD}` out"
)
