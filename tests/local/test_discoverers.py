"""Discoverers as processes of this machine: begun when they are told to, seen, and gone; stand-ins for the programs."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from seatrial.errors import EnvironmentFault, PlanError, SystemFault
from seatrial.machine import proc
from seatrial.machine.address import Address, Endpoint
from seatrial.machine.namespace import Namespace
from seatrial.machine.place import InNamespace, Place, ThisMachine
from seatrial.run.observer.targets import TARGETS, announce
from seatrial.systems.base import Launch
from seatrial.systems.discoverers.command import AnyDiscovererOptions, PageOptions
from seatrial.systems.discoverers.gimbal import HEALTH, GimbalOpenstackOptions
from seatrial.systems.discoverers.process import Discoverer
from seatrial.systems.discovering import Discovering, Wiring
from seatrial.systems.local import http
from seatrial.topology.expand import expand
from seatrial.topology.options import TopologyPlan

PASSWORD = "a-hidden-word"
ORIGIN = Endpoint("127.0.0.1", 9)
LIMIT_S = 20.0
# It says how it was started, serves a page, and has a child.
PROGRAM = """
import json, os, subprocess, sys
from http.server import BaseHTTPRequestHandler, HTTPServer

class Page(BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"depth 3\\n")

server = HTTPServer(("127.0.0.1", int(os.environ["PORT"])), Page)
child = subprocess.Popen(["sleep", "600"])
said = {"argv": sys.argv[1:], "environment": dict(os.environ), "cpus": sorted(os.sched_getaffinity(0))}
with open(sys.argv[1] + ".part", "w") as file:
    json.dump(said, file)
