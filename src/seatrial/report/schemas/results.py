"""The JSON Schema of ``seatrial.results/1``: written beside ``report/json.py``, dataclasses from their types."""

from __future__ import annotations

from typing import TYPE_CHECKING

from seatrial.analysis.control.controllers import ControllerSummary
from seatrial.analysis.cpus import ProcessCpus
from seatrial.analysis.discovery.limiter import Limiter
from seatrial.analysis.discovery.use import Curve, DiscoveryUse, StepUse
from seatrial.analysis.fit import Slope
from seatrial.analysis.kernel import KernelUse
from seatrial.analysis.load.distribution import Distribution, Percentiles
from seatrial.analysis.load.result import LoadResult, Requests
from seatrial.analysis.members import MemberUse
from seatrial.analysis.objects import ChangeUse
from seatrial.analysis.observed.figures import Figures, OverTrials
from seatrial.analysis.pods import NodeUse
from seatrial.analysis.reasons import Reason
from seatrial.analysis.resources import CpuSpan, RoleResources
from seatrial.analysis.run.environments import Difference
from seatrial.analysis.run.model import SeriesPoint, SystemSummary
from seatrial.analysis.run.spread import Spread
from seatrial.observe.prometheus.series import Observed
from seatrial.observe.samples import KernelReport, LookingCost, ScrapedPage
from seatrial.preflight.capacity import Capacity
from seatrial.record.facts import Reached, TrialCounts
from seatrial.record.tables.rows import JournalEntry, RecordedObjective
from seatrial.report.json import SCHEMA
from seatrial.report.schemas.load import load_shape, validity_shape
from seatrial.report.schemas.shapes import (
    ANYTHING,
    NUMBER,
    TEXT,
    WHOLE,
    YES_OR_NO,
    Dataclasses,
    always,
    an_object,
    by_name,
    described,
    document,
    maybe,
    one_of,
    several,
)
from seatrial.systems.running import RunningConfiguration
from seatrial.systems.settings import LimitMet, Setting

if TYPE_CHECKING:
    from seatrial.report.schemas.shapes import Shape

_KINDS = (
    Capacity, ChangeUse, ControllerSummary, CpuSpan, Difference, Distribution, Figures, JournalEntry, KernelReport,
    KernelUse, LimitMet, LoadResult, LookingCost, MemberUse, NodeUse, Observed, OverTrials, Percentiles, ProcessCpus,
    Reached, Reason, RecordedObjective, Requests, RoleResources, RunningConfiguration, ScrapedPage, SeriesPoint,
    Curve, DiscoveryUse, Limiter, Setting, Slope, Spread, StepUse, SystemSummary, TrialCounts,
)  # fmt: skip
_PHASE = one_of("set up", "ramp", "warm up", "measure", "cool down")
_MEMORY = one_of("PSS", "RSS", "working set")
_COUNTS = by_name(WHOLE)


def results_schema() -> Shape:
    """Return the schema of ``results.json``, and of what ``run``, ``report`` and ``export`` write for ``--json``."""
    kinds = Dataclasses(_KINDS)
    own = {
        "Validity": validity_shape({"$ref": "#/$defs/ReasonAndFault"}),
        "ReasonAndFault": an_object(
            **kinds.fields(Reason),
            fault=described(TEXT, "Who is to blame: plan, generator, environment or system."),
        ),
        "Case": an_object(**_case(kinds)),
        "Trial": an_object(**_trial(kinds)),
        "Load": load_shape(kinds, _VALIDITY),
        "Resources": an_object(**kinds.fields(RoleResources, without=("role",)), memory_measure=_MEMORY),
    }
    text = "Everything that the reports of a run show: `results.json`. Units are in the names."
    return document(SCHEMA, text, an_object(**_run(kinds)), {**kinds.definitions, **own})


_VALIDITY: Shape = {"$ref": "#/$defs/Validity"}


