"""Pods as they were found, described and not changed: what runs, from which image, with how much of a node."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from seatrial.systems.installed.pods import pods_in
from seatrial.systems.settings import NO_LIMIT, Setting

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from seatrial.cluster.client import Client

SOURCE = "pod"
OURS = ("app.kubernetes.io/", "kubectl.kubernetes.io/", "kubernetes.io/config")
"""Annotations that begin so say nothing of how a pod serves."""


async def described(client: Client, namespace: str, labels: Mapping[str, str]) -> tuple[Setting, ...]:
    """Return what each pod with these labels is; nothing was asked of it, so nothing can differ."""
    pods = await pods_in(client, namespace, labels)
    return tuple(setting for pod in pods for setting in of_pod(pod))


def of_pod(pod: Mapping[str, Any]) -> Iterator[Setting]:
    """Yield what one pod is: its node, and of each container the image with its digest, arguments and limits."""
    metadata, spec = pod["metadata"], pod["spec"]
    name = metadata["name"]

    def setting(what: str, value: str) -> Setting:
        return Setting(name, what, None, value, SOURCE)

    yield setting("node", str(spec.get("nodeName")))
    yield setting("host network", "yes" if spec.get("hostNetwork") else "no")
    running = {one["name"]: one for one in pod.get("status", {}).get("containerStatuses", ())}
    for container in spec["containers"]:
        at, status = container["name"], running.get(container["name"], {})
        yield setting(f"{at}: image", f"{container['image']} ({status.get('imageID') or 'digest not known'})")
        arguments = (*container.get("command", ()), *container.get("args", ()))
        yield setting(f"{at}: arguments", " ".join(arguments) or "none")
        limits = container.get("resources", {}).get("limits", {})
        for resource in ("cpu", "memory"):
            yield setting(f"{at}: {resource}", str(limits.get(resource, NO_LIMIT)))
    for key, value in sorted((metadata.get("annotations") or {}).items()):
        if not key.startswith(OURS):
            yield setting(f"annotation {key}", str(value))
