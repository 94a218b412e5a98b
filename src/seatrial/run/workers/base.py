"""What a load knows of where its workers are."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

    from seatrial.generator.account import Driven, WorkersCost
    from seatrial.generator.channel import Channel
    from seatrial.generator.messages import Hello
    from seatrial.machine.members import Member
    from seatrial.record.events import Phase
    from seatrial.workload.spec import LoadSpec


class Meter(Protocol):
    """Reads what the workers cost where phases begin and end."""

    def on_phase(self, phase: Phase) -> None:
        """Read what is of the phase that begins, and of the one that ends."""

    def cost(self) -> WorkersCost:
        """Return what was read."""


class Workers(Protocol):
    """Where the workers of one load are had from; its methods are called in the order in which they stand here."""

    def fitted(self, load: LoadSpec) -> LoadSpec:
        """Return the load with what the place decides of it: the addresses that its connections leave from.

        Raises ``EnvironmentFault`` where it cannot be driven from there.
        """

    def split(self, load: LoadSpec) -> tuple[dict[str, Any], ...]:
        """Return one engine spec for each worker; raises ``EnvironmentFault`` where no number of them is enough."""

    def serves_here(self, load: LoadSpec) -> bool:
        """Return whether what answers runs on this machine, whose kernel then knows its listeners."""

    async def start(self, count: int) -> None:
        """Have room for so many; raises ``EnvironmentFault`` that says why there is none. Nothing is left then."""

    async def open(self, spec: Mapping[str, Any]) -> Channel:
        """Start one; see ``Open``."""

    async def open_prober(self, spec: Mapping[str, Any]) -> Channel:
        """Start a prober where they are; see ``Open``."""

    def members(self, hellos: Sequence[Hello]) -> tuple[Member, ...]:
        """Return them as members of the load, once all have started."""

    def meter(self, hellos: Sequence[Hello], *, served_here: bool) -> Meter:
        """Return what reads their cost."""

    def completed_cost(self, cost: WorkersCost, driven: Driven) -> WorkersCost:
        """Return their cost with what they say of it themselves."""

    async def close(self) -> None:
        """Give the room back, whatever state they are in."""
