"""Losses that are provoked for real, and what the samplers and the program make of them."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from contextlib import ExitStack
from pathlib import Path

import pytest
from tests.support.program import Running, wait_until
from tests.support.runs import Bench, codes, results, trials, wait_for_phase

from seatrial.machine.members import Member, Role
from seatrial.observe.listeners import listen_queues
from seatrial.observe.network import NetworkSampler
from seatrial.record.reader import RunReader

LIMIT_S = 90
BACKLOG, CLIENTS = 3, 12
# The kernel keeps one more than was asked for: sk_acceptq_is_full() compares with ">".
KEPT = BACKLOG + 1

OVERFLOW = f"""
import socket, sys
listener = socket.create_server(("127.0.0.1", 0), backlog={BACKLOG})
print("listening", flush=True)
sys.stdin.readline()
clients = [socket.socket() for _ in range({CLIENTS})]
for client in clients:
    client.setblocking(False)
    client.connect_ex(listener.getsockname())
print("done", flush=True)
sys.stdin.readline()
"""


def _makes_namespaces() -> bool:
    if not shutil.which("unshare") or not shutil.which("ip"):
        return False
    return subprocess.run(["unshare", "-n", "true"], check=False, stderr=subprocess.DEVNULL).returncode == 0


NAMESPACES = pytest.mark.skipif(not _makes_namespaces(), reason="needs root, unshare(1) and ip(8)")


def member(pid: int) -> Member:
    found = Member.alone("system", "it", pid)
    assert found is not None
    return found


def test_a_full_queue_is_told_by_the_listener_that_it_is_of() -> None:
    with ExitStack() as stack:
        full, idle = (
            stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=backlog))
            for backlog in (BACKLOG, 64)
        )
        ports: dict[Role, frozenset[int]] = {
            "system": frozenset({full.getsockname()[1]}),
            "origin": frozenset({idle.getsockname()[1]}),
        }
        before = listen_queues(ports)
        assert (before["system"].drops, before["system"].limit) == (0, BACKLOG)
        began_s = time.monotonic()
        for _ in range(CLIENTS):
            client = stack.enter_context(socket.socket())
            client.setblocking(False)
            client.connect_ex(full.getsockname())
        after = listen_queues(ports)
        assert after["system"].waiting == KEPT
        assert after["origin"] == before["origin"]
        # Those that were dropped try again after a second.
        if time.monotonic() - began_s < 1:
            assert after["system"].drops == CLIENTS - KEPT
        else:
            assert after["system"].drops >= CLIENTS - KEPT


def test_a_role_that_listens_nowhere_has_no_queue() -> None:
    assert listen_queues({}) == {}
    assert listen_queues({"system": frozenset()}) == {}
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        assert listen_queues({"system": frozenset({unused.getsockname()[1]})}) == {}


def test_ports_of_those_who_listen_elsewhere_are_not_looked_for_here() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = frozenset({listener.getsockname()[1]})
        sampler = NetworkSampler(lambda: {"system": port})
        (here,) = sampler.sample([member(os.getpid())], 1.0)
        assert here.listeners.keys() == {"system"}
        own = Member.alone("seatrial", "seatrial", os.getpid())
        assert own is not None
        (alone,) = sampler.sample([own], 2.0)
        assert alone.listeners == {}


@NAMESPACES
def test_a_namespace_counts_its_own_losses_only() -> None:
    # A namespace that has just been made has counted nothing; this one has whatever ran before.
    command = [
        "unshare",
        "-n",
        "sh",
        "-c",
        'ip link set lo up && exec "$0" -c "$1"',
        sys.executable,
        OVERFLOW,
    ]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdin is not None
        assert server.stdout is not None
        assert server.stdout.readline() == "listening\n"
        sampler = NetworkSampler()
        members = [member(os.getpid()), member(server.pid)]
        own, other = sampler.sample(members, 1.0)
        began_s = time.monotonic()
        server.stdin.write("\n")
        server.stdin.flush()
        assert server.stdout.readline() == "done\n"
        own_after, other_after = sampler.sample(members, 2.0)
        took_s = time.monotonic() - began_s
        server.kill()
    assert own.network == own_after.network != other.network == other_after.network
    assert other.values["tcp_passive_opens"] == other.values["tcp_listen_drops"] == 0
    assert other_after.values["tcp_passive_opens"] == KEPT
    assert other_after.values["tcp_listen_drops"] >= CLIENTS - KEPT
    if took_s < 1:
        assert other_after.values["tcp_listen_drops"] == CLIENTS - KEPT
        assert other_after.values["tcp_listen_overflows"] == CLIENTS - KEPT
    # Its loopback carried the segments, and the limits of this namespace are not its own.
    carried = other_after.interfaces["lo"].sent_packets
    assert carried >= CLIENTS + KEPT * 2
    assert "listen_queue_max" in own.values
    assert "listen_queue_max" not in other.values


# Each request opens a connection, so that a listener that is held up for a moment has many to keep.
CHURN = """
name: short-queue
systems: [direct]
load: {connections: 5, active: 100, rate: 400/s, requests_per_connection: 1, connect_rate: 1k/s, timeout: 5 s}
phases: {stable_for: 0 s, warmup: 200 ms, measure: 5 s, cooldown: 5 s}
repeat: 1
retry: 0
"""
SHORT_QUEUE, DROPS = 8, 20
HELD_UP_S, HELD_UP_TIMES = 0.3, 7


def hold_up(pid: int) -> None:
    """Stop a process for a moment: what it had to answer then closes, and asks for new connections, all at once."""
    os.kill(pid, signal.SIGSTOP)
    time.sleep(HELD_UP_S)
    os.kill(pid, signal.SIGCONT)


def listen_drops(pid: int) -> int:
    """Return the connections that listeners have dropped in the network of a process, as the kernel counts them."""
    names, values = (
        line.split()
        for line in Path(f"/proc/{pid}/net/netstat").read_text().splitlines()
        if line.startswith("TcpExt:")
    )
    return int(dict(zip(names, values, strict=True))["ListenDrops"])


@NAMESPACES
def test_a_machine_that_keeps_queues_short_is_told_from_a_system_that_is_slow(tmp_path: Path) -> None:
    (tmp_path / "plan.yaml").write_text(CHURN)
    shorten = f'ip link set lo up && echo {SHORT_QUEUE} > /proc/sys/net/core/somaxconn && exec "$0" "$@"'
    prefix = ["unshare", "-n", "sh", "-c", shorten]
    bench = Bench(tmp_path)
    with Running("run", "plan.yaml", prefix=prefix, directory=tmp_path) as running:
        run = bench.run_directory()
        wait_for_phase(run, "measure")
        with RunReader.open(run) as reader:
            looks = reader.process_samples(1)
        (origin,) = {int(look.incarnation.split("@")[0]) for look in looks if look.role == "origin"}
        before = listen_drops(origin)
        for _ in range(HELD_UP_TIMES):
            hold_up(origin)
            # The kernel's own count says when enough were dropped: how many come at once depends on the machine.
            if wait_until(lambda: listen_drops(origin) - before >= DROPS, HELD_UP_S):
                break
        dropped = listen_drops(origin) - before
        running.wait(LIMIT_S)
    trial = trials(results(run))["direct"]
    (network,) = trial["kernel"]["networks"]
    queue = network["listeners"]["system"]
    assert (queue["limit"], queue["machine_limit"]) == (SHORT_QUEUE, SHORT_QUEUE)
    # Its one listener dropped them, and the network has no other that is held up.
    assert queue["drops"] >= dropped >= DROPS
    # The two are not read at one moment.
    assert network["counted"]["tcp_listen_drops"] >= 0.8 * queue["drops"]
    assert "environment.listen_queue" in codes(trial)
    assert "somaxconn" in " ".join(reason["remedy"] for reason in trial["validity"]["reasons"])


def test_a_run_shows_what_the_kernel_saw_and_what_looking_cost(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.start(bench.plan("envoy: {proxies: 2}", measure="2 s")).wait(LIMIT_S)
    trial = trials(results(bench.run_directory()))["envoy"]
    kernel, load = trial["kernel"], trial["load"]
    assert kernel["covers_s"] >= load["window_s"] - 0.3
    (network,) = kernel["networks"]
    assert {"generator", "origin", "system"} <= set(network["roles"])
    # Each byte of the load crosses the loopback, and again between proxy and origin, beside what others send.
    carried = network["interfaces"]["lo"]["sent_bytes"]
    assert carried >= load["bytes"]["sent"] + load["bytes"]["received"]
    assert network["counted"]["tcp_sent_segments"] >= 2 * load["requests"]["completed"]
    assert network["listeners"].keys() == {"origin", "system"}
    assert network["listeners"]["system"]["drops"] == 0
    assert {"environment.listen_queue", "system.reconfigured"}.isdisjoint(codes(trial))
    assert [running["member"] for running in trial["configurations"]] == ["envoy-1", "envoy-2"]
    assert all(running["before"] == running["after"] for running in trial["configurations"])
    looking = trial["looking"]
    assert looking["looks"] >= 3
    assert 0 < looking["cpu_s"] < looking["elapsed_s"]
    resources = trial["resources"]
    parts = [resources["members"][f"envoy-{number}"]["scheduling"] for number in (1, 2)]
    whole = resources["roles"]["system"]["scheduling"]
    assert whole["threads_max"] == sum(part["threads_max"] for part in parts)
    # Each member answers in a loop that waits for what comes, at least once for ten requests.
    assert all(part["voluntary_switches_per_s"] > 1 for part in parts)
    assert whole["cpu_user_cores_mean"] + whole["cpu_system_cores_mean"] > 0
