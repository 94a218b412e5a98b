"""Envoy's configuration from files that it watches: what may change while it serves, and else would need a restart.

A controller sends Envoy its routes, clusters, endpoints and certificates over xDS, each apart from the others, so that
a route that comes or goes closes no connection. The same resources may come from files (``path_config_source``), which
Envoy reads anew when another file is moved to their place. Made from the static bootstrap, which holds all the rest.
"""

from __future__ import annotations

import copy
import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

_TYPES = "type.googleapis.com/envoy"
_SECRET = "ingress"


def dynamic(
    document: Mapping[str, Any], directory: Path, label: str
) -> tuple[dict[str, Any], dict[Path, Any]]:
    """Return the bootstrap without what may change, and that by its file, in the order in which it may be written.

    An endpoint has to be known before its cluster, and a cluster before its route.
    """
    bootstrap = copy.deepcopy(dict(document))
    resources = bootstrap["static_resources"]

    def name_of(what: str) -> Path:
        return directory / f"{label}-{what}.json"

    files: dict[Path, Any] = {}
    clusters = [
        _by_eds(cluster, files, name_of(f"eds-{cluster['name']}")) for cluster in resources.pop("clusters")
    ]
    files[name_of("cds")] = _resources("config.cluster.v3.Cluster", clusters)
    (manager, *_), chain = _manager_of(resources)
    routes = manager.pop("route_config")
    files[name_of("rds")] = _resources("config.route.v3.RouteConfiguration", [routes])
    manager["rds"] = {"route_config_name": routes["name"], "config_source": _source(name_of("rds"))}
    if "transport_socket" in chain:
        _by_sds(chain["transport_socket"]["typed_config"]["common_tls_context"], files, name_of("sds"))
    bootstrap["node"] = {"id": label, "cluster": "seatrial", **bootstrap.get("node", {})}
    bootstrap["dynamic_resources"] = {"cds_config": _source(name_of("cds"))}
    return bootstrap, files


def write(files: Mapping[Path, Any], *, grows: bool) -> None:
    """Put each file in its place in one step, where it is another than before; in reverse where there are fewer."""
    for file in files if grows else reversed(tuple(files)):
        text = json.dumps(files[file], indent=2) + "\n"
        if not file.exists() or file.read_text() != text:
            written = file.with_suffix(".new")
            written.write_text(text)
            written.replace(file)


def _manager_of(resources: Mapping[str, Any]) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """Return the configurations of the connection manager, and the filter chain that it is in."""
    (chain, *_) = resources["listeners"][-1]["filter_chains"]
    managers = [
        item["typed_config"] for item in chain["filters"] if "route_config" in item.get("typed_config", {})
    ]
    return managers, chain


def _by_eds(cluster: Mapping[str, Any], files: dict[Path, Any], file: Path) -> dict[str, Any]:
    if cluster.get("type") != "STATIC":
        return dict(cluster)
    rest = {key: value for key, value in cluster.items() if key not in {"type", "load_assignment"}}
    files[file] = _resources("config.endpoint.v3.ClusterLoadAssignment", [cluster["load_assignment"]])
    return {**rest, "type": "EDS", "eds_cluster_config": {"eds_config": _source(file)}}


def _by_sds(context: dict[str, Any], files: dict[Path, Any], file: Path) -> None:
    (certificate,) = context.pop("tls_certificates")
    secret = {"name": _SECRET, "tls_certificate": certificate}
    files[file] = _resources("extensions.transport_sockets.tls.v3.Secret", [secret])
    context["tls_certificate_sds_secret_configs"] = [{"name": _SECRET, "sds_config": _source(file)}]


def _resources(kind: str, items: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    return {"resources": [{"@type": f"{_TYPES}.{kind}", **item} for item in items]}


def _source(file: Path) -> dict[str, Any]:
    return {"path_config_source": {"path": str(file)}, "resource_api_version": "V3"}
