"""One gate: an open way to an API server, what it counts and plants, and the kubeconfig that leads to it."""

from __future__ import annotations

import json
import secrets
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from seatrial.faults.planted import Faults
from seatrial.gate.calls import Calls
from seatrial.gate.control import Control
from seatrial.gate.fault import GateFault
from seatrial.gate.front import Front

if TYPE_CHECKING:
    from collections.abc import Iterator

    from seatrial.cluster.connection.session import Session


class Gate:
    """The parts of it; made within a running loop. ``secret`` is what a client has to know."""

    def __init__(self, session: Session, seed: int) -> None:
        self.session = session
        self.secret = secrets.token_urlsafe(24)
        self.calls = Calls()
        faults = Faults(GateFault, "gate", seed, time.monotonic_ns)
        front = Front(session, self.secret, self.calls, faults)
        self.server = front.server()
        self.control = Control(self.calls, faults, lambda: front.refused).application()


@contextmanager
def kubeconfig(url: str, secret: str) -> Iterator[Path]:
    """Write a kubeconfig that leads to a gate, for its owner alone; it is gone after the block."""
    name = "seatrial-gate"
    document = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": name, "cluster": {"server": f"{url}/{secret}"}}],
        "users": [{"name": name, "user": {"token": secret}}],
        "contexts": [{"name": name, "context": {"cluster": name, "user": name}}],
        "current-context": name,
    }
    with tempfile.TemporaryDirectory(prefix="seatrial-gate-") as directory:
        path = Path(directory) / "kubeconfig"
        path.touch(0o600)
        # JSON is YAML.
        path.write_text(json.dumps(document, indent=2))
        yield path
