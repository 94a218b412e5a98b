"""What a pod is and what has befallen it, from its object: plain facts, for whoever has to judge."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

INDEX_LABEL = "batch.kubernetes.io/job-completion-index"
"""Which of its Job a pod is; before Kubernetes 1.28 it was an annotation of the same name only."""
TroubleCode = Literal[
    "unschedulable",
    "image_pull",
    "cannot_start",
    "crashed",
    "oom_killed",
    "restarted",
    "evicted",
    "node_lost",
    "failed",
]
_IMAGE = frozenset(
    {"ErrImagePull", "ImagePullBackOff", "ErrImageNeverPull", "InvalidImageName", "RegistryUnavailable"}
)
_CANNOT_START = frozenset({"CreateContainerConfigError", "CreateContainerError", "RunContainerError"})
_GONE_NODE = frozenset(
    {"NodeLost", "NodeShutdown", "Terminated", "DeletionByTaintManager", "DeletionByPodGC"}
)
_EVICTED = frozenset(
    {"Evicted", "EvictionByEvictionAPI", "PreemptionByScheduler", "TerminationByKubelet", "Preempting"}
)


@dataclass(frozen=True, slots=True)
class Trouble:
    """What keeps a pod from its work, or has ended it; ``container`` is empty where it is about the pod."""

    code: TroubleCode
    text: str
    container: str = ""


@dataclass(frozen=True, slots=True)
class ContainerFacts:
    """One container: what it does now, and how it ended if it has. ``image_id`` is the digest that it runs from."""

    name: str
    state: Literal["waiting", "running", "terminated"]
    reason: str
    restarts: int
    is_ready: bool
    image: str
    image_id: str
    exit_code: int | None = None
    started_at: str = ""
    finished_at: str = ""


@dataclass(frozen=True, slots=True)
class PodFacts:
    """One pod. ``index`` is its number in an Indexed Job; times are as the API has them, to the second."""

    namespace: str
    name: str
    uid: str
    phase: str
    node: str
    address: str
    index: int | None
    is_scheduled: bool
    is_ready: bool
    is_being_deleted: bool
    containers: tuple[ContainerFacts, ...]
    troubles: tuple[Trouble, ...]

    @property
    def has_ended(self) -> bool:
        """Whether it will never run again."""
        return self.phase in {"Succeeded", "Failed"}

    @property
    def restarts(self) -> int:
        """How often containers of it were started again."""
        return sum(container.restarts for container in self.containers)

    def container(self, name: str) -> ContainerFacts | None:
        """Return one by its name, None where the kubelet has not said anything of it yet."""
        return next((container for container in self.containers if container.name == name), None)


def facts_of(pod: Mapping[str, Any]) -> PodFacts:
    """Return the facts of a pod's object."""
    metadata, spec, status = pod["metadata"], pod.get("spec") or {}, pod.get("status") or {}
    conditions = {str(one["type"]): one for one in status.get("conditions") or ()}
    statuses = [*(status.get("initContainerStatuses") or ()), *(status.get("containerStatuses") or ())]
    return PodFacts(
        namespace=str(metadata.get("namespace") or ""),
        name=str(metadata["name"]),
        uid=str(metadata.get("uid") or ""),
        phase=str(status.get("phase") or "Pending"),
        node=str(spec.get("nodeName") or ""),
        address=str(status.get("podIP") or ""),
        index=_index(metadata),
        is_scheduled=bool(spec.get("nodeName")),
        is_ready=(conditions.get("Ready") or {}).get("status") == "True",
        is_being_deleted="deletionTimestamp" in metadata,
        containers=tuple(map(_container, statuses)),
        troubles=tuple(dict.fromkeys([*_of_pod(status, conditions), *_of_containers(statuses)])),
    )


def _index(metadata: Mapping[str, Any]) -> int | None:
    found = (metadata.get("labels") or {}).get(
        INDEX_LABEL, (metadata.get("annotations") or {}).get(INDEX_LABEL)
    )
    return int(found) if found is not None else None


def _container(status: Mapping[str, Any]) -> ContainerFacts:
    state, facts = _state(status)
    return ContainerFacts(
        name=str(status["name"]),
        state=state,
        reason=str(facts.get("reason") or ""),
        restarts=int(status.get("restartCount") or 0),
        is_ready=bool(status.get("ready")),
        image=str(status.get("image") or ""),
        image_id=str(status.get("imageID") or ""),
        exit_code=facts.get("exitCode"),
        started_at=str(facts.get("startedAt") or ""),
        finished_at=str(facts.get("finishedAt") or ""),
    )


def _state(
    status: Mapping[str, Any],
) -> tuple[Literal["waiting", "running", "terminated"], Mapping[str, Any]]:
    state = status.get("state") or {}
    if "terminated" in state:
        return "terminated", state["terminated"] or {}
    if "running" in state:
        return "running", state["running"] or {}
    return "waiting", state.get("waiting") or {}


def _of_pod(status: Mapping[str, Any], conditions: Mapping[str, Mapping[str, Any]]) -> Iterator[Trouble]:
    scheduled = conditions.get("PodScheduled") or {}
    if scheduled.get("status") == "False" and scheduled.get("reason") == "Unschedulable":
        yield Trouble("unschedulable", str(scheduled.get("message") or "no node takes it"))
    reason, message = str(status.get("reason") or ""), str(status.get("message") or "")
    target = conditions.get("DisruptionTarget") or {}
    disrupted = str(target.get("reason") or "") if target.get("status") == "True" else ""
    text = message or str(target.get("message") or "") or reason or disrupted
    if reason in _EVICTED or disrupted in _EVICTED:
        yield Trouble("evicted", text)
    elif reason in _GONE_NODE or disrupted in _GONE_NODE:
        yield Trouble("node_lost", text)
    elif status.get("phase") == "Failed" and reason:
        yield Trouble("failed", f"{reason}: {message}" if message else reason)


def _of_containers(statuses: list[Mapping[str, Any]]) -> Iterator[Trouble]:
    for status in statuses:
        name, restarts = str(status["name"]), int(status.get("restartCount") or 0)
        waiting = (status.get("state") or {}).get("waiting") or {}
        reason = str(waiting.get("reason") or "")
        text = f"{reason}: {waiting['message']}" if waiting.get("message") else reason
        if reason in _IMAGE:
            yield Trouble("image_pull", text, name)
        elif reason in _CANNOT_START:
            yield Trouble("cannot_start", text, name)
        for state in (status.get("state") or {}, status.get("lastState") or {}):
            yield from _of_end(name, state.get("terminated"))
        if restarts:
            times = "once" if restarts == 1 else f"{restarts} times"
            yield Trouble("restarted", f"started again {times}", name)


def _of_end(name: str, end: Mapping[str, Any] | None) -> Iterator[Trouble]:
    if not end:
        return
    code = end.get("exitCode")
    if end.get("reason") == "OOMKilled":
        yield Trouble("oom_killed", "ended by the kernel: it took more memory than its limit", name)
    elif code:
        said = str(end.get("message") or "").strip()
        by = f"signal {end['signal']}" if end.get("signal") else f"exit status {code}"
        yield Trouble("crashed", f"ended with {by}{f': {said}' if said else ''}", name)
