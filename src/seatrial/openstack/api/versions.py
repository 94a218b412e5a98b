"""Which versions Neutron and Octavia say that they have: what a client asks before it asks anything else."""

from __future__ import annotations

from typing import Any

from aiohttp import web

from seatrial.faults.control import json_answer
from seatrial.openstack.api.answers import base_of

OCTAVIA_VERSIONS = ("v2.0", "v2.13", "v2.26")
"""The last is the current one; they differ in attributes that are shown for all."""


def version_routes() -> list[web.RouteDef]:
    """Return the pages of versions."""
    return [
        *(web.get(f"/network{end}", _neutron) for end in ("", "/")),
        *(web.get(f"/network/v2.0{end}", _neutron_resources) for end in ("", "/")),
        web.get("/network/v2.0/extensions", _extensions),
        *(web.get(f"/load-balancer{end}", _octavia) for end in ("", "/")),
    ]


async def _neutron(request: web.Request) -> web.Response:
    return json_answer({"versions": [_version("v2.0", "CURRENT", f"{base_of(request)}/network/v2.0/")]})


async def _neutron_resources(request: web.Request) -> web.Response:
    kinds = ("loadbalancers", "listeners", "pools", "healthmonitors")
    base = f"{base_of(request)}/network/v2.0/lbaas"
    return json_answer(
        {
            "resources": [
                {
                    "name": kind.removesuffix("s"),
                    "collection": kind,
                    "links": [{"rel": "self", "href": f"{base}/{kind}"}],
                }
                for kind in kinds
            ]
        }
    )


async def _extensions(_: web.Request) -> web.Response:
    described = {
        "alias": "lbaasv2",
        "name": "LoadBalancing service v2",
        "description": "Provides the load balancers of the simulator",
        "updated": "2014-06-18T10:00:00-00:00",
        "links": [],
    }
    return json_answer({"extensions": [described]})


async def _octavia(request: web.Request) -> web.Response:
    url = f"{base_of(request)}/load-balancer/v2"
    statuses = [*["SUPPORTED"] * (len(OCTAVIA_VERSIONS) - 1), "CURRENT"]
    return json_answer(
        {
            "versions": [
                _version(name, status, url) for name, status in zip(OCTAVIA_VERSIONS, statuses, strict=True)
            ]
        }
    )


def _version(name: str, status: str, url: str) -> dict[str, Any]:
    return {
        "id": name,
        "status": status,
        "updated": "2021-05-05T00:00:00Z",
        "links": [{"rel": "self", "href": url}],
    }
