"""The Job of workers or origins: what the cluster is asked for, field by field."""

from __future__ import annotations

from typing import Any

from tests.support.pods import job

from seatrial.pods.job import manifest_of


def pod_of(manifest: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = manifest["spec"]["template"]["spec"]
    return found


def test_no_pod_is_replaced_and_none_outlives_its_load() -> None:
    spec = manifest_of(job(4))["spec"]
    assert (spec["completions"], spec["parallelism"], spec["completionMode"]) == (4, 4, "Indexed")
    assert (spec["backoffLimitPerIndex"], spec["podReplacementPolicy"]) == (0, "Failed")
    # One that is lost does not take the others with it.
    assert "backoffLimit" not in spec
    assert spec["activeDeadlineSeconds"] == 60
    assert spec["template"]["spec"]["restartPolicy"] == "Never"


def test_a_pod_may_do_nothing_but_its_work() -> None:
    pod = pod_of(manifest_of(job(1)))
    assert pod["automountServiceAccountToken"] is False
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    security = pod["containers"][0]["securityContext"]
    assert security == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert not {"volumes", "hostNetwork", "hostPID", "initContainers"} & set(pod)


def test_requests_are_limits() -> None:
    resources = pod_of(manifest_of(job(1, cpu="2", memory_bytes=1 << 30)))["containers"][0]["resources"]
    assert resources["requests"] == resources["limits"] == {"cpu": "2", "memory": "1073741824"}


def test_a_way_to_a_pod_that_is_closed_is_not_its_end() -> None:
    container = pod_of(manifest_of(job(1)))["containers"][0]
    assert (container["stdin"], container["stdinOnce"]) == (True, False)
    assert container["args"] == ["worker"]


def test_pods_are_on_their_nodes_and_away_from_the_proxys() -> None:
    given = job(2, on_nodes={"role": "load"}, away_from={"app": "envoy"}, ports=(1024, 65535))
    pod = pod_of(manifest_of(given))
    assert pod["nodeSelector"] == {"role": "load"}
    (term,) = pod["affinity"]["podAntiAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]
    assert term == {
        "labelSelector": {"matchLabels": {"app": "envoy"}},
        "namespaceSelector": {},
        "topologyKey": "kubernetes.io/hostname",
    }
    sysctl = {"name": "net.ipv4.ip_local_port_range", "value": "1024 65535"}
    assert pod["securityContext"]["sysctls"] == [sysctl]


def test_what_is_not_asked_for_is_not_there() -> None:
    pod = pod_of(manifest_of(job(1)))
    assert not {"nodeSelector", "affinity"} & set(pod)
    assert "sysctls" not in pod["securityContext"]


def test_a_pod_is_found_by_its_run_and_its_role() -> None:
    manifest = manifest_of(job(1, "origin", labels={"seatrial.dev/run": "r1"}))
    labels = {"seatrial.dev/run": "r1", "seatrial.dev/role": "origin"}
    assert manifest["metadata"]["labels"] == manifest["spec"]["template"]["metadata"]["labels"] == labels
