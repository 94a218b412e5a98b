"""The whole of a cluster, in the order of its life: one is started for all of these tests."""

from __future__ import annotations

import os
import re
import signal
from collections.abc import Callable, Iterator
from contextlib import suppress
from ipaddress import ip_address, ip_network
from pathlib import Path

import pytest
from tests.support.clusters import ask, eventually, need_cluster, own_cluster, pod
from tests.support.program import Outcome
from tools.cluster import objects, processes
from tools.cluster.down import down
from tools.cluster.images import asked
from tools.cluster.images.catalogue import ALL, SEATRIAL, TOOLBOX
from tools.cluster.layout import ROLE_LABEL, ROLES, SERVICE_NETWORK, Cluster
from tools.cluster.namespaces import KUBELET_SETTINGS
from tools.cluster.remains import processes_of, scan
from tools.cluster.up import up

import seatrial

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(300)]

SERVE = (
    "mkdir /www; hostname > /www/index.html; (while sleep 0.1; do :; done) & exec httpd -f -p 8080 -h /www"
)
PRINT_INDEX = (
    "import os, ssl, seatrial._engine; print('index', os.environ['JOB_COMPLETION_INDEX'], os.getuid())"
)
WORKERS = 3
PLAN = """\
name: small
systems: [{traefik: {cpus: 0.2, memory: 128 MiB}}]
origin: {body: 777 B}
topology: {routes: 2, services: 2}
load: {rate: 100/s}
phases: {measure: 5 s}
"""


HOMES = ("/run/containerd", "/var/lib/kubelet", "/var/lib/cni", "/var/log/pods", "/var/log/containers")
"""Where kubelets, containerd and network plugins keep their state, on this machine as on any."""


def settings() -> dict[str, str]:
    """Return what a kubelet would set of this machine."""
    return {name: Path(f"/proc/sys/{name}").read_text() for name in KUBELET_SETTINGS}


@pytest.fixture(scope="module")
def before() -> dict[str, str]:
    need_cluster()
    return settings()


@pytest.fixture(scope="module")
def cluster(before: dict[str, str]) -> Iterator[Cluster]:
    with own_cluster("whole") as made:
        yield made


@pytest.fixture(scope="module")
def addresses(cluster: Cluster) -> dict[str, str]:
    """Serve a page from a pod on each node, and return their addresses by role; one of them has a Service."""
    service = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "target", "namespace": "default"},
        "spec": {"selector": {"app": "web-origin"}, "ports": [{"port": 80, "targetPort": 8080}]},
    }
    pods = [pod(f"web-{role}", role, TOOLBOX.reference, "/bin/sh", "-c", SERVE) for role in ROLES]
    objects.apply(cluster, [service, *pods])
    wait_for_pods(cluster)
    found = ask(cluster, "pods")["items"]
    assert {one["metadata"]["name"]: one["spec"]["nodeName"] for one in found} == {
        f"web-{role}": role for role in ROLES
    }
    return {one["spec"]["nodeName"]: one["status"]["podIP"] for one in found}


def wait_for_pods(cluster: Cluster) -> None:
    names = [f"pod/web-{role}" for role in ROLES]
    objects.kubectl(cluster, "wait", "--for=condition=Ready", *names, "--timeout=60s")


def fetch(cluster: Cluster, role: str, host: str) -> str:
    """Return the page of a host, asked from the pod of a role."""
    words = ("exec", f"web-{role}", "--", "timeout", "10", "wget", "-q", "-O", "-", f"http://{host}/")
    return objects.kubectl(cluster, *words).strip()


def test_each_role_has_a_node_that_is_ready_and_says_so(cluster: Cluster) -> None:
    nodes = ask(cluster, "nodes")["items"]
    assert {node["metadata"]["labels"][ROLE_LABEL]: node["metadata"]["name"] for node in nodes} == {
        role: role for role in ROLES
    }
    for node in nodes:
        ready = [one["status"] for one in node["status"]["conditions"] if one["type"] == "Ready"]
        assert ready == ["True"]
        images = {name for image in node["status"]["images"] for name in image["names"]}
        assert {SEATRIAL.reference, *asked.names()} <= images
    assert len({node["status"]["addresses"][0]["address"] for node in nodes}) == len(ROLES)


