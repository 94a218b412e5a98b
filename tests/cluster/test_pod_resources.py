"""What kubelets say of pods, against what each pod reads of itself from the kernel, and bytes that were really sent."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable, Iterable
from typing import Any

import pytest
from tests.support import clusters
from tests.support.on_cluster import kubeconfig
from tools.cluster import objects
from tools.cluster.images import catalogue
from tools.cluster.layout import Cluster

from seatrial.cluster.access import open_cluster
from seatrial.cluster.client import Client
from seatrial.cluster.connection.kubeconfig import Where
from seatrial.cluster.objects import Objects
from seatrial.machine.members import Member, PodRef
from seatrial.observe.pods import PodSampler
from seatrial.observe.samples import ClusterEvent, NetworkSample, NodeSample, ProcessSample, Sample

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(300), pytest.mark.usefixtures("cluster")]
HELD_MB, SENT_MB, LIMIT_CORES = 64, 40, 0.3
# Burns all that its limit leaves it, and says what the kernel says of that, at moments of a clock that its node shares
# with this test.
BURN = f"""
import glob, json, os, resource, time
held = bytearray(os.urandom(1 << 20)) * {HELD_MB}
stat = [*glob.glob("/sys/fs/cgroup/cpu/cpu.stat"), *glob.glob("/sys/fs/cgroup/cpu.stat")][0]
said = 0
while True:
    if time.monotonic() - said > 0.5:
        said = time.monotonic()
        used = resource.getrusage(resource.RUSAGE_SELF)
        words = dict(line.split() for line in open(stat))
        held_back = int(words.get("throttled_time", 0)) / 1e9 + int(words.get("throttled_usec", 0)) / 1e6
        print(json.dumps([said, used.ru_utime + used.ru_stime, held_back]), flush=True)
"""
TAKE = """
import socket
with socket.create_server(("0.0.0.0", 9000)) as server:
    peer, _ = server.accept()
    while peer.recv(1 << 16): pass
    peer.sendall(b"all")
import time; time.sleep(3600)
"""
SEND = f"""
import socket, sys, time
with socket.create_connection((sys.argv[1], 9000)) as peer:
    peer.sendall(b"x" * {SENT_MB * 10**6})
    peer.shutdown(socket.SHUT_WR)
    peer.recv(3)
