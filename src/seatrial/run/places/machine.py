"""This machine, or network namespaces on it: made before the first trial, put back after the last."""

from __future__ import annotations

import functools
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from seatrial.analysis.run.made_by import made_by
from seatrial.machine.cgroup import read_cgroup_limits
from seatrial.machine.cpus.layout import read_layout
from seatrial.machine.cpus.own import kept_to
from seatrial.machine.cpus.pinning import pinning_of
from seatrial.machine.cpus.words import placement_text
from seatrial.machine.facts import probe_machine
from seatrial.machine.place import Places
from seatrial.plan.model.cpus import choice_of
from seatrial.preflight.checks import check_cases
from seatrial.preflight.findings import require, warnings_of
from seatrial.preflight.tuning.survey import settings_of_cases, shortage_text
from seatrial.record.environment import describe
from seatrial.record.events import Noted
from seatrial.run.discovery.check import discovery_findings
from seatrial.run.places.ends import ends_at
from seatrial.run.programs import programs_of
from seatrial.run.testbed.askers import LocalAsker
from seatrial.run.workers.local import LocalWorkers
from seatrial.systems import registry

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator, Sequence

    from seatrial.cluster.connection.kubeconfig import Where
    from seatrial.machine.cpus.pinning import Pinning
    from seatrial.plan.cases import Case
    from seatrial.plan.model.plan import PlaceName, Plan
    from seatrial.preflight.tuning.survey import Setting
    from seatrial.record.writer import RunWriter
    from seatrial.run.places.ends import Ends
    from seatrial.systems.base import Origin, System


@dataclass(frozen=True, slots=True)
class OnThisMachine:
    """Where a plan runs that names no cluster; see ``RunPlace``."""

    plan: Plan
    cluster: Where | None = None

    async def found(self, cases: tuple[Case, ...]) -> tuple[tuple[str, ...], dict[str, Any]]:
        """Hold the cases against this machine, and find the programs; raises where one is missing."""
        machine = probe_machine()
        findings = (*check_cases(cases, machine), *await discovery_findings(self.plan, self.cluster))
        require(findings)
        # What summaries are made with is the code that runs now, whatever becomes of its files while it does.
        made_by()
        notes = (*warnings_of(findings), *_shortage_notes(settings_of_cases(cases, machine)))
        return notes, describe(programs_of(cases))

    @asynccontextmanager
    async def standing(self, writer: RunWriter) -> AsyncIterator[_Standing]:
        """Have the namespaces stand, if there are to be any."""
        async with standing(self.plan, writer) as places:
            yield _Standing(self.plan, places, self.cluster)


@dataclass(frozen=True, slots=True)
class _Standing:
    plan: Plan
    places: Callable[[], Places]
    cluster: Where | None = None

    def trial(self, _case: Case, _number: int) -> TrialHere:
        return TrialHere(self.places(), self.cluster)

    def ends(self) -> Ends:
        return ends_at(self.places())

    def learnt(self) -> dict[str, Any]:
        return {}

    async def require(self) -> None:
        return


@dataclass(frozen=True, slots=True)
class TrialHere:
    """One trial's: programs that are started at ``places``; see ``TrialPlace``."""

    places: Places
    cluster: Where | None = None

    @property
    def asked_from(self) -> LocalAsker:
        """Threads of this process, in the network of the load."""
        return LocalAsker(self.places.load.namespace)

    def system(self, case: Case) -> System:
        """Return it as the plan has it."""
        return case.system.options.create()

    def origin(self, case: Case, seed: int) -> Origin:
        """Return it as the plan has it."""
        return registry.create_origin(case.origin, seed)

    def workers(self) -> LocalWorkers:
        """Return processes."""
        return LocalWorkers(self.places)

    def elsewhere(self) -> None:
        """Return None: each of them is a process here."""


def _shortage_notes(settings: Sequence[Setting]) -> Iterator[str]:
    if shortage := shortage_text(settings):
        yield f"{shortage}; `seatrial check PLAN --tune` says why"


@asynccontextmanager
async def standing(plan: Plan, writer: RunWriter) -> AsyncIterator[Callable[[], Places]]:
    """Have them stand meanwhile; yield what returns those of one trial. Seatrial itself is on its own CPUs, too.

    Raises ``EnvironmentFault`` where they cannot be made.
    """
    # Before it is kept to some of them itself.
    pinning = pinning_of(choice_of(plan.cpus), read_layout(), read_cgroup_limits().cpu_cores)
    if pinning.by_role:
        text = placement_text(pinning.by_role, pinning.cores, share="share")
        writer.append(Noted("seatrial", f"kept to their CPUs: {text}"))
    with kept_to(pinning.of("seatrial")):
        async with _at(plan.place, pinning, writer) as places:
            yield places


@asynccontextmanager
async def _at(place: PlaceName, pinning: Pinning, writer: RunWriter) -> AsyncIterator[Callable[[], Places]]:
    if place == "machine":
        yield functools.partial(Places.on_this_machine, pinning)
        return
    from seatrial.machine.namespaces import Namespaces

    async with Namespaces(writer) as namespaces:
        made = namespaces.places()
        where = ", ".join(
            f"{role} {at.host} in {at.namespace.name}"
            for role, at in (("load", made.load), ("proxy", made.proxy), ("origin", made.origin))
            if at.namespace is not None
        )
        writer.append(Noted("seatrial", f"network namespaces, joined two by two by veth pairs: {where}"))
        if namespaces.not_copied:
            names = ", ".join(f"net/{name}" for name in namespaces.not_copied)
            writer.append(
                Noted("seatrial", f"the namespaces have the kernel's default of {names}: not to be set here")
            )
        yield functools.partial(namespaces.places, pinning)
