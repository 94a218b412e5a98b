"""Connections that are missing, idle or ended by the server, and what the load says of them. Pitfalls 14, 15 and 19."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.arrivals import arrivals
from tests.support.load_contract import assert_counts_add_up
from tests.support.program import run_seatrial, wait_until

from seatrial.errors import ExitCode
from seatrial.machine.processes import programs
from seatrial.machine.sockets import free_address, is_listening
from seatrial.systems.nginx.dialect import PROGRAM

KEEPALIVE_REQUESTS = 100
NGINX = """
daemon off;
pid {directory}/pid;
error_log {directory}/error.log;
events {{ worker_connections 512; }}
http {{
  access_log off;
  keepalive_requests {keepalive_requests};
  client_body_temp_path {directory};
  proxy_temp_path {directory};
  fastcgi_temp_path {directory};
  uwsgi_temp_path {directory};
  scgi_temp_path {directory};
  server {{ listen {address}; location / {{ return 200 "ok"; }} }}
}}
"""


def test_a_server_that_takes_800_connections_is_not_measured_with_1000() -> None:
    with arrivals(connection_limit=800) as seen:
        outcome = run_seatrial(
            "load", seen.url, "-q", "--json", "-", "-c", "1000", "-R", "100", "-d", "1s",
            "--connect-rate", "5k", "--timeout", "300ms",
        )  # fmt: skip
    assert_counts_add_up(outcome.document)
    assert outcome.code == ExitCode.INVALID_MEASUREMENT
    texts = {reason["code"]: reason["text"] for reason in outcome.document["validity"]["reasons"]}
    # The kernel has established what waits in the listen queue, too.
    found = re.match(r"(\d+) of 1,000 connections were established", texts["system.ramp"])
    assert found is not None
    assert 800 <= int(found[1]) < 1_000
    assert outcome.document["connections"]["active"] == {"requested": 1_000, "established": int(found[1])}
    assert outcome.document["requests"]["intended"] == 0
    assert seen.accepted == 800


def test_idle_connections_do_not_time_out() -> None:
    """Each connection is asked every ten seconds, and the timeout is half of one."""
    with arrivals() as seen:
        outcome = run_seatrial(
            "load", seen.url, "-q", "--json", "-", "-c", "1000", "-R", "100", "-d", "3s", "--timeout", "500ms",
        )  # fmt: skip
    document = outcome.document
    assert_counts_add_up(document)
    assert document["connections"]["active"] == {"requested": 1000, "established": 1000}
    assert document["requests"]["completed"] == len(seen.at_ns) == 300
    assert document["requests"]["timed_out"] == 0
    assert document["errors"] == {}


def test_a_server_that_ends_connections_by_count_costs_reconnects_and_no_errors(tmp_path: Path) -> None:
    with nginx(tmp_path) as url:
        outcome = run_seatrial("load", url, "-q", "--json", "-", "-c", "5", "-R", "1000", "-d", "2s")
    document = outcome.document
    assert_counts_add_up(document)
    assert document["requests"]["completed"] == document["requests"]["intended"] == 2_000
    assert document["errors"] == {}
    # Every hundredth answer of a connection is its last.
    assert (
        2_000 // KEEPALIVE_REQUESTS - 5
        <= document["connections"]["reconnected"]
        <= 2_000 // KEEPALIVE_REQUESTS
    )


@contextmanager
def nginx(directory: Path) -> Iterator[str]:
    address = free_address()
    configuration = directory / "nginx.conf"
    configuration.write_text(
        NGINX.format(directory=directory, address=address, keepalive_requests=KEEPALIVE_REQUESTS)
    )
    command = [str(programs.find(PROGRAM)), "-c", str(configuration), "-p", str(directory), "-e", "error.log"]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) as process:
        try:
            assert wait_until(lambda: is_listening(address.port), 10.0)
            yield f"http://{address}/"
        finally:
            process.terminate()