os.rename(sys.argv[1] + ".part", sys.argv[1])
server.serve_forever()
"""


@pytest.fixture
def cloud(tmp_path: Path) -> Wiring:
    source = {"OS_AUTH_URL": "http://127.0.0.1:1/v3", "OS_PASSWORD": PASSWORD, "OS_PROJECT_NAME": "all"}
    return Wiring("openstack", source, tmp_path / "into")


def launch(tmp_path: Path, place: Place | None = None) -> Launch:
    directory, logs = tmp_path / "configs", tmp_path / "logs"
    directory.mkdir(exist_ok=True)
    logs.mkdir(exist_ok=True)
    return Launch(directory, logs, expand(TopologyPlan(), (ORIGIN,)), 1, place or ThisMachine(), "carrier")


def serving(tmp_path: Path, *words: str) -> AnyDiscovererOptions:
    """Return the options of a program that says into a file how it was started."""
    return AnyDiscovererOptions(
        command=(sys.executable, "-c", PROGRAM, str(tmp_path / "said"), *words),
        environment={"PORT": "{metrics_port}", "CREDENTIAL": "of {password}"},
        metrics=PageOptions(path="/page", depth="depth"),
    )


@asynccontextmanager
async def prepared(options: Any, launching: Launch) -> AsyncIterator[Discoverer]:
    system = options.create()
    try:
        assert await system.start(launching) == (ORIGIN,)
        yield system
    finally:
        await system.stop()


def announced(run: Path, system: Discoverer) -> list[dict[str, Any]]:
    """Return what a Prometheus is told of a trial of this system."""
    case = SimpleNamespace(
        id="c", plan=SimpleNamespace(name="p"), system=SimpleNamespace(label="carrier", kind="discoverer")
    )
    announce(run, SimpleNamespace(case=case, order=1), system)  # type: ignore[arg-type]
    found: list[dict[str, Any]] = json.loads((run / TARGETS).read_text())
    return found


async def until(condition: Callable[[], object]) -> None:
    deadline_s = time.monotonic() + LIMIT_S
    while not condition():
        assert time.monotonic() < deadline_s
        await asyncio.sleep(0.02)


def run(test: Awaitable[None]) -> None:
    asyncio.run(asyncio.wait_for(test, 3 * LIMIT_S))


def test_it_begins_when_it_is_told_to_and_is_seen_while_it_runs(
    tmp_path: Path, cloud: Wiring, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OS_TOKEN", "of-another-cloud")
    cpu = min(os.sched_getaffinity(0))

    async def test() -> None:
        launching = launch(tmp_path, ThisMachine(frozenset({cpu})))
        async with prepared(serving(tmp_path, "--into={into}", "{backend}"), launching) as system:
            assert isinstance(system, Discovering)
            assert system.sources == {"openstack", "kubernetes", "http"}
            assert (system.members(), system.failure()) == ((), None)
            before_ns = time.monotonic_ns()
            assert announced(tmp_path, system) == []
            begun = await system.begin(cloud)
            assert before_ns <= begun.at_ns <= time.monotonic_ns()
            await until((tmp_path / "said").exists)
            said = json.loads((tmp_path / "said").read_text())
            assert said["argv"] == [str(tmp_path / "said"), f"--into={cloud.into}", "seatrial"]
            assert said["cpus"] == [cpu]
            environment = said["environment"]
            assert {name: environment[name] for name in cloud.source} == dict(cloud.source)
            assert environment["CREDENTIAL"] == f"of {PASSWORD}"
            assert "OS_TOKEN" not in environment
            port = int(environment["PORT"])
            assert begun.metrics_url == f"http://127.0.0.1:{port}/page"
            assert await http.get(Address("127.0.0.1", port), "/page") == (200, "depth 3\n")
            # A Prometheus that follows the run finds it now.
            (found,) = announced(tmp_path, system)
            assert found["targets"] == [f"127.0.0.1:{port}"]
            assert (
                found["labels"].items()
                >= {"__metrics_path__": "/page", "system": "carrier", "trial": "1"}.items()
            )
            (member,) = system.members()
            assert (member.role, member.name) == ("system", "carrier")
            # The kernel knows which processes those are: the program, and what it has started.
            programs = [proc.command_line(process.pid) for process in member.processes]
            assert [words[-1] for words in programs if words] == ["seatrial", "600"]
            with pytest.raises(SystemFault, match="has begun already"):
                await system.begin(cloud)
        assert (system.members(), system.failure()) == ((), None)
        assert not any(proc.is_alive(one.pid, one.started_ticks) for one in member.processes)

    run(test())


def test_what_it_was_started_with_is_in_the_run_and_no_secret(tmp_path: Path, cloud: Wiring) -> None:
    async def test() -> None:
        async with prepared(serving(tmp_path), launch(tmp_path)) as system:
            await system.begin(cloud)
            written = (tmp_path / "configs/carrier-command.json").read_text()
            document = json.loads(written)
            assert document["argv"][0] == sys.executable
            assert document["environment"]["OS_AUTH_URL"] == cloud.source["OS_AUTH_URL"]
            assert document["environment"]["CREDENTIAL"] == "of (secret)"
            assert document["environment"]["OS_PASSWORD"] == "(secret)"
            assert PASSWORD not in written
            (member,) = system.members()
            # Nor is it in the list of processes, which everybody reads.
            assert PASSWORD not in " ".join(proc.command_line(member.processes[0].pid) or ())

    run(test())


def test_its_end_is_named_with_the_last_words_of_its_log_and_it_may_begin_again(
    tmp_path: Path, cloud: Wiring
) -> None:
    program = (
        "import os, sys, time\nprint('no such cluster', flush=True)\n"
        "if not os.path.exists(sys.argv[1]): sys.exit(3)\ntime.sleep(600)"
    )
    options = AnyDiscovererOptions(command=(sys.executable, "-c", program, str(tmp_path / "lasts")))

    async def test() -> None:
        async with prepared(options, launch(tmp_path)) as system:
            await system.begin(cloud)
            await until(system.failure)
            assert "ended with exit status 3; its log ends: no such cluster" in str(system.failure())
            assert system.members() == ()
            (tmp_path / "lasts").touch()
            begun = await system.begin(cloud)
            assert (system.failure(), begun.metrics_url) == (None, None)
            (member,) = system.members()
            os.kill(member.processes[0].pid, signal.SIGKILL)
            await until(system.failure)
            assert "was killed by SIGKILL" in str(system.failure())

    run(test())


def test_what_cannot_begin_says_why(tmp_path: Path, cloud: Wiring) -> None:
    async def test() -> None:
        missing = AnyDiscovererOptions(command=(str(tmp_path / "nowhere"),))
        with pytest.raises(EnvironmentFault, match=r"no .*nowhere is installed"):
            await missing.create().start(launch(tmp_path))
        with pytest.raises(EnvironmentFault, match=r"no .*nowhere is installed") as lacking:
            GimbalOpenstackOptions(binary=str(tmp_path / "nowhere")).create().version()
        assert "gimbal-openstack: {binary: PATH}" in (lacking.value.next_step or "")
        apart = InNamespace(Namespace("of-a-test"), "10.0.0.1")
        with pytest.raises(PlanError, match="cannot be in a network of its own"):
            await serving(tmp_path).create().start(launch(tmp_path, apart))
        with pytest.raises(SystemFault, match="was not prepared"):
            await serving(tmp_path).create().begin(cloud)
        reads_lists = AnyDiscovererOptions(command=(sys.executable,), sources=("http",))
        async with prepared(reads_lists, launch(tmp_path)) as system:
            with pytest.raises(PlanError, match="cannot read a source that is openstack") as refused:
                await system.begin(cloud)
            assert refused.value.cause == "it reads http"

    run(test())


def test_gimbals_health_port_is_free_or_it_does_not_begin(tmp_path: Path, cloud: Wiring) -> None:
    program = tmp_path / "openstack-discoverer"
    program.write_text(
        f"#!{sys.executable}\nimport sys\nprint('Version: v0.4.0') if '--version' in sys.argv else 0\n"
    )
    program.chmod(0o755)
    options = GimbalOpenstackOptions(binary=str(program))
    assert options.create().version().version == "v0.4.0"

    async def test() -> None:
        with socket.socket() as taken:
            taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            # Where somebody else of this machine has it, that is as good.
            with suppress(OSError):
                taken.bind((HEALTH.host, HEALTH.port))
                taken.listen()
            async with prepared(options, launch(tmp_path)) as system:
                with pytest.raises(EnvironmentFault, match=r"cannot listen on 127\.0\.0\.1:8000"):
                    await system.begin(cloud)

    run(test())
