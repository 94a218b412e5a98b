"""The last of what the pods of a system have written, kept before they are removed."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from seatrial.errors import ClusterFault
from seatrial.systems.installed.pods import log_of, pods_in

if TYPE_CHECKING:
    from pathlib import Path
    from typing import Any

    from seatrial.cluster.client import Client

TAIL = {"tailLines": "2000", "limitBytes": str(1 << 20)}
CRASH = {"previous": "true", "tailLines": "50000", "limitBytes": str(8 << 20)}
"""What Go writes when it crashes has a part for each goroutine, and says first why."""
LIMIT_S = 10.0
TOGETHER = 8


async def keep_logs(client: Client, namespace: str, folder: Path) -> None:
    """Write a file for each container of a namespace's pods; one that cannot be read has its reason in its file.

    Raises ``ClusterFault`` where the pods cannot be listed, OSError where a file cannot be written.
    """
    turns = asyncio.Semaphore(TOGETHER)

    async def keep(pod: Any, container: str, *, previous: bool) -> None:
        name = pod["metadata"]["name"]
        asked = {"container": container, **(CRASH if previous else TAIL)}
        try:
            async with turns:
                text = await log_of(client, namespace, name, asked, LIMIT_S)
        except ClusterFault as fault:
            text = f"{fault.what}\n"
        which = "-before-restart" if previous else ""
        (folder / f"{name}-{container}{which}.log").write_text(text, encoding="utf-8")

    pods: Any = await pods_in(client, namespace, {})
    containers = [
        (pod, one["name"])
        for pod in pods
        for one in (*pod["spec"].get("initContainers", ()), *pod["spec"]["containers"])
    ]
    # Why one ended is in the log that it wrote before it was started anew.
    before = [(pod, name) for pod, name in containers if _restarts(pod, name)]
    await asyncio.gather(
        *(keep(*one, previous=False) for one in containers), *(keep(*one, previous=True) for one in before)
    )


def _restarts(pod: Any, container: str) -> int:
    statuses = pod.get("status", {}).get("containerStatuses") or ()
    return sum(one.get("restartCount") or 0 for one in statuses if one["name"] == container)
