"""Texts that more than one report shows: when, on what, and what the words mean."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from seatrial.preflight.capacity import capacity_text
from seatrial.record.environment import LOAD_NODE
from seatrial.units import format_size

if TYPE_CHECKING:
    from collections.abc import Mapping

    from seatrial.analysis.run.model import RunSummary
    from seatrial.record.tables.rows import RunInfo

METHOD = (
    ("Latency", ("from the intended send time, fixed before the test, to the last byte of the response. A system that"
     " falls behind is charged for the wait (open loop).")),
    ("Service time", "from the actual send to the last byte; lateness is what the generator itself added."),
    ("Percentiles", ("are read from HdrHistograms (3 significant digits) merged over workers, intervals and repeats of"
     " the measure phase. They are never averaged. A request that never completed counts with its age.")),
    ("Spread", "is the least and the greatest repeat. Trials ran in an order drawn anew for each round of repeats."),
    ("Validity", ("is decided before any number is shown: did the generator send on schedule, were all connections"
     " open, did every count agree, did each process live through the trial?")),
    ("Verdict", "PASS needs every objective to hold in every repeat of every case. INVALID cases have none,"
     ' but for a PASS that holds although the system was made to look worse: its latencies read "at most".'),
    ("CPU and memory", ("are of the processes of a role, from /proc, added up; CPU is the mean between looks at the two"
     " ends of the measure phase, memory the peak of the trial, both the median of the repeats. Memory is PSS, which"
     " counts a page that several processes share by its parts; where the kernel does not give it, RSS, marked so. Both"
     " are of pods what their nodes' kubelets have seen, who look every 10 to 20 s: CPU is between the first and the"
     " last look within the measure phase, and memory is the working set, marked so.")),
)  # fmt: skip

DOUBTS = (
    "What can only have made a system look worse leaves it a PASS that holds even so, and its latencies read"
    " 'at most'; all else that is in doubt has no verdict."
)
"""What the doubts below it mean."""

SET_ASIDE = (
    "Only the generator or its machine was to blame, and the case has all its trials without them; or the trial was cut"
    " off and run anew when the run was resumed. Their own latencies had no say in it."
)
"""What it means that attempts were set aside."""

NOT_KNOWN = "not known"


def when_text(run: RunInfo) -> str:
    """Return when the run began and how it ended."""
    began = f"{run.started_utc[:10]} {run.started_utc[11:16]} UTC"
    return began if run.state == "finished" else f"{began}, {run.state}"


def repeats_text(summary: RunSummary) -> str:
    """Return how much of the plan was run."""
    planned = summary.run.trials or summary.trials
    if summary.trials < planned:
        trials = f"{summary.trials} of {planned} trials"
    else:
        again = summary.trials - planned
        trials = f"{planned} trials" + (f" and {again} again" if again else "")
    aside = f", {summary.set_aside} of {summary.trials} attempts set aside" if summary.set_aside else ""
    return f"{len(summary.cases)} cases, {trials}{aside}"


def network_facts(summary: RunSummary) -> tuple[tuple[str, str], ...]:
    """Return what the network between the roles carries as (name, text) pairs; nothing where it was not measured."""
    return tuple((f"Network: {one.way}", capacity_text(one)) for one in summary.capacities)


def environment_facts(document: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
    """Return the environment as (name, text) pairs, the most important first."""
    if not document:
        return ()
    cpu, memory = document.get("cpu") or {}, document.get("memory") or {}
    seatrial, limits = document.get("seatrial") or {}, document.get("limits") or {}
    facts = [
        ("Host", document.get("host")),
        ("Kernel", document.get("kernel")),
        ("Distribution", document.get("distribution")),
        ("CPU", f"{cpu.get('model') or 'unknown model'}, {cpu.get('usable')} of {cpu.get('online')} usable"),
        ("Memory", format_size(memory["total_bytes"]) if memory.get("total_bytes") else None),
        ("Virtualisation", document.get("virtualisation") or "none seen"),
        ("Clock source", document.get("clocksource")),
        *((f"Limit: {name.replace('_', ' ')}", _limit(limit)) for name, limit in limits.items()),
        *((f"cgroup {name}", value) for name, value in (document.get("cgroup") or {}).items() if value),
        ("Seatrial", f"{seatrial.get('version')}, Python {seatrial.get('python')}"),
        ("Engine", f"sha256 {seatrial.get('engine_sha256')}"),
        *_load_node(document.get(LOAD_NODE) or {}),
        *((name, _binary(binary)) for name, binary in (document.get("binaries") or {}).items()),
        *((name, value) for name, value in (document.get("sysctls") or {}).items() if value is not None),
    ]
    return tuple((name, str(value) if value is not None else NOT_KNOWN) for name, value in facts)


def _load_node(node: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
    if not node:
        return ()
    files = _limit(node["limits"]["open_files"])
    facts = [
        ("kernel", f"Linux {node['kernel']}"),
        ("CPUs", node["cpus"]),
        ("limit of open files", files),
        *((name, value) for name, value in node["sysctls"].items() if value is not None),
    ]
    return tuple((f"Node of the load: {name}", str(value)) for name, value in facts)


def _limit(limit: Mapping[str, int | None]) -> str:
    soft, hard = ("unlimited" if limit.get(kind) is None else f"{limit[kind]:,}" for kind in ("soft", "hard"))
    return f"{soft} (hard {hard})"


def _binary(binary: Mapping[str, str]) -> str:
    return f"{binary.get('version')}, sha256 {binary.get('sha256')}"


GROWTH = "How figures grow (least squares over the trials that can be believed, 95 % intervals):"
