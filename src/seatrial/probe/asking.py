"""Asking for routes: each once, through each endpoint, over connections that are closed afterwards.

A request wants to know which endpoint of the origin it came in at, and the answer names it: so a route that another
service than its own answers, or the proxy itself, is found.
"""

from __future__ import annotations

import http.client
import ssl
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from typing import TYPE_CHECKING

from seatrial.probe.client import Client
from seatrial.probe.question import Answer, Dead

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from seatrial.machine.address import Address
    from seatrial.machine.namespace import Namespace
    from seatrial.probe.question import Question

ASKERS = 16
"""How many ask at a time: enough for a proxy that is far away, and no load on one that is near."""

ANSWER_LIMIT_S = 5.0

AWAY_AFTER = 3
"""An asker that could not connect so often in a row, in all the time that it has, takes an endpoint to be away: ten
thousand routes of one would keep it for an hour."""

ENDPOINT_FIELD = "Seatrial-Endpoint"
"""With it a request asks for the address at which the origin was asked, and an answer of the origin says it."""

ERROR_BYTES = 200
"""What is said of an error is one line for a person."""


def ask_all(question: Question, namespace: Namespace | None, given_up: threading.Event) -> Answer:
    """Ask for every pair of a question, from a namespace or from where the endpoints are; blocks.

    Once it is ``given_up`` nothing more is asked for, and what is left counts as alive. Raises ``OSError`` where the CA
    of the question is none.
    """
    if not question.asked:
        return Answer.of(())
    tls = None if question.ca_pem is None else ssl.create_default_context(cadata=question.ca_pem)
    count = min(ASKERS, len(question.asked))
    shares = [tuple(islice(question.asked, first, None, count)) for first in range(count)]
    services = {address: number for number, one in enumerate(question.services) for address in one.addresses}
    with ThreadPoolExecutor(count) as pool:
        found = pool.map(
            lambda share: _Asker(question, namespace, tls, services).ask(share, given_up), shares
        )
        return Answer.of(dead for share in found for dead in share)


def certificate_at(
    endpoint: Address, ca_pem: str, namespace: Namespace | None, server_name: str | None = None
) -> bytes | None:
    """Return the certificate that an endpoint shows to who connects anew, as DER; None where it shows none. Blocks.

    Some show one only to who asks for a ``server_name`` that they know; by default that is the endpoint's host.
    """
    tls = ssl.create_default_context(cadata=ca_pem)
    # Which certificate it is, is compared by whoever asks.
    tls.check_hostname = False
    client = Client(endpoint, ANSWER_LIMIT_S, namespace, tls, server_name)
    try:
        client.connect()
        return client.certificate()
    except OSError:
        return None
    finally:
        client.close()


class _Asker:
    """Asks one after another, over one connection to each endpoint."""

    def __init__(
        self,
        question: Question,
        namespace: Namespace | None,
        tls: ssl.SSLContext | None,
        services: Mapping[str, int],
    ) -> None:
        self._question, self._services = question, services
        self._late: Counter[int] = Counter()
        self._clients = [
            Client(endpoint, ANSWER_LIMIT_S, namespace, tls, question.server_name)
            for endpoint in question.endpoints
        ]

    def ask(self, pairs: Sequence[int], given_up: threading.Event) -> list[Dead]:
        """Return which of the pairs are dead."""
        try:
            asked = (self._ask(pair) for pair in pairs if not given_up.is_set())
            return [dead for dead in asked if dead is not None]
        finally:
            for client in self._clients:
                client.close()

    def _ask(self, pair: int) -> Dead | None:
        number, at = self._question.at(pair)
        route, client = self._question.routes[number], self._clients[at]
        try:
            self._connect(at)
            client.request("GET", route.path, headers={"Host": route.host, ENDPOINT_FIELD: "wanted"})
            response = client.getresponse()
            response.read()
        except (OSError, http.client.HTTPException) as error:
            # It connects anew with the next request.
            client.close()
            why = str(error)[:ERROR_BYTES] or type(error).__name__
            return Dead(pair, f"gave no answer ({why})", is_answered=False)
        return self._wrong(pair, route.service, response)

    def _connect(self, at: int) -> None:
        if self._clients[at].sock is not None:
            return
        if self._late[at] >= AWAY_AFTER:
            raise TimeoutError("timed out")
        try:
            self._clients[at].connect()
        except TimeoutError:
            self._late[at] += 1
            raise
        self._late[at] = 0

    def _wrong(self, pair: int, service: int, response: http.client.HTTPResponse) -> Dead | None:
        """Return what is wrong with an answer; None where it is that of the route's own service."""
        question = self._question
        if response.status != question.status:
            what = f"answered {response.status} in place of {question.status}"
            return Dead(pair, what, is_answered=False)
        wanted, address = question.services[service].name, response.getheader(ENDPOINT_FIELD)
        by = self._services.get(address or "")
        if by == service:
            return None
        if address is None:
            return Dead(pair, f"was answered by no endpoint of {wanted}", is_answered=True)
        who = f"{address}, which is of no service"
        if by is not None:
            who = f"{question.services[by].name} at {address}"
        return Dead(pair, f"was answered by {who} in place of {wanted}", is_answered=True)