def _run(kinds: Dataclasses) -> dict[str, Shape]:
    return {
        "schema": always(SCHEMA),
        "run": an_object(
            id=TEXT,
            name=TEXT,
            question=maybe(TEXT),
            state=one_of("running", "finished", "interrupted", "failed", "stopped", "cut off"),
            started_utc=TEXT,
            ended_utc=maybe(TEXT),
            trials_planned=maybe(WHOLE),
            trials_begun=WHOLE,
            trials_set_aside=WHOLE,
            set_aside_unevenly=maybe(TEXT),
            seatrial_version=TEXT,
            exit_code=WHOLE,
        ),
        "findings": several(TEXT),
        "answers": several(TEXT),
        "growth": several(_growth(kinds)),
        "scrape_costs": several(_scrape_cost()),
        "systems": several(kinds.of(SystemSummary)),
        "objectives": several(kinds.of(RecordedObjective)),
        "sanity": several(
            an_object(**_case(kinds), outcome=one_of("passed", "failed", "doubted", "not run"), text=TEXT)
        ),
        "cases": several({"$ref": "#/$defs/Case"}),
        "environment": described(ANYTHING, "As recorded; what it holds depends on the machine."),
        "environment_changes": several(
            an_object(first_trial=WHOLE, differences=several(kinds.of(Difference)))
        ),
        "network": several(kinds.of(Capacity)),
        "cpus": several(TEXT),
        "journal": several(kinds.of(JournalEntry)),
        "changes": several(
            an_object(id=WHOLE, at_utc=TEXT, kind=TEXT, detail=ANYTHING, undone_utc=maybe(TEXT))
        ),
    }


def _growth(kinds: Dataclasses) -> Shape:
    return an_object(
        system=TEXT,
        figure=TEXT,
        unit=TEXT,
        intercept=NUMBER,
        slopes=by_name(kinds.of(Slope)),
        trials=WHOLE,
        lack_of_fit_p=maybe(NUMBER),
        straight_to=maybe(NUMBER),
        text=TEXT,
    )


def _case(kinds: Dataclasses) -> dict[str, Shape]:
    distribution, percentiles = maybe(kinds.of(Distribution)), maybe(kinds.of(Percentiles))
    return {
        "id": TEXT,
        "system": TEXT,
        "kind": TEXT,
        "variables": by_name(NUMBER),
        "state": one_of("PASS", "FAIL", "VALID", "INVALID", "not run", "unfinished"),
        "findings": several(TEXT),
        "validity": _VALIDITY,
        "verdict": an_object(state=one_of("PASS", "FAIL", None), objectives=several(_outcome())),
        "latency_us": distribution,
        "service_time_us": distribution,
        "latency_ours_us": percentiles,
        "service_time_ours_us": percentiles,
        "at_most": described(YES_OR_NO, "Whether its latencies are upper bounds: every doubt only inflates."),
        "spared": several(an_object(at_s=NUMBER, done=TEXT)),
        "spread_over_repeats": by_name(kinds.of(Spread)),
        "observed_over_repeats": several(kinds.of(OverTrials)),
        "spectrum": several(an_object(quantile=NUMBER, latency_us=WHOLE)),
        "attempts": an_object(made=WHOLE, set_aside=WHOLE, text=maybe(TEXT)),
        "trials": several({"$ref": "#/$defs/Trial"}),
    }


def _outcome() -> Shape:
    return an_object(
        objective=TEXT,
        held=maybe(YES_OR_NO),
        unit=TEXT,
        values=several(maybe(NUMBER)),
        implicit=YES_OR_NO,
        samples_needed=maybe(WHOLE),
    )


def _trial(kinds: Dataclasses) -> dict[str, Shape]:
    by_role = by_name({"$ref": "#/$defs/Resources"})
    return {
        "trial": WHOLE,
        "repeat": WHOLE,
        "order": WHOLE,
        "state": TEXT,
        "started_utc": TEXT,
        "validity": _VALIDITY,
        "remarks": several(TEXT),
        "beside": several(TEXT),
        "load": maybe({"$ref": "#/$defs/Load"}),
        "counts": kinds.of(TrialCounts),
        "reached": maybe(kinds.of(Reached)),
        "not_counted": several(TEXT),
        "settings": several(an_object(**kinds.fields(Setting), is_as_asked=YES_OR_NO)),
        "limits_met": several(kinds.of(LimitMet)),
        "rejected": maybe(several(kinds.of(LimitMet))),
        "controllers": maybe(several(kinds.of(ControllerSummary))),
        "members": several(kinds.of(MemberUse)),
        "disturbances": several(_disturbance(kinds)),
        "changes": several(_change(kinds)),
        "discovery": maybe(_discovery(kinds)),
        "observed": several(_observed(kinds)),
        "resources": an_object(
            roles=by_role,
            members=by_role,
            system_cpu_cores_per_1000_per_s=maybe(NUMBER),
            system_memory_bytes_per_connection=maybe(NUMBER),
        ),
        "kernel": maybe(kinds.of(KernelUse)),
        "nodes": several(kinds.of(NodeUse)),
        "kernel_log": maybe(kinds.of(KernelReport)),
        "configurations": several(kinds.of(RunningConfiguration)),
        "cpus": _cpus(kinds),
        "looking": maybe(an_object(**kinds.fields(LookingCost), cores=NUMBER)),
        "scraped": several(kinds.of(ScrapedPage)),
        "phases": several(an_object(name=_PHASE, start_s=NUMBER, end_s=maybe(NUMBER))),
        "series": _series(kinds),
        "set_aside": YES_OR_NO,
    }


