"""Real controllers, proxies and pods: routes live through each, counts equal to the client's, breakers as set."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable, Coroutine
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tests.support.on_cluster import Stage, images, proxies, stage

from seatrial.cluster.resources import Ref
from seatrial.errors import SystemFault
from seatrial.machine.address import Endpoint
from seatrial.plan.read import ANY_HOST
from seatrial.pods.probe import PodProbe
from seatrial.systems.certificate import Certificate
from seatrial.systems.counters import counted_between
from seatrial.systems.installed import found
from seatrial.systems.installed.found import Found
from seatrial.systems.installed.kinds.contour import ContourOptions
from seatrial.systems.installed.kinds.envoy_gateway import EnvoyGatewayOptions
from seatrial.systems.installed.kinds.found import IngressOptions
from seatrial.systems.installed.manifests.objects import Site
from seatrial.systems.installed.manifests.routes import host_of
from seatrial.systems.installed.system import Installed
from seatrial.systems.options import SystemOptions
from seatrial.systems.origins.options import OriginPlan
from seatrial.systems.origins.pods import PodOrigin
from seatrial.systems.settings import require_in_force
from seatrial.systems.traefik import TraefikOptions
from seatrial.topology.expand import NOWHERE, Topology

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(300), pytest.mark.usefixtures("cluster")]

SMALL: dict[str, Any] = {"cpus": 0.2, "memory_bytes": 256 << 20}
CONTROLLER: dict[str, Any] = {"controller_cpus": 0.3, "controller_memory_bytes": 256 << 20}
REQUESTS = 7


def contour(**given: Any) -> ContourOptions:
    named = {"image": images()["contour"], "proxy_image": images()["envoy"]}
    return ContourOptions(**{"proxies": 2, **SMALL, **CONTROLLER, **named, **given})


def traefik(**given: Any) -> TraefikOptions:
    return TraefikOptions(**{"proxies": 2, **SMALL, "image": images()["traefik"], **given})


def envoy_gateway(**given: Any) -> EnvoyGatewayOptions:
    named = {"image": images()["envoy-gateway"], "proxy_image": images()["envoy"]}
    return EnvoyGatewayOptions(**{"proxies": 1, **SMALL, **CONTROLLER, **named, **given})


def played(directory: Path, work: Callable[[Stage], Coroutine[Any, Any, None]], origins: int = 1) -> None:
    async def run() -> None:
        async with stage(directory, origins) as standing:
            await work(standing)

    asyncio.run(run())


async def assert_counts_agree(
    standing: Stage, system: Installed, endpoints: tuple[Any, ...], topology: Topology
) -> None:
    """Every route is live through every proxy; a proxy's counts are what the test's own client has asked of it."""
    dialect = system.recipe.dialect
    asked = [(host_of(route, dialect) or "any", route.prefix) for route in topology.routes]
    proven = await standing.proven(system, endpoints, topology)
    assert proven >= len(topology.routes) * len(endpoints)
    # Nobody who asked for them is still there.
    assert await system.drained(10.0)
    before, origin_before = await system.counters(), await standing.counted_at_origin()
    for endpoint in endpoints:
        for _ in range(REQUESTS):
            assert await standing.ask(endpoint, asked) == [200] * len(asked)
    after, origin_after = await system.counters(), await standing.counted_at_origin()
    wanted = REQUESTS * len(asked)
    counted = counted_between(before, after)
    assert (counted.requests, counted.upstream_requests) == (wanted * len(endpoints),) * 2
    assert origin_after - origin_before == wanted * len(endpoints)
    for name, reading in after.members.items():
        assert (reading.requests or 0) - (before.members[name].requests or 0) == wanted


@pytest.mark.parametrize("dialect", ["HTTPProxy", "Ingress", "HTTPRoute"])
def test_contour_with_two_envoys_serves_and_counts_in_each_dialect(dialect: Any, tmp_path: Path) -> None:
    async def work(standing: Stage) -> None:
        topology = standing.topology(10, 3, endpoints=2)
        system = standing.installed("contour", contour(route_dialect=dialect))
        endpoints = await system.start(standing.launch("contour", topology))
        try:
            assert len(endpoints) == len(proxies(system)) == 2
            settings = await system.settings()
            require_in_force(settings)
            breakers = {s.in_force for s in settings if s.name == "circuit_breakers.max_pending_requests"}
            assert breakers == {50_000}
            await assert_counts_agree(standing, system, endpoints, topology)
            assert system.failure() is None
            assert await system.configuration() == await system.configuration()
        finally:
            await system.stop()

    played(tmp_path, work, origins=2)


def test_routes_by_path_are_live(tmp_path: Path) -> None:
    async def work(standing: Stage) -> None:
        topology = standing.topology(3, 2, by="path")
        system = standing.installed("by-path", contour(proxies=1))
        endpoints = await system.start(standing.launch("by-path", topology))
        try:
            await assert_counts_agree(standing, system, endpoints, topology)
        finally:
            await system.stop()

    played(tmp_path, work)


def test_a_dead_route_and_a_breaker_at_its_default_are_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(PodProbe, "live_limit_s", 3.0)

    async def work(standing: Stage) -> None:
        topology = standing.topology(4, 4)
        system = standing.installed("broken", contour())
        endpoints = await system.start(standing.launch("broken", topology))
        try:
            await standing.proven(system, endpoints, topology)
            namespace = system.recipe.site.namespace
            service = Ref("v1", "Service", "service-2", namespace)
            names = ("max-connections", "max-pending-requests", "max-requests", "max-retries")
            gone = {"metadata": {"annotations": {f"projectcontour.io/{name}": None for name in names}}}
            objects = standing.run._objects
            await objects.patch([(service, gone)])
            await asyncio.sleep(1)
            with pytest.raises(SystemFault, match="max_pending_requests: 50,000 asked, 1,024 in force"):
                require_in_force(await system.settings())
            await objects.delete([Ref("v1", "Service", "service-1", namespace)])
            await asyncio.sleep(1)
            with pytest.raises(SystemFault, match="2 of 8 routes are dead: route-1 through envoy-") as raised:
                await standing.proven(system, endpoints, topology)
            assert "HTTPProxy" in str(raised.value.cause)
            assert "service-1" in str(raised.value.cause)
            assert f"kubectl -n {namespace} describe httpproxy" in str(raised.value.next_step)
        finally:
            await system.stop()

    played(tmp_path, work)


def test_a_route_that_another_service_answers_is_named_with_who_did(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(PodProbe, "live_limit_s", 2.0)

    async def work(standing: Stage) -> None:
        topology = standing.topology(4, 4)
        # What is served is wrong, as by a fault of what renders it.
        first, *others = topology.routes
        swapped = replace(topology, routes=(replace(first, service=topology.services[2]), *others))
        system = standing.installed("swapped", contour(proxies=1))
        endpoints = await system.start(standing.launch("swapped", swapped))
        try:
            (member,) = proxies(system)
            at = topology.services[2].endpoints[0]
            with pytest.raises(SystemFault) as raised:
                await standing.proven(system, endpoints, topology)
            assert (
                f"1 of 4 routes lead elsewhere: route-0 through {member.name} was answered by service-2 at {at} "
                "in place of service-0"
            ) in str(raised.value)
        finally:
            await system.stop()

    played(tmp_path, work)


def test_routes_are_proven_over_tls_with_the_authority_of_the_load(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def work(standing: Stage) -> None:
        topology = standing.topology(3, 2, by="path")
        certificate = Certificate.issue(tmp_path, (ANY_HOST,))
        system = standing.installed("secure", contour(proxies=1))
        endpoints = await system.start(standing.launch("secure", topology, certificate=certificate))
        try:
            assert await standing.proven(system, endpoints, topology, server_name=ANY_HOST) >= 3
            monkeypatch.setattr(PodProbe, "live_limit_s", 1.0)
            # Another authority than that which issued what is shown.
            (tmp_path / "other").mkdir()
            other = Certificate.issue(tmp_path / "other", (ANY_HOST,))
            distrusted = tuple(replace(endpoint, ca=other.ca) for endpoint in endpoints)
            with pytest.raises(SystemFault, match=r"3 of 3 routes are dead: .*CERTIFICATE_VERIFY_FAILED"):
                await standing.proven(system, distrusted, topology, server_name=ANY_HOST)
        finally:
            await system.stop()

    played(tmp_path, work)


def test_each_address_of_an_origin_in_pods_names_itself_and_is_counted(tmp_path: Path) -> None:
    async def work(standing: Stage) -> None:
        origin = PodOrigin(OriginPlan(), standing.group("origin", "origin", 2))
        launch = standing.launch("origin", NOWHERE, listens=5)
        try:
            endpoints = await origin.start(launch)
            for number, endpoint in enumerate(endpoints):
                named = await standing.named(endpoint, 1 + number)
                assert named == [str(endpoint)] * (1 + number)
            assert len({endpoint.host for endpoint in endpoints}) == 2
            counts = await origin.counts()
            assert (counts.requests, counts.by_endpoint) == (15, (1, 2, 3, 4, 5))
            await origin.pause((0, 3))
            await origin.pause(())
        finally:
            await origin.stop()
        assert (await origin.counts()).by_endpoint == (1, 2, 3, 4, 5)

    played(tmp_path, work)


def test_a_pod_says_what_a_program_of_ours_has_on_its_node(tmp_path: Path) -> None:
    async def work(standing: Stage) -> None:
        async with standing.probing(ports=(20_000, 30_000)) as probe:
            facts = probe.facts
        assert (facts.machine.port_low, facts.machine.port_high) == (20_000, 30_000)
        assert facts.settings["net.ipv4.ip_local_port_range"] == (20_000, 30_000)
        assert facts.settings["net.core.somaxconn"] == (facts.machine.somaxconn,)
        assert facts.machine.memory_limit_bytes == 128 << 20
        assert facts.machine.cpu_quota_cores == pytest.approx(0.2)
        assert facts.machine.nofile_hard > 0
        # All nodes are this machine.
        assert facts.kernel == os.uname().release
        assert facts.boot_id == Path("/proc/sys/kernel/random/boot_id").read_text().strip()

    played(tmp_path, work)


def test_a_proxy_that_was_restarted_is_named_and_its_counts_begin_anew(tmp_path: Path) -> None:
    async def work(standing: Stage) -> None:
        topology = standing.topology(1, 1)
        system = standing.installed("restarted", contour())
        await system.start(standing.launch("restarted", topology))
        try:
            before = await system.counters()
            first = min(before.members)
            await standing.run._objects.delete(
                [Ref("v1", "Pod", first, system.recipe.site.namespace)], grace_s=0
            )
            await asyncio.sleep(1)
            counted = counted_between(before, await system.counters())
            assert counted.requests is None
            assert first in counted.uncounted[0]
            assert f"{first} has gone" in str(system.failure())
        finally:
            await system.stop()

    played(tmp_path, work)


@pytest.mark.parametrize(
    ("label", "options"),
    [
        ("traefik-ingress", traefik),
        ("traefik-httproute", lambda: traefik(route_dialect="HTTPRoute", proxies=1)),
        ("envoy-gateway", envoy_gateway),
    ],
)
def test_the_others_serve_and_count(label: str, options: Callable[[], SystemOptions], tmp_path: Path) -> None:
    async def work(standing: Stage) -> None:
        topology = standing.topology(4, 2)
        system = standing.installed(label, options())
        endpoints = await system.start(standing.launch(label, topology))
        try:
            require_in_force(await system.settings())
            await assert_counts_agree(standing, system, endpoints, topology)
        finally:
            await system.stop()

    played(tmp_path, work)


def test_a_pod_that_takes_minutes_to_end_does_not_hold_what_is_removed(tmp_path: Path) -> None:
    async def work(standing: Stage) -> None:
        namespace = f"st-{standing.run.run_id}-slow"
        await standing.run.namespace(namespace)
        container = {
            "name": "slow",
            "image": images()["toolbox"],
            "command": ["/bin/sh", "-c", "trap '' TERM; while true; do sleep 1; done"],
        }
        # Its namespace would be looked at again after 301 s, and a removal has 120 s.
        spec = {"terminationGracePeriodSeconds": 600, "containers": [container]}
        pod = {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": "slow", "namespace": namespace},
            "spec": spec,
        }
        await standing.run.apply([pod])
        deadline_s = time.monotonic() + 60
        while (await standing.run._objects.get(pod) or {}).get("status", {}).get("phase") != "Running":
            assert time.monotonic() < deadline_s
            await asyncio.sleep(0.2)
        await standing.run.remove()

    played(tmp_path, work)


def test_what_was_found_is_described_and_gets_routes_which_are_removed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(found, "ADDRESS_LIMIT_S", 1.0)

    async def work(standing: Stage) -> None:
        topology = standing.topology(2, 1)
        site = Site(f"st-{standing.run.run_id}-found", "found")
        pods = f"st-{standing.run.run_id}-origin/app.kubernetes.io/name=origin"
        options = IngressOptions(class_name="nobody", address="10.0.0.7:81", pods=pods)
        system = Found(options, site, standing.run)
        assert await system.start(standing.launch("found", topology)) == (Endpoint("10.0.0.7", 81),)
        routes = await standing.client.get(
            f"/apis/networking.k8s.io/v1/namespaces/{site.namespace}/ingresses"
        )
        assert [one["spec"]["ingressClassName"] for one in routes.body["items"]] == ["nobody"] * 2
        said = {setting.name: setting.in_force for setting in await system.settings()}
        assert "sha256:" in str(said["origin: image"])
        assert (said["origin: cpu"], said["node"]) != (None, None)
        # So their nodes are read as those of any system, and no worker may be beside them.
        assert {member.pod.node for member in system.members() if member.pod} == {"origin"}
        await system.stop()
        assert await standing.run._objects.get(Ref("v1", "Namespace", site.namespace)) is None
        nowhere = Found(IngressOptions(class_name="nobody"), site, standing.run)
        with pytest.raises(SystemFault, match="nobody has given found an address") as raised:
            await nowhere.start(standing.launch("found", topology))
        assert "no controller serves the class nobody" in str(raised.value.cause)
        assert await standing.run._objects.get(Ref("v1", "Namespace", site.namespace)) is None

    played(tmp_path, work)
