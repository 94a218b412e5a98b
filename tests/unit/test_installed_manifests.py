"""The objects of systems on a cluster, without a cluster: each as a person would read it, and what must hold of all."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice, product
from pathlib import Path
from typing import Any

import pytest
import yaml

from seatrial.errors import PlanError
from seatrial.machine.address import Endpoint
from seatrial.plan.read import ANY_HOST
from seatrial.systems.caddy.system import CaddyOptions
from seatrial.systems.certificate import Certificate
from seatrial.systems.envoy.system import EnvoyOptions
from seatrial.systems.installed.kinds.choice import recipe_of
from seatrial.systems.installed.kinds.contour import ContourOptions
from seatrial.systems.installed.kinds.envoy_gateway import EnvoyGatewayOptions
from seatrial.systems.installed.kinds.recipe import Asked, Recipe
from seatrial.systems.installed.manifests.documents import documents
from seatrial.systems.installed.manifests.objects import ROLE, Site
from seatrial.systems.installed.rights import rights_of
from seatrial.systems.traefik import TraefikOptions
from seatrial.topology.expand import Topology, expand
from seatrial.topology.options import TopologyPlan

SITE = Site("seatrial-a-run-contour", "contour", {ROLE: "proxy"})
PLAIN, SECURE = Asked(has_tls=False, max_connections=600), Asked(has_tls=True, max_connections=600)
KINDS = {
    "contour": ContourOptions(proxies=2),
    "contour-ingress": ContourOptions(route_dialect="Ingress"),
    "contour-httproute": ContourOptions(route_dialect="HTTPRoute"),
    "envoy-gateway": EnvoyGatewayOptions(),
    "traefik-ingress": TraefikOptions(),
    "traefik-httproute": TraefikOptions(route_dialect="HTTPRoute"),
}


def topology_of(**numbers: Any) -> Topology:
    plan = TopologyPlan(**numbers)
    return expand(
        plan,
        [
            Endpoint(f"10.0.{number // 250}.{1 + number % 250}", 9000)
            for number in range(plan.endpoints_in_all)
        ],
        any_host=ANY_HOST,
    )


def objects_of(recipe: Recipe, topology: Topology, asked: Asked = PLAIN, files: Any = None) -> list[Any]:
    return [*recipe.system(asked), *recipe.topology(topology, asked, files)]


def as_yaml(objects: list[Any]) -> str:
    return "".join(documents(objects))


def pod_specs(objects: list[Any]) -> Iterator[dict[str, Any]]:
    return (one["spec"]["template"]["spec"] for one in objects if one["kind"] == "Deployment")


@pytest.mark.parametrize("kind", KINDS)
def test_the_objects_of_each_kind(kind, snapshot):
    assert as_yaml(objects_of(recipe_of(KINDS[kind], SITE), topology_of(routes=2, services=1))) == snapshot


@pytest.mark.parametrize("dialect", ["HTTPProxy", "Ingress", "HTTPRoute"])
def test_routes_by_path_and_over_tls(dialect, snapshot, tmp_path):
    files = Certificate(tmp_path / "cert.pem", tmp_path / "key.pem", tmp_path / "ca.pem")
    files.cert.write_text("a certificate")
    files.key.write_text("a key")
    recipe = recipe_of(ContourOptions(route_dialect=dialect), SITE)
    made = list(recipe.topology(topology_of(routes=2, by="path", services=1), SECURE, files))
    made += [one for one in recipe.system(SECURE) if one["kind"] == "Gateway"]
    assert as_yaml(made) == snapshot


@pytest.mark.parametrize("kind", KINDS)
def test_no_pod_has_rights_over_its_node_and_each_has_what_is_reserved_for_it(kind):
    objects = objects_of(recipe_of(KINDS[kind], SITE), topology_of())
    for spec in pod_specs(objects):
        assert spec["securityContext"]["runAsNonRoot"] is True
        assert spec["nodeSelector"] == {ROLE: "proxy"}
        for container in (*spec.get("initContainers", ()), *spec["containers"]):
            assert container["securityContext"]["readOnlyRootFilesystem"] is True
            assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}
            assert container["resources"]["requests"] == container["resources"]["limits"]
            assert ":" in container["image"]
            assert not container["image"].endswith(":latest")


# Envoy Gateway makes its Envoys itself.
@pytest.mark.parametrize("kind", sorted(KINDS.keys() - {"envoy-gateway"}))
def test_nothing_may_be_written_but_statuses_and_events(kind):
    roles = [one for one in objects_of(recipe_of(KINDS[kind], SITE), topology_of()) if "rules" in one]
    assert roles
    for rule in (rule for role in roles for rule in role["rules"]):
        writes = set(rule["verbs"]) - {"get", "list", "watch"}
        assert not writes or all(name == "events" or name.endswith("/status") for name in rule["resources"])


@pytest.mark.parametrize("kind", KINDS)
def test_everything_is_in_the_namespace_or_has_its_name(kind):
    for one in objects_of(recipe_of(KINDS[kind], SITE), topology_of(routes=3)):
        metadata = one["metadata"]
        assert metadata.get("namespace", SITE.namespace) == SITE.namespace
        assert "namespace" in metadata or metadata["name"].startswith(SITE.namespace)


def test_ten_thousand_routes_are_made_as_they_are_asked_for():
    recipe = recipe_of(ContourOptions(), SITE)
    topology = topology_of(routes=10_000, services=10_000)
    objects = recipe.topology(topology, PLAIN, None)
    assert [one["kind"] for one in islice(objects, 3)] == ["Service", "EndpointSlice", "Service"]
    assert sum(1 for one in objects if one["kind"] == "HTTPProxy") == 10_000


def test_endpoints_are_in_slices_that_the_api_takes_and_each_is_in_one():
    recipe = recipe_of(ContourOptions(), SITE)
    plan = TopologyPlan(endpoints=250)
    hosts = [Endpoint(f"10.0.{number // 250}.{1 + number % 250}", 9000 + number % 2) for number in range(250)]
    made = [
        one for one in recipe.topology(expand(plan, hosts), PLAIN, None) if one["kind"] == "EndpointSlice"
    ]
    assert len({one["metadata"]["name"] for one in made}) == len(made)
    assert all(len(one["endpoints"]) <= 100 for one in made)
    found = [(item["addresses"][0], one["ports"][0]["port"]) for one in made for item in one["endpoints"]]
    assert sorted(found) == sorted((host.host, host.port) for host in hosts)


@pytest.mark.parametrize(("limits", "found"), [("raised", "50000"), ("default", None), (100, "100")])
def test_circuit_breakers_are_raised_unless_the_plan_says_otherwise(limits, found):
    recipe = recipe_of(ContourOptions(limits=limits), SITE)
    service = next(recipe.topology(topology_of(), PLAIN, None))
    annotations = service["metadata"].get("annotations", {})
    assert set(annotations.values()) == ({found} if found else set())
    assert len(annotations) == (4 if found else 0)


def test_breakers_are_above_the_connections_that_there_will_be():
    recipe = recipe_of(ContourOptions(), SITE)
    many = Asked(has_tls=False, max_connections=80_000)
    service = next(recipe.topology(topology_of(), many, None))
    assert set(service["metadata"]["annotations"].values()) == {"80000"}


def test_an_http_proxy_without_a_host_of_its_own_has_one_that_is_known():
    recipe = recipe_of(ContourOptions(), SITE)
    *_, route = recipe.topology(topology_of(), PLAIN, None)
    assert route["spec"]["virtualhost"] == {"fqdn": ANY_HOST}


def test_an_envoy_of_a_plan_for_one_machine_is_contours_on_a_cluster():
    recipe = recipe_of(EnvoyOptions(proxies=3, concurrency=2, limits=77), SITE)
    assert recipe.replicas() == 3
    objects = objects_of(recipe, topology_of())
    (envoy,) = (spec for spec in pod_specs(objects) if spec["containers"][0]["name"] == "envoy")
    assert "--concurrency 2" in " ".join(envoy["containers"][0]["args"])
    assert envoy["containers"][0]["resources"]["limits"]["cpu"] == "2000m"


@pytest.mark.parametrize(
    "options", [CaddyOptions(), EnvoyOptions(config={"a": 1}), EnvoyOptions(access_log="file")]
)
def test_what_there_is_not_on_a_cluster_is_refused_with_the_reason(options):
    with pytest.raises(PlanError):
        recipe_of(options, SITE)


def test_an_image_of_ones_own_takes_the_makers_place(tmp_path: Path):
    options = ContourOptions(
        image="registry.example.com/contour:mine", proxy_image="registry.example.com/envoy:mine"
    )
    images = {c["image"] for spec in pod_specs(objects_of(recipe_of(options, SITE), topology_of()))
              for c in (*spec.get("initContainers", ()), *spec["containers"])}  # fmt: skip
    assert images == {"registry.example.com/contour:mine", "registry.example.com/envoy:mine"}


PLAN = """
name: talk
systems:
  [contour: {proxies: 2}, envoy, traefik, envoy-gateway, ingress: {class: nginx}, gateway: {class: any}, url: {url: http://a}]
origin: {body: 600 B, delay: 5 ms, capacity: 1k/s}
topology: {routes: 3, services: 2, endpoints: 2}
load: {active: 10, rate: 100/s}
phases: {measure: 10 s}
"""


@pytest.fixture
def printed(tmp_path, invoke):
    def run(text: str, *flags: str) -> Any:
        (tmp_path / "plan.yaml").write_text(text)
        return invoke("manifests", str(tmp_path / "plan.yaml"), *flags)

    return run


def test_the_stream_of_a_plan_is_every_systems_objects(printed):
    run = printed(PLAN)
    assert (run.code, run.stderr) == (0, "")
    objects = [one for one in yaml.safe_load_all(run.stdout) if one]
    by_namespace: dict[str, list[str]] = {}
    for one in objects:
        namespace = one["metadata"].get("namespace", "")
        by_namespace.setdefault(namespace, []).append(one["kind"])
    for label in ("contour", "envoy", "traefik", "envoy-gateway", "ingress", "gateway"):
        kinds = by_namespace[f"seatrial-talk-{label}"]
        assert sum(kinds.count(kind) for kind in ("HTTPProxy", "Ingress", "HTTPRoute")) == 3
    assert "seatrial-talk-url" not in by_namespace
    origins = [one for one in objects if one["kind"] == "Deployment" and one["metadata"]["name"] == "origin"]
    (container,) = origins[0]["spec"]["template"]["spec"]["containers"]
    words = " ".join(container["args"])
    assert (origins[0]["spec"]["replicas"], "--delay 5000us" in words, "--capacity 500/s" in words) == (
        2,
        True,
        True,
    )


def test_services_of_a_stream_select_the_origin_that_is_in_it(printed):
    objects = [one for one in yaml.safe_load_all(printed(PLAN, "--case", "contour").stdout) if one]
    (origin,) = (
        one for one in objects if one["kind"] == "Deployment" and one["metadata"]["name"] == "origin"
    )
    services = [one for one in objects if one["metadata"]["name"].startswith("service-")]
    assert len(services) == 2
    for service in services:
        assert service["spec"]["selector"].items() <= origin["spec"]["template"]["metadata"]["labels"].items()
        assert service["metadata"]["annotations"]["projectcontour.io/max-requests"] == "50000"


def test_definitions_come_first_where_they_are_asked_for(printed):
    objects = [
        one for one in yaml.safe_load_all(printed(PLAN, "--case", "contour", "--definitions").stdout) if one
    ]
    assert [one["metadata"]["name"] for one in objects[:2]] == [
        "httpproxies.projectcontour.io", "tlscertificatedelegations.projectcontour.io",
    ]  # fmt: skip


def test_a_system_that_there_is_not_on_a_cluster_is_refused_before_anything_is_printed(printed):
    run = printed(PLAN.replace("envoy, traefik", "nginx, traefik"))
    assert (run.code, run.stdout) == (2, "")
    assert "`nginx` is not installed on a cluster" in run.stderr


def test_a_case_that_is_not_there_is_refused(printed):
    run = printed(PLAN, "--case", "none")
    assert (run.code, run.stdout) == (2, "")
    assert "has no case none" in run.stderr


@pytest.mark.parametrize("kind", KINDS)
def test_the_rights_that_a_system_takes_are_those_of_its_objects_and_what_it_grants(kind):
    rights = {str(right) for right in rights_of(KINDS[kind])}
    assert {"get pods/proxy", "create deployments.apps", "delete namespaces"} <= rights
    objects = objects_of(recipe_of(KINDS[kind], SITE), topology_of())
    for rule in (rule for one in objects for rule in one.get("rules", ()) if one["kind"].endswith("Role")):
        for group, resource, verb in product(rule["apiGroups"], rule["resources"], rule["verbs"]):
            name, _, sub = resource.partition("/")
            whole = f"{name}{f'.{group}' if group else ''}{f'/{sub}' if sub else ''}"
            assert f"{verb} {whole}" in rights


def test_the_rights_name_each_kind_as_the_api_does():
    rights = {str(right) for kind in KINDS.values() for right in rights_of(kind)}
    for resource in (
        "httpproxies.projectcontour.io", "ingresses.networking.k8s.io", "ingressclasses.networking.k8s.io",
        "gatewayclasses.gateway.networking.k8s.io", "backendtrafficpolicies.gateway.envoyproxy.io",
        "envoyproxies.gateway.envoyproxy.io", "endpointslices.discovery.k8s.io", "configmaps",
    ):  # fmt: skip
        assert f"patch {resource}" in rights
