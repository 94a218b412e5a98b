"""``seatrial check``: what this machine can do, and whether a plan fits on it; or what may be done on a cluster."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from seatrial.cli.console.documents import json_option, write_document
from seatrial.cli.console.findings import findings_text
from seatrial.cli.console.network import measured_capacities
from seatrial.cli.options.cluster import cluster_options, where_of
from seatrial.cli.options.scale import scale_option
from seatrial.errors import ExitCode, PlanError
from seatrial.preflight.findings import fits
from seatrial.report.files import require_writable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from seatrial.cluster.connection.kubeconfig import Where
    from seatrial.machine.facts import Machine
    from seatrial.plan.model.plan import PlaceName
    from seatrial.plan.read import GivenPlan
    from seatrial.preflight.capacity import Capacity
    from seatrial.preflight.findings import Finding
    from seatrial.preflight.tuning.survey import Setting
    from seatrial.run.tuning import Tuned

SCHEMA = "seatrial.check/1"
USAGE = "seatrial check PLAN --tune, and then with --apply"
NETWORK_USAGE = "seatrial check PLAN --network"
RBAC_USAGE = "seatrial check --on kubernetes --rbac"


@click.command()
@click.argument("plan_file", metavar="[PLAN]", required=False)
@scale_option
@click.option("--tune", is_flag=True, help="List the kernel settings that PLAN needs: value, need and why.")
@click.option(
    "--apply", is_flag=True, help="With --tune: set what may be set; `seatrial clean` puts it back."
)
@click.option(
    "--network", is_flag=True, help="Measure what the network between the roles of PLAN carries, too."
)
@click.option(
    "--runs",
    type=click.Path(path_type=Path),
    default="runs",
    show_default=True,
    metavar="DIR",
    help="Where --apply writes down what was before, and --network what it makes.",
)
@cluster_options
@click.option(
    "--rbac",
    is_flag=True,
    help="With --on kubernetes: print the least role instead, as YAML; asks no cluster.",
)
@json_option
def check(plan_file: str | None, scale: str | None, runs: Path, json_target: str | None, **asked: Any) -> int:
    """Check limits, ports, memory and CPU, and the programs if a plan is named; exits with 4 if it does not fit.

    With --apply it exits with 4, too, if a kernel setting still falls short of what the plan needs.

    Of a PLAN with discovery it looks at the clusters, too.

    With --on kubernetes, or with a PLAN of that place, it lists the rights on that cluster that are missing, and
    whether its nodes have room for the PLAN, and exits with 4 if anything is missing. Nothing is made there, but with
    --network: pods of its own, which are gone afterwards.
    """
    # What is measured first may take a minute.
    require_writable((json_target,))
    words = {name: asked.pop(name) for name in ("on", "kubeconfig", "context")}
    wants = Wants(**asked)
    wants.require_sense(plan_file)
    given = None if plan_file is None else _read(plan_file, scale, words["on"])
    discovers = given is not None and given.plan.discovery is not None
    where = where_of(**words, place=None if given is None else given.plan.place, discovers=discovers)
    if where is not None and not discovers:
        from seatrial.cli.cluster.check import check_cluster, print_roles

        wants.require_cluster()
        if wants.rbac:
            return print_roles(None if given is None else given.plan)
        return check_cluster(where, json_target, given, runs if wants.network else None)
    wants.require_machine()
    checked = _checked(given, runs, wants, where)
    if json_target:
        write_document(checked.document(tune=wants.tune), json_target)
    if json_target != "-":
        click.echo(checked.text(tune=wants.tune))
    if not fits(checked.findings):
        return ExitCode.ENVIRONMENT
    short = any(setting.state == "short" for setting in checked.settings)
    return ExitCode.ENVIRONMENT if wants.apply and short else ExitCode.PASS


@dataclass(frozen=True, slots=True)
class Wants:
    """What is to be done beside looking."""

    tune: bool
    apply: bool
    network: bool
    rbac: bool

    def require_cluster(self) -> None:
        """Raise ``PlanError`` where it is nothing that is done on a cluster."""
        if self.tune:
            raise PlanError(
                "--tune is of this machine, and the plan is of a cluster: its nodes are not Seatrial's to change",
                next_step="leave it out: the journal of a run says what of a node of the load falls short",
            )

    def require_machine(self) -> None:
        """Raise ``PlanError`` where it is nothing that is done on one machine."""
        if self.rbac:
            raise PlanError("--rbac goes with --on kubernetes", next_step=RBAC_USAGE)

    def require_sense(self, plan_file: str | None) -> None:
        """Raise ``PlanError`` where it cannot be done."""
        if self.tune and not plan_file:
            raise PlanError("--tune needs a plan: settings are worked out from its cases", next_step=USAGE)
        if self.apply and not self.tune:
            raise PlanError("--apply goes with --tune: look at what would be set first", next_step=USAGE)
        if self.rbac and (self.tune or self.network):
            raise PlanError("--rbac prints the least role and does nothing else", next_step=RBAC_USAGE)
        if self.network and not plan_file:
            raise PlanError(
                "--network needs a plan: its systems say which ways there are", next_step=NETWORK_USAGE
            )


@dataclass(frozen=True, slots=True)
class Checked:
    """Everything that was looked at; without a plan no settings."""

    plan_name: str | None
    machine: Machine
    findings: tuple[Finding, ...]
    settings: tuple[Setting, ...] = ()
    tuned: Tuned | None = None
    capacities: tuple[Capacity, ...] = ()

    def document(self, *, tune: bool) -> dict[str, Any]:
        """Return it for programs."""
        from seatrial.cli.tuning import settings_document

        document = _document(self)
        short = [setting.name for setting in self.settings if setting.state == "short"]
        more = settings_document(self.settings, self.tuned) if tune else {}
        return {**document, "settings_short": short, **more}

    def text(self, *, tune: bool) -> str:
        """Return it for people."""
        from seatrial.cli.tuning import settings_text, tuned_text

        blocks = [findings_text(self.findings)]
        if tune:
            blocks += [tuned_text(self.tuned)] if self.tuned else []
            blocks.append(settings_text(self.settings))
        elif shortage := settings_line(self.settings):
            blocks.append(shortage)
        return "\n\n".join(blocks)


def _read(plan_file: str, scale: str | None, on: PlaceName | None) -> GivenPlan:
    # A machine that is looked at without a plan needs nothing that reads one.
    from seatrial.plan.read import read_given_plan

    return read_given_plan(plan_file, scale, on)


def _checked(given: GivenPlan | None, runs: Path, wants: Wants, where: Where | None) -> Checked:
    import asyncio

    from seatrial.machine.facts import probe_machine
    from seatrial.plan.cases import compile_cases
    from seatrial.preflight.capacity import capacity_findings
    from seatrial.preflight.checks import check_cases
    from seatrial.preflight.load import check_needs
    from seatrial.preflight.needs import Needs
    from seatrial.preflight.tuning.survey import settings_of_cases
    from seatrial.run.discovery.check import discovery_findings
    from seatrial.run.observed.check import observed_or_refused
    from seatrial.run.programs import check_programs
    from seatrial.run.tuning import tune

    machine = probe_machine()
    if given is None:
        # Without a plan the least is asked for, so that every limit is shown.
        return Checked(None, machine, check_needs(Needs(), machine))
    cases = compile_cases(given.plan)
    settings, tuned = settings_of_cases(cases, machine), None
    if wants.apply:
        tuned = tune(given, settings, runs)
        machine = probe_machine()
        settings = settings_of_cases(cases, machine)
    findings = (
        *check_cases(cases, machine),
        *check_programs(cases),
        *asyncio.run(observed_or_refused(given.plan, cases)),
        *asyncio.run(discovery_findings(given.plan, where)),
    )
    capacities: tuple[Capacity, ...] = ()
    if wants.network and fits(findings):
        capacities = measured_capacities(given, runs)
        findings = (*findings, *capacity_findings(cases, capacities))
    return Checked(given.plan.name, machine, findings, settings, tuned, capacities)


def settings_line(settings: Sequence[Setting]) -> str:
    """Return the line that says which settings fall short; empty where none does."""
    from seatrial.preflight.tuning.survey import shortage_text

    text = shortage_text(settings)
    return f"{text}; see `seatrial check PLAN --tune`" if text else ""


def _document(checked: Checked) -> dict[str, Any]:
    machine = checked.machine
    facts = {**asdict(machine), "listening": sorted(f"{host}:{port}" for host, port in machine.listening)}
    return {
        "schema": SCHEMA,
        "plan": checked.plan_name,
        "fits": fits(checked.findings),
        "findings": [asdict(finding) for finding in checked.findings],
        "network": [capacity.document() for capacity in checked.capacities],
        "machine": facts,
    }