def test_pods_reach_each_other_across_nodes_and_by_the_name_of_a_service(
    cluster: Cluster, addresses: dict[str, str]
) -> None:
    for node in cluster.nodes:
        assert ip_address(addresses[node.role]) in ip_network(node.pod_network)
    for role in ROLES:
        for other in ROLES:
            assert fetch(cluster, role, f"{addresses[other]}:8080") == f"web-{other}"
        # The pod behind the Service asks itself, too, and the answer has to find its way back through the node's NAT.
        assert fetch(cluster, role, "target") == "web-origin"
        assert fetch(cluster, role, "target.default.svc.cluster.local") == "web-origin"
    address = ask(cluster, "service", "target")["spec"]["clusterIP"]
    assert ip_address(address) in ip_network(SERVICE_NETWORK)


def test_an_indexed_job_runs_the_engine_as_nobody_with_a_read_only_root(cluster: Cluster) -> None:
    container = {
        "name": "main",
        # As a plan's own objects ask for it.
        "image": f"seatrial:{seatrial.__version__}",
        "imagePullPolicy": "IfNotPresent",
        "command": ["python3", "-c", PRINT_INDEX],
        "securityContext": {
            "runAsNonRoot": True,
            "readOnlyRootFilesystem": True,
            "allowPrivilegeEscalation": False,
        },
        "resources": {"limits": {"cpu": "500m", "memory": "64Mi"}},
    }
    spec = {
        "nodeSelector": {ROLE_LABEL: "load"},
        "restartPolicy": "Never",
        "automountServiceAccountToken": False,
        "containers": [container],
    }
    job = {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": "workers", "namespace": "default"},
        "spec": {
            "completions": WORKERS, "parallelism": WORKERS, "completionMode": "Indexed", "backoffLimit": 0,
            "template": {"spec": spec},
        },
    }  # fmt: skip
    objects.apply(cluster, [job])
    objects.kubectl(cluster, "wait", "--for=condition=Complete", "job/workers", "--timeout=60s")
    pods = ask(cluster, "pods", "--selector=job-name=workers")["items"]
    said = [objects.kubectl(cluster, "logs", one["metadata"]["name"]).strip() for one in pods]
    assert sorted(said) == [f"index {index} 65532" for index in range(WORKERS)]
    assert {one["spec"]["nodeName"] for one in pods} == {"load"}


def test_what_manifests_prints_of_a_plan_serves_when_it_is_applied(
    cluster: Cluster, addresses: dict[str, str], tmp_path: Path, invoke: Callable[..., Outcome]
) -> None:
    plan = tmp_path / "small.yaml"
    plan.write_text(PLAN)
    printed = invoke("manifests", str(plan))
    assert printed.code == 0
    assert "image: seatrial:" in printed.stdout
    namespace = "--namespace=seatrial-small-traefik"
    objects.kubectl(cluster, "apply", "-f", "-", given=printed.stdout)
    try:
        deployments = ("deployment/origin", "deployment/traefik")
        objects.kubectl(
            cluster, "wait", namespace, "--for=condition=Available", *deployments, "--timeout=60s"
        )
        proxy = ask(cluster, namespace, "service", "traefik")["spec"]["clusterIP"]

        def size(host: str) -> str:
            asked = f"timeout 10 wget -q -O - --header 'Host: {host}' http://{proxy}/ | wc -c"
            return objects.kubectl(cluster, "exec", "web-load", "--", "/bin/sh", "-c", asked).strip()

        # Only the plan's origin has answers of that size.
        eventually(lambda: size("route-1.example.com") == "777", "the origin answers through the proxy")
        assert size("nobody.example.com") == "0"
    finally:
        objects.kubectl(cluster, "delete", "--ignore-not-found", "-f", "-", given=printed.stdout)


