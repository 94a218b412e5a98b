"""What a plan does to an installed system on a real cluster: whenever that is said to be done, others see it, too.

Who looks is kubectl, Envoys' own pages, and a TLS handshake of the test's own from the load's node.
"""

from __future__ import annotations

import json
import ssl
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from tests.local.test_during import accounted
from tests.support.cluster_runs import CONTOUR, MACHINE, ClusterBench, only_trial
from tests.support.program import wait_until
from tests.support.runs import Bench, codes

from seatrial.plan.read import ANY_HOST
from seatrial.record.reader import RunReader

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(600)]

DONE_WITHIN_S = 60.0
HANDSHAKE = """
import socket, ssl, sys
tls = ssl._create_unverified_context()
host, port, name = sys.argv[1:]
with tls.wrap_socket(socket.create_connection((host, int(port)), 10), server_hostname=name) as client:
    print(ssl.DER_cert_to_PEM_cert(client.getpeercert(True)))
"""


@dataclass(frozen=True)
class Seen:
    """What others saw between two moments (CLOCK_MONOTONIC, s): routes, addresses of endpoints, pods of Contour.

    ``at_envoys`` are the addresses that each Envoy sends to, ``shown`` the certificates that each shows.
    """

    after_s: float
    by_s: float
    routes: frozenset[str]
    endpoints: frozenset[str]
    at_envoys: tuple[frozenset[str], ...]
    controllers: frozenset[str]
    shown: frozenset[bytes]


@dataclass(frozen=True)
class Judge:
    """Looks at a cluster beside a run on it."""

    bench: ClusterBench
    has_tls: bool

    def look(self) -> Seen:
        after_s = time.monotonic()
        (contour, *_) = self.bench.pods("contour-")
        namespace = contour["metadata"]["namespace"]
        kinds = "httpproxies,endpointslices,pods"
        found = json.loads(self.bench.kubectl("-n", namespace, "get", kinds, "-o", "json"))["items"]
        slices = [one for one in found if one["kind"] == "EndpointSlice"]
        pods = [one for one in found if one["kind"] == "Pod"]
        envoys = [one for one in pods if one["metadata"]["name"].startswith("envoy-")]
        return Seen(
            after_s=after_s,
            routes=frozenset(one["metadata"]["name"] for one in found if one["kind"] == "HTTPProxy"),
            # Those of the Services of Contour and of its Envoys are not the test's.
            endpoints=frozenset(_addresses(one for one in slices if "service-" in one["metadata"]["name"])),
            at_envoys=tuple(self._clusters(one["metadata"]) for one in envoys),
            controllers=frozenset(
                one["metadata"]["uid"] for one in pods if one["metadata"]["name"].startswith("contour-")
            ),
            shown=frozenset(self._shown(one["status"]["podIP"]) for one in envoys if self.has_tls),
            by_s=time.monotonic(),
        )

    def _clusters(self, pod: dict[str, str]) -> frozenset[str]:
        path = f"/api/v1/namespaces/{pod['namespace']}/pods/{pod['name']}:9002/proxy/clusters?format=json"
        page = json.loads(self.bench.kubectl("get", "--raw", path))
        hosts = [
            host["address"]["socket_address"]
            for cluster in page["cluster_statuses"]
            if "/service-" in cluster["name"]
            for host in cluster.get("host_statuses", ())
        ]
        return frozenset(f"{host['address']}:{host['port_value']}" for host in hosts)

    def _shown(self, address: str) -> bytes:
        network = f"/run/netns/lab-{self.bench.cluster.name}-load"
        command = ["nsenter", f"--net={network}", sys.executable, "-c", HANDSHAKE, address, "8443", ANY_HOST]
        told = subprocess.run(command, check=True, capture_output=True, text=True, timeout=30)
        return ssl.PEM_cert_to_DER_cert(told.stdout.strip())


def _addresses(slices: Any) -> list[str]:
    return [
        f"{address}:{one['ports'][0]['port']}"
        for one in slices
        for endpoint in one["endpoints"]
        for address in endpoint["addresses"]
    ]


def looks_of(judge: Judge, count: int, into: list[Seen]) -> Callable[[Path], None]:
    """Return what looks once before anything is done, and once after each of so many disturbances."""

    def beside(run: Path) -> None:
        into.append(judge.look())
        for number in range(1, count + 1):
            assert wait_until(lambda number=number: _are_done(run) >= number, DONE_WITHIN_S, 0.1), number
            into.append(judge.look())

    return beside


def _are_done(run: Path) -> int:
    with RunReader.open(run) as reader:
        return sum(one.ended_s is not None for one in reader.disturbances(1))


