"""``seatrial gate`` in a process of its own, before an API server of the test."""

from __future__ import annotations

import json
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.error import HTTPError

from tests.support.api_server import ApiServer

from seatrial.cluster.connection.kubeconfig import Where

END_LIMIT_S = 20.0


@dataclass(slots=True)
class RunningGate:
    """It, under way; ``document`` is the line that it began with."""

    document: dict[str, Any]
    process: subprocess.Popen[str]

    @property
    def kubeconfig(self) -> Path:
        return Path(self.document["kubeconfig"])

    @property
    def where(self) -> Where:
        return Where(str(self.kubeconfig))

    @property
    def server(self) -> str:
        """What its kubeconfig calls the API server."""
        server: str = json.loads(self.kubeconfig.read_text())["clusters"][0]["cluster"]["server"]
        return server

    def asked(self, path: str = "", body: Any = None, method: str | None = None) -> tuple[int, Any]:
        """Ask the control API; return status and document."""
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.document["control_url"] + path, data=data, method=method)
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                text = answer.read()
                return answer.status, json.loads(text) if text else None
        except HTTPError as error:
            with error:
                return error.code, json.loads(error.read())

    def state(self) -> dict[str, Any]:
        """Return the counts."""
        status, document = self.asked()
        assert status == 200
        assert isinstance(document, dict)
        return document

    def calls(self, after: int = 0, limit: int = 1_000) -> list[dict[str, Any]]:
        """Return all that ended after one, page by page."""
        found: list[dict[str, Any]] = []
        while True:
            status, page = self.asked(f"/calls?after={after}&limit={limit}")
            assert (status, page["dropped"]) == (200, 0)
            if not page["calls"]:
                assert page["next_after"] == after
                return found
            found += page["calls"]
            after = page["next_after"]

    def plant(self, **fault: Any) -> int:
        """Plant a fault; return its id."""
        status, document = self.asked("/faults", fault)
        assert status == 201, document
        return int(document["faults"][0]["id"])

    def done(self) -> dict[int, int]:
        """Return how often each fault has happened."""
        return {one["id"]: one["done"] for one in self.asked("/faults")[1]["faults"]}

    def lift(self) -> None:
        """Lift all faults."""
        assert self.asked("/faults", method="DELETE")[0] == 204


@contextmanager
def running_gate(server: ApiServer, *flags: str) -> Iterator[RunningGate]:
    """Have one stand before an API server for as long as the block lasts; it ends as with its parent."""
    command = [sys.executable, "-m", "seatrial", "gate", "--kubeconfig", str(server.kubeconfig)]
    with subprocess.Popen(
        [*command, "--with-parent", *flags],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stderr is not None
        try:
            line = process.stdout.readline()
            assert line, process.stderr.read()
            gate = RunningGate(json.loads(line), process)
            yield gate
            process.stdin.close()
            assert process.wait(END_LIMIT_S) == 0
            assert process.stderr.read() == ""
            assert not gate.kubeconfig.parent.exists()
        finally:
            process.kill()
