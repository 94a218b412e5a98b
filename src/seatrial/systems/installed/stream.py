"""What a trial makes of one system, its topology and its origin, as it can be written before any of it runs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from seatrial.systems.installed.kinds import found
from seatrial.systems.installed.kinds.choice import recipe_of
from seatrial.systems.installed.kinds.found import ClassOptions, UrlOptions
from seatrial.systems.installed.kinds.recipe import Asked
from seatrial.systems.installed.manifests.objects import ROLE, Site
from seatrial.systems.installed.manifests.origin import origin, selecting
from seatrial.systems.installed.manifests.routes import routes
from seatrial.topology.expand import expand

if TYPE_CHECKING:
    from collections.abc import Iterator

    from seatrial.systems.installed.manifests.objects import Object
    from seatrial.systems.options import SystemOptions
    from seatrial.systems.origins.options import OriginPlan
    from seatrial.topology.options import TopologyPlan


@dataclass(frozen=True, slots=True)
class Behind:
    """What is behind a system: ``image`` is that of the origin, ``any_host`` what requests say where any would do."""

    topology: TopologyPlan
    origin: OriginPlan
    image: str
    any_host: str


def objects_of(site: Site, options: SystemOptions, behind: Behind, asked: Asked) -> Iterator[Object]:
    """Yield what a run would make of one system, in the order in which it may be made.

    The services are in front of all origin pods, as many as a service has endpoints: a run, which knows the pods'
    addresses, writes the endpoints of each service down itself.
    """
    if isinstance(options, UrlOptions):
        # Nothing is made for what serves already.
        return
    origin_site = Site(site.namespace, site.label, {ROLE: "origin"} if site.nodes else {})
    expanded = expand(behind.topology, (), any_host=behind.any_host)
    if isinstance(options, ClassOptions):
        yield from found.before(site, options, has_tls=asked.has_tls)
        annotations, dialect, door = options.service_annotations, found.dialect(options), found.door(options)
    else:
        recipe = recipe_of(options, site)
        yield from recipe.system(asked)
        annotations, dialect, door = dict(recipe.annotations(asked)), recipe.dialect, recipe.door
    yield origin(origin_site, behind.origin, behind.topology.endpoints, behind.image)
    yield from selecting(site, behind.topology, annotations)
    yield from routes(site, expanded, dialect, door, has_tls=asked.has_tls)
