"""The listener through which the admin interface of an Envoy in a pod is read: a real Envoy, as Contour starts one."""

from __future__ import annotations

import http.client
import json
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from seatrial.machine.processes import programs
from seatrial.machine.sockets import free_address
from seatrial.systems.envoy.system import PROGRAM
from seatrial.systems.installed.kinds import envoy_pods, status_port
from seatrial.systems.installed.kinds.status_port import STATUS_PORT, status_listener

READY_LIMIT_S = 30.0


def bootstrap(admin: Path) -> dict[str, Any]:
    """What ``contour bootstrap`` writes of the admin interface: a socket, and a cluster that leads to it."""
    address = {"pipe": {"path": str(admin)}}
    endpoint = {"lb_endpoints": [{"endpoint": {"address": address}}]}
    cluster = {
        "name": "envoy-admin",
        "type": "STATIC",
        "connect_timeout": "0.250s",
        "load_assignment": {"cluster_name": "envoy-admin", "endpoints": [endpoint]},
    }
    return {"admin": {"address": address}, "static_resources": {"clusters": [cluster]}}


@pytest.fixture
def port(tmp_path: Path) -> Iterator[int]:
    free = free_address("127.0.0.1").port
    merged = json.dumps(status_listener("envoy-admin")).replace(str(STATUS_PORT), str(free))
    (tmp_path / "envoy.json").write_text(json.dumps(bootstrap(tmp_path / "admin.sock")))
    command = [
        *(str(programs.find(PROGRAM)), "-c", str(tmp_path / "envoy.json"), "--config-yaml", merged),
        *("--log-level", "warning", "--concurrency", "1", "--disable-hot-restart"),
    ]
    with (tmp_path / "log").open("wb") as log, subprocess.Popen(command, stdout=log, stderr=log) as envoy:
        try:
            deadline_s = time.monotonic() + READY_LIMIT_S
            while envoy.poll() is None and time.monotonic() < deadline_s and _status(free, "/ready") != 200:
                time.sleep(0.05)
            assert envoy.poll() is None, (tmp_path / "log").read_text()
            yield free
        finally:
            envoy.terminate()


def asked(port: int, path: str, method: str = "GET") -> tuple[int, str]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request(method, path)
        response = connection.getresponse()
        return response.status, response.read().decode()
    finally:
        connection.close()


def _status(port: int, path: str) -> int:
    try:
        return asked(port, path)[0]
    except OSError:
        return 0


def test_what_tells_is_read_and_what_changes_is_out_of_reach(port):
    for page in status_port.PAGES:
        assert asked(port, page)[0] == 200
    assert "cluster_statuses" in asked(port, "/clusters?format=json")[1]
    for page in ("/quitquitquit", "/runtime_modify?a=b", "/logging?level=trace", "/drain_listeners", "/"):
        assert asked(port, page)[0] == 404
        assert asked(port, page, "POST")[0] == 404
    assert asked(port, "/stats", "POST")[0] == 404
    assert asked(port, "/ready")[0] == 200


def test_its_own_connections_are_no_load(port):
    names = envoy_pods.of_contour("a-namespace", has_tls=False, is_gateway=False)
    for _ in range(3):
        page = asked(port, envoy_pods.stats_page(names))[1]
    assert "server.concurrency: 1" in page
    assert "downstream" not in page
