"""The names under which plans ask for images by themselves, so that a plan needs no ``image:`` to run on the lab.

They are taken from where plans have them, and each leads to what was built or fetched of that very version. Where that
cannot be had, what stands in is said (:data:`STANDS_IN`), and an image says its own version in its label.
"""

from __future__ import annotations

import functools

import seatrial
from seatrial.systems.installed.kinds import contour, envoy_gateway, traefik
from seatrial.systems.installed.kinds.choice import recipe_of
from seatrial.systems.installed.manifests.objects import Site
from seatrial.systems.traefik import TraefikOptions

STANDS_IN = {"1.38.9": "1.38.3"}
"""Versions of Envoy that PyPI does not have, and the nearest of the same minor version that it has."""
ENVOYS = tuple(
    STANDS_IN.get(version, version) for version in (contour.ENVOY_VERSION, envoy_gateway.ENVOY_VERSION)
)
"""The versions that Contour and Envoy Gateway are installed with."""


@functools.cache
def names() -> dict[str, str]:
    """Return what plans ask for, each with the image of the lab that it leads to; both are full names."""
    anywhere = Site("any", "any")
    contours = recipe_of(contour.ContourOptions(), anywhere).images
    gateways = recipe_of(envoy_gateway.EnvoyGatewayOptions(), anywhere).images
    traefiks = recipe_of(TraefikOptions(), anywhere).images
    return {
        # What containerd takes `seatrial:VERSION` for.
        f"docker.io/library/seatrial:{seatrial.__version__}": f"localhost/seatrial:{seatrial.__version__}",
        contours["contour"]: f"localhost/contour:{contour.VERSION}",
        gateways[envoy_gateway.NAME]: f"localhost/envoy-gateway:{envoy_gateway.VERSION}",
        contours["envoy"]: f"localhost/envoy:{ENVOYS[0]}",
        gateways["envoy"]: f"localhost/envoy:{ENVOYS[1]}",
        traefiks["traefik"]: f"localhost/traefik:{traefik.VERSION}",
    }


def of(reference: str) -> list[str]:
    """Return the names that lead to an image of the lab."""
    return [name for name, image in names().items() if image == reference]


def is_stand_in(name: str, reference: str) -> bool:
    """Return whether a name speaks of another version than the image has that it leads to."""
    return not name.endswith(reference.rpartition(":")[2])
