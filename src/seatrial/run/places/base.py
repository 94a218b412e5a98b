"""What a run knows of where it is made: what is looked at before it, what stands meanwhile, what a trial is given."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping
    from contextlib import AbstractAsyncContextManager

    from seatrial.cluster.connection.kubeconfig import Where
    from seatrial.machine.place import Places
    from seatrial.observe.sampler import Elsewhere
    from seatrial.plan.cases import Case
    from seatrial.record.writer import RunWriter
    from seatrial.run.places.ends import Ends
    from seatrial.run.testbed.askers import Asker
    from seatrial.run.workers.base import Workers
    from seatrial.systems.base import Origin, System


class TrialPlace(Protocol):
    """What one trial is made with; nothing of it has started."""

    @property
    def places(self) -> Places:
        """Where the programs of the roles are started, with nothing handed out yet."""

    @property
    def asked_from(self) -> Asker:
        """Who asks for routes, in the network of the load."""

    def system(self, case: Case) -> System:
        """Return the system of a case; raises ``PlanError`` where there is none of it here."""

    def origin(self, case: Case, seed: int) -> Origin:
        """Return its origin; ``seed`` is of its random delays."""

    def workers(self) -> Workers:
        """Return where the workers of its load are had from."""

    @property
    def cluster(self) -> Where | None:
        """Which cluster a discoverer leads into; None where nobody has said."""

    def elsewhere(self) -> Elsewhere | None:
        """Return what samples its members that are not on this machine; None where all are here."""


class Standing(Protocol):
    """What stands for as long as a run goes on."""

    def trial(self, case: Case, number: int) -> TrialPlace:
        """Return what the trial of this number is made with."""

    def ends(self) -> Ends:
        """Return the ends of the network, which may be measured before the first trial."""

    def learnt(self) -> Mapping[str, Any]:
        """Return what is known of the environment only since it stands."""

    async def require(self) -> None:
        """Wait until it can be used for another trial; raises ``EnvironmentFault`` where that takes too long."""


class RunPlace(Protocol):
    """Where a run is made."""

    async def found(self, cases: tuple[Case, ...]) -> tuple[tuple[str, ...], dict[str, Any]]:
        """Return what preflight has to note, and the environment.

        Raises ``EnvironmentFault`` where the plan cannot be run here, ``PlanError`` where it never can.
        """

    def standing(self, writer: RunWriter) -> AbstractAsyncContextManager[Standing]:
        """Have what the run needs stand meanwhile, and put it back. Raises ``SeatrialError``."""
