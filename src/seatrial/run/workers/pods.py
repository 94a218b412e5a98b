"""Workers that are the pods of one Indexed Job."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from seatrial.errors import EnvironmentFault
from seatrial.generator.account import WorkersCost
from seatrial.generator.pod_channel import PodChannels
from seatrial.generator.split import split
from seatrial.machine.members import Member
from seatrial.pods.group import RUNNING_LIMIT_S, Group, pod_ref

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence
    from typing import Any

    from seatrial.generator.account import Driven
    from seatrial.generator.channel import Channel
    from seatrial.generator.messages import Hello
    from seatrial.record.events import Phase
    from seatrial.workload.spec import LoadSpec


@dataclasses.dataclass(frozen=True, slots=True)
class PodLimits:
    """What a worker pod has: open files, and ports of its own address for one destination."""

    descriptors: int
    ports: int


class PodWorkers:
    """The pods of a group that ``group_of`` makes for their number; none may be on a node of ``kept_off``.

    ``kept_off`` is asked once they run: the nodes of the proxies. Where they are for ``several_loads``, one after
    another and of one size, they stay until ``end``.
    """

    def __init__(
        self,
        group_of: Callable[[int], Group],
        limits: PodLimits,
        least: Callable[[LoadSpec], int],
        kept_off: Callable[[], Collection[str]],
        *,
        several_loads: bool = False,
        prober_of: Callable[[], Group] | None = None,
    ) -> None:
        """Prepare; ``least`` returns how many pods a load takes at least."""
        self._group_of, self._limits = group_of, limits
        self._least, self._kept_off = least, kept_off
        self._several_loads = several_loads
        self._prober_of = prober_of
        self._prober: Group | None = None
        self._group: Group | None = None
        self._channels: PodChannels | None = None

    def fitted(self, load: LoadSpec) -> LoadSpec:
        """Return it for as many pods as it takes."""
        return dataclasses.replace(load, workers=max(load.workers or 1, self._least(load)))

    def split(self, load: LoadSpec) -> tuple[dict[str, Any], ...]:
        """Return one spec for each pod."""
        return split(load, self._limits.descriptors, self._limits.ports)

    def serves_here(self, load: LoadSpec) -> bool:  # noqa: ARG002
        """Return False: what answers are pods."""
        return False

    async def start(self, count: int) -> None:
        """Make the Job and wait until all of its pods run, where they may be; nothing where they do already."""
        if self._group is not None:
            return
        group = self._group_of(count)
        await group.start(RUNNING_LIMIT_S)
        self._group, self._channels = group, PodChannels(group)
        self._require_apart(group)

    async def open(self, spec: Mapping[str, Any]) -> Channel:
        """Give the pod of the spec's number its spec."""
        assert self._channels is not None
        return await self._channels.open(spec)

    async def open_prober(self, spec: Mapping[str, Any]) -> Channel:
        """Have a pod for it, and give it its spec. Raises ``EnvironmentFault`` where it does not run."""
        assert self._prober_of is not None
        self._prober = self._prober_of()
        await self._prober.start(RUNNING_LIMIT_S)
        return await PodChannels(self._prober).open(spec)

    def members(self, hellos: Sequence[Hello]) -> tuple[Member, ...]:  # noqa: ARG002
        """Return the pods; no process of them is here."""
        pods = () if self._group is None else self._group.pods()
        return tuple(Member("generator", f"worker {pod.index}", (), pod_ref(pod)) for pod in pods)

    def meter(self, hellos: Sequence[Hello], *, served_here: bool) -> PodMeter:  # noqa: ARG002
        """Return what reads nothing: kubelets are asked beside."""
        return PodMeter()

    def completed_cost(self, cost: WorkersCost, driven: Driven) -> WorkersCost:
        """Return it with the memory that each worker has read of itself."""
        return dataclasses.replace(cost, pss_bytes=sum(done.pss_bytes for done in driven.dones))

    async def close(self) -> None:
        """Delete the Job with its pods, unless another load follows; and that of a prober."""
        if self._prober is not None:
            await self._prober.close()
            self._prober = None
        if not self._several_loads:
            await self.end()

    async def end(self) -> None:
        """Delete the Job with its pods."""
        if self._group is not None:
            await self._group.close()
            self._group = None

    def _require_apart(self, group: Group) -> None:
        nodes = set(self._kept_off())
        beside = [pod for pod in group.pods() if pod.node in nodes]
        if beside:
            raise EnvironmentFault(
                f"worker pod {beside[0].name} is on node {beside[0].node}, where a proxy is",
                cause="load and proxy would take CPU from each other, and that would be measured",
                next_step="label other nodes for the load: kubectl label node NAME seatrial.dev/role=load; "
                "or allow it in the plan: `kubernetes: {shared_nodes: yes}`",
            )


class PodMeter:
    """Counts nothing itself."""

    def on_phase(self, phase: Phase) -> None:
        """Do nothing."""

    def cost(self) -> WorkersCost:
        """Return what is known before the workers say theirs."""
        return WorkersCost()