def test_the_api_hands_on_what_a_node_measures_of_its_own_pods(
    cluster: Cluster, addresses: dict[str, str]
) -> None:
    def pods_of(role: str, what: str) -> set[str]:
        text = objects.kubectl(cluster, "get", "--raw", f"/api/v1/nodes/{role}/proxy/metrics/{what}")
        lines = [line for line in text.splitlines() if line.startswith("container_cpu_usage_seconds_total")]
        named = re.findall(r'container="main".*pod="web-(\w+)"', "\n".join(lines))
        return set(named)

    def each_has_its_own() -> bool:
        return all(pods_of(role, what) == {role} for role in ROLES for what in ("resource", "cadvisor"))

    eventually(each_has_its_own, "each node reports its own pod and no other")


def test_a_node_looks_at_its_pods_every_second(cluster: Cluster, addresses: dict[str, str]) -> None:
    """By itself a kubelet waits for 10 to 20 s between two looks: four would take 30 s at the least."""
    seen: set[str] = set()

    def four_looks() -> bool:
        text = objects.kubectl(cluster, "get", "--raw", "/api/v1/nodes/proxy/proxy/metrics/resource")
        line = r'^container_cpu_usage_seconds_total\{.*pod="web-proxy".*\} \S+ (\d+)$'
        seen.update(re.findall(line, text, re.MULTILINE))
        return len(seen) >= 4

    eventually(four_looks, "a pod that is at work was looked at four times", 25.0)


def test_a_second_up_changes_nothing(cluster: Cluster, addresses: dict[str, str]) -> None:
    before = processes_of(cluster)
    service = ask(cluster, "service", "kube-dns", "--namespace=kube-system")["metadata"]["resourceVersion"]
    assert up(cluster, print) is False
    # Short-lived ones, a probe or a helper of containerd, may have come or gone.
    assert set(processes.recorded(cluster).values()) <= before
    again = ask(cluster, "service", "kube-dns", "--namespace=kube-system")["metadata"]["resourceVersion"]
    assert again == service
    assert fetch(cluster, "load", "target") == "web-origin"


def test_it_comes_back_after_everything_was_killed(cluster: Cluster, addresses: dict[str, str]) -> None:
    killed = processes_of(cluster)
    # Four each node beside its pods, five of the control plane.
    assert len(killed) >= 5 + 4 * len(ROLES)
    for pid in killed:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    eventually(lambda: not processes_of(cluster) & killed, "they are dead")
    assert up(cluster, print) is True
    restarted = dict.fromkeys(ROLES, 0)

    def all_serve() -> bool:
        for one in ask(cluster, "pods", "--selector=app")["items"]:
            restarted[one["spec"]["nodeName"]] = one["status"]["containerStatuses"][0]["restartCount"]
        return all(restarted.values())

    eventually(all_serve, "every pod was started again", 90.0)
    wait_for_pods(cluster)
    assert fetch(cluster, "load", "target") == "web-origin"


def test_down_leaves_nothing_and_this_machine_as_it_was(
    cluster: Cluster, addresses: dict[str, str], before: dict[str, str]
) -> None:
    pods = ask(cluster, "pods")["items"]
    containers = [status["containerID"] for one in pods for status in one["status"]["containerStatuses"]]
    marks = [one["metadata"]["uid"] for one in pods] + [
        name.removeprefix("containerd://") for name in containers
    ]
    there = scan(cluster)
    for kind in ("process", "network namespace", "link", "mount", "control group", "folder"):
        assert [line for line in there if line.startswith(kind)], kind
    down(cluster, print)
    assert scan(cluster) == []
    # Another cluster, and one that is not of this kind, may have its own there meanwhile.
    left = [str(path) for home in HOMES for path in Path(home).rglob("*")]
    assert [path for path in left if any(mark in path for mark in marks)] == []
    assert settings() == before
    # Once more, where there is none.
    down(cluster, print)


def test_every_image_says_where_it_is_from() -> None:
    # A registry of that name cannot be: a node that lacks an image has to fail, and not to look elsewhere.
    assert all(named.reference.startswith("localhost/") for named in ALL)