def played(
    bench: ClusterBench, during: Sequence[str], measure: str, **changes: str
) -> tuple[dict[str, Any], list[Seen]]:
    """Run a plan that does this to Contour; return its trial, and what others saw before it and after each thing."""
    looks: list[Seen] = []
    done = f"during: [{', '.join(f'{{{one}}}' for one in during)}]\n"
    plan = bench.plan(
        CONTOUR, measure=measure, **{"retry: 0\n": f"retry: 0\n{done}", "cooldown: 20 s": "cooldown: 5 s", **changes}
    )  # fmt: skip
    judge = Judge(bench, has_tls="tls: yes" in plan.read_text())
    outcome, document = bench.played(plan, looks_of(judge, len(during), looks))
    assert outcome.code in {0, 1, 3}, outcome.stdout + outcome.stderr
    trial = only_trial(document)
    assert trial["state"] == "completed", outcome.stderr
    assert codes(trial) <= MACHINE, trial["validity"]
    assert all(window["took_s"] is not None for window in trial["disturbances"])
    accounted(trial)
    with RunReader.open(bench.bench.run_directory()) as reader:
        events = reader.disturbances(1)
    # Each look lies between what it is to show and what comes next.
    assert all((event.ended_s or 0) <= look.after_s for event, look in zip(events, looks[1:], strict=True))
    assert all(look.by_s <= event.started_s for event, look in zip(events, looks, strict=False)), [
        (look.by_s, event.started_s) for event, look in zip(events, looks, strict=False)
    ]
    return trial, looks


@pytest.fixture
def bench(cluster: Any, tmp_path: Path) -> ClusterBench:
    return ClusterBench(cluster, Bench(tmp_path))


def test_routes_endpoints_and_the_controller_change_beside_traffic(bench: ClusterBench) -> None:
    trial, looks = played(
        bench,
        (
            "at: 10 s, do: add routes, count: 2",
            "at: 20 s, do: add endpoints",
            "at: 30 s, do: restart controller",
            "at: 60 s, do: remove endpoints",
            "at: 70 s, do: remove routes, count: 2",
            "at: 80 s, do: pause endpoint, endpoint: 2, service: service-0, for: 1 s",
        ),
        "90 s",
    )  # fmt: skip
    assert [len(look.routes) for look in looks] == [6, 8, 8, 8, 8, 6, 6]
    assert [len(look.endpoints) for look in looks] == [6, 6, 9, 9, 6, 6, 6]
    assert looks[4].endpoints == looks[0].endpoints < looks[2].endpoints
    for look in looks:
        assert look.at_envoys == (look.endpoints,) * 2
    before, after = looks[2].controllers, looks[3].controllers
    assert len(before) == len(after) == 1
    assert not before & after
    assert looks[0].controllers == before
    assert looks[-1].controllers == after
    # Nothing of it was felt, but that an endpoint stood still.
    *changes, paused = trial["disturbances"]
    assert [(one["done"], one["dropped"], one["errors"], one["held_lost"]) for one in changes] == [
        (words, 0, {}, 0)
        for words in ("add 2 routes", "add 1 endpoint", "restart controller", "remove 1 endpoint", "remove 2 routes")
    ]  # fmt: skip
    assert paused["latency_us"]["max"] > 500_000
    counts = trial["counts"]
    # Two new routes through two Envoys at least: the Envoys and the origins have counted those requests, too.
    assert (
        counts["system_upstream_requests"] == counts["origin_requests"] >= counts["generator_completed"] + 4
    )
    assert trial["reached"]["routes_reached"] == 6


def test_a_certificate_is_swapped_beside_traffic(bench: ClusterBench) -> None:
    trial, looks = played(
        bench,
        ("at: 10 s, do: swap certificate", "at: 20 s, do: add routes", "at: 30 s, do: remove routes"),
        "40 s",
        **{
            "routes: 6, services: 3": "routes: 6, by: path, services: 3",
            "resolution: 10 ms": "resolution: 10 ms, tls: yes",
        },
    )
    (configs,) = bench.bench.run_directory().glob("configs/*-contour")
    first, second = (
        ssl.PEM_cert_to_DER_cert((configs / name).read_text()) for name in ("cert.pem", "cert-2.pem")
    )
    assert [look.shown for look in looks] == [{first}, {second}, {second}, {second}]
    # One more is the HTTPProxy that has the host, and includes those of the paths.
    assert [len(look.routes) for look in looks] == [7, 7, 8, 7]
    assert all(set(window["status"]) == {"200"} for window in trial["disturbances"])
