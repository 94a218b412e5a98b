"""``seatrial openstack`` in a process of its own, and OpenStack's own client of it, whose calls are counted."""

from __future__ import annotations

import json
import re
import signal
import urllib.request
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.error import HTTPError
from urllib.parse import urlsplit

import requests
from keystoneauth1.identity.v3 import ApplicationCredential, Password
from keystoneauth1.session import Session
from openstack.connection import Connection
from tests.support.program import Outcome, Running

ID = re.compile(r"/[0-9a-f]{8}-?(?:[0-9a-f]{4}-?){3}[0-9a-f]{12}(?=/|$)")

Call = tuple[str, str, int]
"""Method, path with ``/{}`` in place of ids, status."""


@dataclass(slots=True)
class Client:
    """openstacksdk, connected; ``calls`` are the answers that its HTTP client has got."""

    # Their types leave out much of what they do.
    connection: Any
    session: Any
    calls: Counter[Call] = field(default_factory=Counter)

    def count(self, response: requests.Response, *_: Any, **__: Any) -> None:
        path = ID.sub("/{}", urlsplit(response.url).path)
        self.calls[str(response.request.method), path, response.status_code] += 1


@dataclass(slots=True)
class RunningCloud:
    """The simulator, under way; ``url`` is where it listens."""

    url: str
    running: Running

    def client(self, project: str = "admin", user: str = "admin", **auth: Any) -> Client:
        """Connect to a project with the password, or with ``application_credential_id`` and its secret."""
        url = f"{self.url}/identity/v3"
        if auth:
            plugin: Any = ApplicationCredential(url, **auth)
        else:
            plugin = Password(
                url,
                username=user,
                password="seatrial",
                project_name=project,
                user_domain_name="Default",
                project_domain_name="Default",
            )
        http = requests.Session()
        session = Session(auth=plugin, session=http)
        client = Client(Connection(session=session), session)
        http.hooks["response"].append(client.count)
        return client

    def ask(self, path: str, body: Any = None, method: str | None = None) -> Any:
        """Ask the control API; return the document, or the status where it refuses."""
        status, document = self.asked(path, body, method)
        assert status < 300, document
        return document

    def asked(self, path: str, body: Any = None, method: str | None = None) -> tuple[int, Any]:
        """Ask the control API; return status and document."""
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"{self.url}/simulator{path}", data=data, method=method)
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                text = answer.read()
                return answer.status, json.loads(text) if text else None
        except HTTPError as error:
            with error:
                return error.code, json.loads(error.read())

    def plant(self, **fault: Any) -> int:
        """Plant a fault; return its id."""
        (planted,) = self.ask("/faults", fault)["faults"]
        return int(planted["id"])

    def calls(self) -> Counter[Call]:
        """Return what the simulator has counted."""
        counted: Counter[Call] = Counter()
        for one in self.ask("/calls")["calls"]:
            counted[one["method"], re.sub(r"\{[^}]+\}", "{}", one["path"]), one["status"]] += one["count"]
        return counted

    def finish(self) -> Outcome:
        """Stop it as Ctrl-C does."""
        self.running.signal(signal.SIGINT)
        outcome = self.running.wait(20.0)
        self.running.assert_nothing_left()
        return outcome


@contextmanager
def running_cloud(*flags: str) -> Iterator[RunningCloud]:
    """Simulate a cloud for as long as the block lasts."""
    with Running("openstack", "--listen", "127.0.0.1:0", *flags) as running:
        assert running.process.stderr is not None
        line = running.process.stderr.readline()
        found = re.fullmatch(
            r"OpenStack answers at (\S+)/identity/v3, the simulator at \S+/simulator\n", line
        )
        assert found, line
        cloud = RunningCloud(found[1], running)
        yield cloud
