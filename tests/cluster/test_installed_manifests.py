"""A real API server takes every object that is rendered: it knows each field, and allows each value."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from seatrial.cluster.access import open_cluster
from seatrial.cluster.client import Client
from seatrial.cluster.connection.kubeconfig import Where
from seatrial.cluster.owned import Owned
from seatrial.cluster.resources import ref_of
from seatrial.machine.address import Endpoint
from seatrial.machine.processes.changes import Unrecorded
from seatrial.systems.certificate import Certificate
from seatrial.systems.installed.kinds.choice import recipe_of
from seatrial.systems.installed.kinds.contour import ContourOptions
from seatrial.systems.installed.kinds.envoy_gateway import EnvoyGatewayOptions
from seatrial.systems.installed.kinds.recipe import Asked
from seatrial.systems.installed.made import Made
from seatrial.systems.installed.manifests.objects import ROLE, Site
from seatrial.systems.installed.manifests.origin import origin, selecting
from seatrial.systems.options import SystemOptions
from seatrial.systems.origins.options import OriginPlan
from seatrial.systems.traefik import TraefikOptions
from seatrial.topology.expand import expand
from seatrial.topology.options import TopologyPlan

pytestmark = pytest.mark.cluster

KINDS: dict[str, SystemOptions] = {
    "contour": ContourOptions(proxies=2, buffer_bytes=65_536, keepalive_upstream=0),
    "contour-ingress": ContourOptions(route_dialect="Ingress"),
    "contour-httproute": ContourOptions(route_dialect="HTTPRoute"),
    "envoy-gateway": EnvoyGatewayOptions(buffer_bytes=65_536),
    "traefik-ingress": TraefikOptions(),
    "traefik-httproute": TraefikOptions(route_dialect="HTTPRoute"),
}
STRICTLY = {"fieldManager": "a-test", "force": "true", "dryRun": "All", "fieldValidation": "Strict"}


async def taken(client: Client, objects: list[dict[str, Any]]) -> int:
    """Have the API server look at them, without making any; return how many it took."""
    for one in objects:
        ref = ref_of(one)
        resource = await client.resources.of(one)
        await client.patch(
            resource.path(ref.namespace, ref.name), one, "apply", STRICTLY, asked=f"take {ref}"
        )
    return len(objects)


@pytest.mark.parametrize("by", ["host", "path"])
@pytest.mark.parametrize("kind", KINDS)
def test_the_api_server_takes_every_object(kind: str, by: Any, where: Where, tmp_path: Path) -> None:
    site = Site(f"taken-{kind}-{by}", kind, {ROLE: "proxy"})
    plan = TopologyPlan(routes=2, services=1, endpoints=2, by=by)
    topology = expand(plan, [Endpoint("10.0.0.1", 9000), Endpoint("10.0.0.2", 9001)])
    files = Certificate.issue(tmp_path, ["ingress.example.com"])
    recipe = recipe_of(KINDS[kind], site)

    async def look() -> None:
        async with open_cluster(where) as client:
            run = Owned(client, f"run-{kind}-{by}", Unrecorded())
            await Made(run, site).require(recipe.needs)
            await run.namespace(site.namespace)
            for asked, secret in ((Asked(False, 600), None), (Asked(True, 600), files)):
                objects = [*recipe.system(asked), *recipe.topology(topology, asked, secret)]
                objects += [origin(site, OriginPlan(), 2, "seatrial:any"), *selecting(site, plan, {})]
                assert await taken(client, objects) == len(objects) > 10

    asyncio.run(look())