def _scrape_cost() -> Shape:
    side = an_object(id=TEXT, state=TEXT, validity=one_of("VALID", "INVALID"))
    figure = an_object(
        figure=one_of("CPU", "memory", "p50", "p99"),
        unit=one_of("cores", "bytes", "us"),
        without=maybe(NUMBER),
        scraped=maybe(NUMBER),
        difference=described(maybe(NUMBER), "Null where a side is missing or cannot be believed."),
        repeats=described(
            one_of("apart", "overlap", "doubted", "one repeat", "not scraped", "not measured"),
            "Whether the repeats of the two sides keep apart, or why that is not known.",
        ),
    )
    return an_object(
        system=TEXT,
        scrape_s=NUMBER,
        without=side,
        scraped=side,
        scrapes=an_object(done=WHOLE, failed=WHOLE),
        figures=several(figure),
    )


def _discovery(kinds: Dataclasses) -> Shape:
    step = an_object(
        **kinds.fields(StepUse),
        calls_per_change=maybe(NUMBER),
        source_calls_per_change=maybe(NUMBER),
        services_per_s=maybe(NUMBER),
    )
    limiter = maybe(an_object(**kinds.fields(Limiter), sentence=TEXT))
    return an_object(**{**kinds.fields(DiscoveryUse), "steps": several(step), "limiter": limiter})


def _disturbance(kinds: Dataclasses) -> Shape:
    distribution = maybe(kinds.of(Distribution))
    return an_object(
        number=WHOLE,
        done=TEXT,
        at_s=NUMBER,
        took_s=maybe(NUMBER),
        start_s=NUMBER,
        end_s=NUMBER,
        held_lost=WHOLE,
        dropped=maybe(WHOLE),
        requests=maybe(kinds.of(Requests)),
        status=maybe(_COUNTS),
        errors=maybe(_COUNTS),
        latency_us=distribution,
        service_time_us=distribution,
    )


def _observed(kinds: Dataclasses) -> Shape:
    value = {"anyOf": [NUMBER, one_of("NaN", "+Inf", "-Inf")]}
    point: Shape = {"type": "array", "prefixItems": [NUMBER, value], "minItems": 2, "items": False}
    series = an_object(
        labels=by_name(TEXT),
        **kinds.fields(Figures),
        points=several(described(point, "Unix time by the clock of Prometheus, and the value.")),
    )
    return an_object(**kinds.fields(Observed, without=("series",)), series=several(series))


def _change(kinds: Dataclasses) -> Shape:
    percentiles = an_object(**dict.fromkeys(("p50", "p90", "p99", "max"), maybe(NUMBER)))
    names = ("first", "every", "stable", "accepted", "status", "gap")
    return an_object(**kinds.fields(ChangeUse), percentiles_s=an_object(**dict.fromkeys(names, percentiles)))


def _cpus(kinds: Dataclasses) -> Shape:
    found = an_object(cpus=TEXT, processes=several(kinds.of(ProcessCpus)))
    return an_object(text=TEXT, asked=by_name(TEXT), found=by_name(found))


def _series(kinds: Dataclasses) -> Shape:
    latency = dict.fromkeys(("p50", "p99", "max"), maybe(WHOLE))
    point = kinds.fields(SeriesPoint, without=[f"latency_us_{name}" for name in latency])
    role = an_object(
        memory_measure=_MEMORY,
        memory=several(an_object(at_s=NUMBER, bytes=NUMBER)),
        cpu=several(kinds.of(CpuSpan)),
    )
    steps = several(an_object(**point, latency_us=an_object(**latency)))
    return an_object(steps=steps, roles=by_name(role), discovery=maybe(kinds.of(Curve)))
