"""An Indexed Job whose pods each run one program of ours, as a plain object: nothing here talks to a cluster.

See "Jobs", "Pod Security Standards" (restricted) and "Using sysctls" of the Kubernetes documentation. Kubernetes 1.29
or later is needed: earlier ones do not know ``backoffLimitPerIndex``.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from collections.abc import Mapping

ROLE = "seatrial.dev/role"
"""The label that says what a pod does: a worker is told from an origin, and from a proxy."""

CONTAINER = "seatrial"
"""The name of the one container of each pod, whose stdin and log are the conversation with it."""

USER_ID = 65532
"""Whose the processes are: nobody's, by the number that images without a distribution use."""

KEPT_AFTER_S = 3_600
"""So long an ended Job is kept where whoever made it does not come back for it: its logs say what happened."""

PORT_RANGE = "net.ipv4.ip_local_port_range"
"""A sysctl of a pod's own network, and one of those that a kubelet allows every pod ("safe")."""

PodRole = Literal["worker", "origin", "prober", "probe"]


@dataclass(frozen=True, slots=True)
class PodJob:
    """``count`` pods, each the program of a role: pod i of them is number i, and is never replaced.

    They live for ``deadline_s`` at most, whatever becomes of who made them. ``on_nodes`` are the labels of the nodes
    that they may be on, and none of them shares a node with a pod that has the labels of ``away_from``, in whichever
    namespace.
    ``cpu`` and ``memory_bytes`` are requests and limits in one. ``ports`` is the range that connections leave from.
    With ``of_node`` it is that node's own network that they are in, whatever keeps other pods off it.
    The entry point of the ``image`` starts the program of the role that is its one argument.
    """

    name: str
    namespace: str
    role: PodRole
    image: str
    count: int
    deadline_s: float
    cpu: str = "1"
    memory_bytes: int = 512 << 20
    on_nodes: Mapping[str, str] = field(default_factory=dict)
    away_from: Mapping[str, str] = field(default_factory=dict)
    ports: tuple[int, int] | None = None
    labels: Mapping[str, str] = field(default_factory=dict)
    of_node: str = ""
    pull: Literal["Always", "IfNotPresent", "Never"] = "IfNotPresent"

    @property
    def selector(self) -> str:
        """The label selector of its pods."""
        return f"batch.kubernetes.io/job-name={self.name}"


def manifest_of(job: PodJob) -> dict[str, Any]:
    """Return the Job."""
    labels = {ROLE: job.role, **job.labels}
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": job.name, "namespace": job.namespace, "labels": labels},
        "spec": {
            "completions": job.count,
            "parallelism": job.count,
            "completionMode": "Indexed",
            # A pod that is lost is not replaced: its successor would begin in the middle of a load. The others go on,
            # so that only the one that was lost is looked for; a limit for the whole Job would have all of them killed.
            "backoffLimitPerIndex": 0,
            "podReplacementPolicy": "Failed",
            "activeDeadlineSeconds": max(1, round(job.deadline_s)),
            "ttlSecondsAfterFinished": KEPT_AFTER_S,
            "template": {"metadata": {"labels": labels}, "spec": _pod(job)},
        },
    }


def _pod(job: PodJob) -> dict[str, Any]:
    pod: dict[str, Any] = {
        "restartPolicy": "Never",
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        # The first process of a container does not end for SIGTERM, and has nothing to put in order.
        "terminationGracePeriodSeconds": 1,
        "securityContext": _pod_security(job),
        "containers": [_container(job)],
    }
    if job.on_nodes:
        pod["nodeSelector"] = dict(job.on_nodes)
    if job.of_node:
        pod |= {"nodeName": job.of_node, "hostNetwork": True}
    if job.away_from:
        pod["affinity"] = {"podAntiAffinity": _away_from(job.away_from)}
    return pod


def _pod_security(job: PodJob) -> dict[str, Any]:
    security: dict[str, Any] = {
        "runAsNonRoot": True,
        "runAsUser": USER_ID,
        "runAsGroup": USER_ID,
        "seccompProfile": {"type": "RuntimeDefault"},
    }
    if job.ports is not None:
        low, high = job.ports
        security["sysctls"] = [{"name": PORT_RANGE, "value": f"{low} {high}"}]
    return security


def _container(job: PodJob) -> dict[str, Any]:
    # Alike, they make the pod Guaranteed: the last to be evicted.
    resources = {"cpu": job.cpu, "memory": str(job.memory_bytes)}
    return {
        "name": CONTAINER,
        "image": job.image,
        "imagePullPolicy": job.pull,
        "args": [job.role],
        # A way to it that is closed is not its end, and may be opened again.
        "stdin": True,
        "stdinOnce": False,
        "resources": {"requests": resources, "limits": dict(resources)},
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        },
    }


def _away_from(labels: Mapping[str, str]) -> dict[str, Any]:
    term = {
        "labelSelector": {"matchLabels": dict(labels)},
        "namespaceSelector": {},
        "topologyKey": "kubernetes.io/hostname",
    }
    return {"requiredDuringSchedulingIgnoredDuringExecution": [term]}
