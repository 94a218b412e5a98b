"""Pods of a system: as few rights as there are, as much CPU and memory as was asked for, and no more."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from seatrial.systems.installed.manifests.objects import INSTANCE, NAME, Object, Site

if TYPE_CHECKING:
    from collections.abc import Mapping

NOBODY = 65_534
"""The user of pods: it owns nothing, on any image."""
GRACE_S = 5
"""What is still being answered when a system is taken down is nobody's measurement."""


@dataclass(frozen=True, slots=True)
class Resources:
    """What a container may use, which is reserved for it as well: so its pod is of the class Guaranteed."""

    cpus: float
    memory_bytes: int

    @property
    def plain(self) -> dict[str, Any]:
        """Both as a container has them."""
        amounts = {"cpu": f"{round(self.cpus * 1000)}m", "memory": str(self.memory_bytes)}
        return {"requests": amounts, "limits": dict(amounts)}


@dataclass(frozen=True, slots=True)
class Container:
    """A program in a pod. ``ports`` are those that it listens on, by name; ``mounts`` are folders by their volume."""

    name: str
    image: str
    command: tuple[str, ...]
    args: tuple[str, ...]
    resources: Resources
    ports: Mapping[str, int] = field(default_factory=dict)
    mounts: Mapping[str, str] = field(default_factory=dict)
    environment: Mapping[str, str] = field(default_factory=dict)
    fields: Mapping[str, str] = field(default_factory=dict)
    ready: Mapping[str, Any] | None = None

    @property
    def plain(self) -> dict[str, Any]:
        """The container as it stands in a pod."""
        environment = [
            *({"name": name, "value": value} for name, value in self.environment.items()),
            *(
                {"name": name, "valueFrom": {"fieldRef": {"apiVersion": "v1", "fieldPath": path}}}
                for name, path in self.fields.items()
            ),
        ]
        ports = [
            {"name": name, "containerPort": port, "protocol": "TCP"} for name, port in self.ports.items()
        ]
        mounts = [{"name": volume, "mountPath": path} for volume, path in self.mounts.items()]
        probe = None if self.ready is None else {**self.ready, "periodSeconds": 1, "failureThreshold": 3}
        given = {
            "command": list(self.command),
            "args": list(self.args),
            "env": environment,
            "ports": ports,
            "volumeMounts": mounts,
            "readinessProbe": probe,
        }
        return {
            "name": self.name,
            "image": self.image,
            "imagePullPolicy": "IfNotPresent",
            # So that its status says why it ended: the last of its log goes with the pod.
            "terminationMessagePolicy": "FallbackToLogsOnError",
            **{key: value for key, value in given.items() if value},
            "resources": self.resources.plain,
            "securityContext": {
                "allowPrivilegeEscalation": False,
                "capabilities": {"drop": ["ALL"]},
                "readOnlyRootFilesystem": True,
            },
        }


@dataclass(frozen=True, slots=True)
class Pod:
    """What each pod of a Deployment is. With an ``account`` it has a token to the API server; else it has none.

    ``volumes`` are by name: a source as it stands in a pod. ``before`` runs to its end first. ``apart`` has the
    scheduler prefer another node for each.
    """

    container: Container
    account: str | None = None
    before: Container | None = None
    volumes: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    nodes: Mapping[str, str] = field(default_factory=dict)
    apart: bool = False


def deployment(site: Site, name: str, replicas: int, pod: Pod, **annotations: str) -> Object:
    """Return a Deployment of so many pods."""
    labels = {NAME: name, INSTANCE: site.label}
    template = {
        "metadata": {"labels": labels, **({"annotations": annotations} if annotations else {})},
        "spec": _pod_spec(pod, labels),
    }
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": site.metadata(name),
        "spec": {
            "replicas": replicas,
            # A pod of another configuration beside those that are measured would share their load.
            "strategy": {"type": "Recreate"},
            "selector": {"matchLabels": labels},
            "template": template,
        },
    }


def _pod_spec(pod: Pod, labels: Mapping[str, str]) -> dict[str, Any]:
    account = {"serviceAccountName": pod.account} if pod.account else {}
    before = [pod.before.plain] if pod.before else []
    volumes = [{"name": name, **source} for name, source in pod.volumes.items()]
    return {
        **account,
        "automountServiceAccountToken": pod.account is not None,
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": NOBODY,
            "runAsGroup": NOBODY,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "terminationGracePeriodSeconds": GRACE_S,
        **({"nodeSelector": dict(pod.nodes)} if pod.nodes else {}),
        **({"affinity": _apart(labels)} if pod.apart else {}),
        **({"initContainers": before} if before else {}),
        "containers": [pod.container.plain],
        **({"volumes": volumes} if volumes else {}),
    }


def _apart(labels: Mapping[str, str]) -> dict[str, Any]:
    # Preferred and not required: more proxies than nodes is a plan that somebody may have.
    term = {"labelSelector": {"matchLabels": dict(labels)}, "topologyKey": "kubernetes.io/hostname"}
    preferred = [{"weight": 100, "podAffinityTerm": term}]
    return {"podAntiAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": preferred}}


def job(site: Site, name: str, pod: Pod) -> Object:
    """Return a Job of one pod that runs to its end, and is tried a few times."""
    labels = {NAME: name, INSTANCE: site.label}
    spec = {**_pod_spec(pod, labels), "restartPolicy": "OnFailure"}
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": site.metadata(name),
        "spec": {"backoffLimit": 3, "template": {"metadata": {"labels": labels}, "spec": spec}},
    }