time.sleep(3600)
"""


def pod(name: str, node: str, *command: str) -> dict[str, Any]:
    made: dict[str, Any] = clusters.pod(name, node, catalogue.SEATRIAL.reference, "python3", "-c", *command)
    made["spec"]["restartPolicy"] = "Never"
    return made


async def running(client: Client, manifest: dict[str, Any]) -> dict[str, Any]:
    async with asyncio.timeout(90):
        while True:
            found = await Objects(client).get(manifest)
            if found and found.get("status", {}).get("phase") == "Running" and found["status"].get("podIP"):
                return dict(found)
            await asyncio.sleep(0.2)


def member(found: dict[str, Any]) -> Member:
    of = found["metadata"]
    return Member(
        "system", of["name"], (), PodRef("default", of["name"], of["uid"], found["spec"]["nodeName"])
    )


def said_of_itself(lab: Cluster) -> list[list[float]]:
    lines = objects.kubectl(lab, "logs", "burns").splitlines()
    return [json.loads(line) for line in lines]


def at(moment_s: float, said: list[list[float]], which: int) -> float:
    """Return what was said at a moment, between two lines."""
    after = next(index for index, line in enumerate(said) if line[0] >= moment_s)
    (from_s, *before), (to_s, *then) = said[after - 1], said[after]
    part = (moment_s - from_s) / (to_s - from_s)
    return before[which] + part * (then[which] - before[which])


async def sampled(
    sampler: PodSampler, members: list[Member], enough: Callable[[list[Sample]], bool]
) -> list[Sample]:
    found: list[Sample] = []
    async with asyncio.timeout(120):
        while not enough(found):
            found += await sampler.look(members)
            await asyncio.sleep(1)
    return found


def of(kind: type[Any], name: str, samples: Iterable[Sample]) -> list[Any]:
    key = {ProcessSample: "member", NetworkSample: "pod", NodeSample: "node"}[kind]
    return [one for one in samples if isinstance(one, kind) and getattr(one, key) == name]


def test_pods_use_what_they_say_themselves() -> None:
    where = Where(str(kubeconfig()))
    lab = Cluster(kubeconfig().parent.parent.name)
    burns, takes, nowhere = (
        pod("burns", "proxy", BURN),
        pod("takes", "origin", TAKE),
        pod("nowhere", "load", "1"),
    )
    limits = {"cpu": str(LIMIT_CORES), "memory": "128Mi"}
    burns["spec"]["containers"][0]["resources"] = {"limits": limits}
    nowhere["spec"]["nodeSelector"] = {"no": "node"}

    async def run() -> tuple[list[Sample], list[Sample], PodSampler, list[list[float]]]:
        async with open_cluster(where) as client:
            every = [burns, takes, nowhere]
            try:
                sampler = PodSampler(client)
                await Objects(client).create([*every])
                burning, taking = await running(client, burns), await running(client, takes)
                sends = pod("sends", "load", SEND, taking["status"]["podIP"])
                members = [member(burning), member(taking)]

                def known(found: list[Sample]) -> bool:
                    return bool(of(NetworkSample, "default/takes", found))

                # The kubelet has to have seen its interface before anything goes through it.
                before = await sampled(sampler, members, known)
                every.append(sends)
                await Objects(client).create([sends])
                members.append(member(await running(client, sends)))
                sent_by_s = time.monotonic() + 5

                def enough(found: list[Sample]) -> bool:
                    networks = [of(NetworkSample, f"default/{name}", found) for name in ("takes", "sends")]
                    seen = all(looks and looks[-1].at_s > sent_by_s for looks in networks)
                    nodes = all(len(of(NodeSample, node, found)) > 1 for node in ("proxy", "origin"))
                    return seen and nodes and len(of(ProcessSample, "burns", found)) > 2

                found = [*before, *await sampled(sampler, members, enough)]
                await asyncio.sleep(1)
                said = said_of_itself(lab)
                return found, list(await sampler.finish(members)), sampler, said
            finally:
                await Objects(client).delete(every)

    found, last, sampler, said = asyncio.run(run())
    _requires_cpu_and_memory(of(ProcessSample, "burns", found), said)
    _requires_bytes(found)
    node = of(NodeSample, "proxy", found)
    length_s = node[-1].at_s - node[0].at_s
    assert LIMIT_CORES * 0.5 < (node[-1].cpu_s - node[0].cpu_s) / length_s < node[-1].cores * 1.1
    events = [one.text for one in last if isinstance(one, ClusterEvent)]
    assert any("FailedScheduling: Pod default/nowhere" in text for text in events), events
    assert sampler.remarks() == ()


def _requires_cpu_and_memory(looks: list[ProcessSample], said: list[list[float]]) -> None:
    within = [look for look in looks if said[0][0] < look.at_s < said[-1][0]]
    assert len(within) >= 2
    for look in within:
        # The start of the interpreter is not in its own account whole; a group's counters lag by a tick or two.
        assert look.cpu_user_s + look.cpu_system_s == pytest.approx(at(look.at_s, said, 0), abs=0.25)
        assert look.throttled_s == pytest.approx(at(look.at_s, said, 1), abs=0.5)
        assert look.working_set_bytes is not None
        assert HELD_MB << 20 < look.working_set_bytes < (HELD_MB + 24) << 20
        assert (look.name, look.threads) == ("main", 1)
    first, last = within[0], within[-1]
    used_s = last.cpu_user_s + last.cpu_system_s - first.cpu_user_s - first.cpu_system_s
    assert used_s / (last.at_s - first.at_s) == pytest.approx(LIMIT_CORES, rel=0.15)
    assert (last.throttled_s or 0) > (first.throttled_s or 0)


def _requires_bytes(found: list[Sample]) -> None:
    takes, sends = (of(NetworkSample, f"default/{name}", found) for name in ("takes", "sends"))
    received = takes[-1].interfaces["eth0"].received_bytes - takes[0].interfaces["eth0"].received_bytes
    # It sends as soon as it is there: its first look may be after that, so all that it ever sent is held against.
    sent = sends[-1].interfaces["eth0"].sent_bytes
    # Headers of 66 bytes are 0.1 % of what offloading puts into one packet, 5 % of what a wire would take.
    for counted in (received, sent):
        assert SENT_MB * 10**6 <= counted < 1.1 * SENT_MB * 10**6
