"""``results.json`` against a written shape: every key that is promised is there, with its type, and none besides."""

from __future__ import annotations

import itertools
import json
import math
from collections.abc import Iterator
from dataclasses import asdict, is_dataclass, replace
from types import NoneType
from typing import Any

import pytest
from tests.support.made_run import PLAN_TEXT, Twist, compiled_plan, make_run, trial_events

from seatrial.analysis.measured import unit_of
from seatrial.analysis.run.summary import summarise_run
from seatrial.plan.metrics import METRICS
from seatrial.record import events
from seatrial.record.reader import RunReader
from seatrial.record.writer import RunWriter
from seatrial.report.json import lazy_document, results_document, results_json

NUMBER = (int, float)
MAYBE_INT = (int, NoneType)
MAYBE = (*NUMBER, NoneType)
REASON = {
    "code": str, "text": str, "remedy": str, "direction": str, "because": (str, NoneType), "fault": str,
}  # fmt: skip
VALIDITY = {"state": str, "direction": (str, NoneType), "reasons": [REASON]}
DISTRIBUTION = dict.fromkeys(
    ("min", "mean", "p50", "p75", "p90", "p99", "p999", "p9999", "max", "count"), NUMBER
)
OURS = dict.fromkeys(("mean", "p50", "p75", "p90", "p99", "p999", "p9999", "max"), NUMBER)
ESTABLISHED = {"requested": int, "established": int}
SPREAD = {"median": NUMBER, "min": NUMBER, "max": NUMBER, "variation": (*NUMBER, NoneType), "repeats": int}
LOAD = {
    "schema": str,
    "url": str,
    "loop": str,
    "arrival": str,
    "driver": str,
    "driver_fallback": (str, NoneType),
    "resolution_us": NUMBER,
    "timestamps": str,
    "seed": int,
    "validity": VALIDITY,
    "window_s": NUMBER,
    "rate_per_s": {"requested": NUMBER, "achieved": NUMBER},
    "connections": {
        "active": ESTABLISHED,
        "held": ESTABLISHED,
        **dict.fromkeys(
            (
                "opened",
                "reconnected",
                "churned",
                "closed_by_peer",
                "reset_by_peer",
                "syn_retransmissions",
                "held_requests",
                "held_unanswered",
            ),
            int,
        ),
        "held_answers": {str: int},
        "held_lifetime_us": type(None),
    },
    "requests": dict.fromkeys(
        ("intended", "sent", "completed", "unsent", "in_flight", "timed_out", "failed"), int
    ),
    "answers": {"in_window": int, "to_warmup": int, "of_intended": MAYBE, "unexpected": int},
    "findings": [str],
    "status": {str: int},
    "status_expected": [int],
    "errors": {str: int},
    "errors_in_window": {str: int},
    "unexpected": {"counts": {str: int}, "kept": [{"kind": str, "route": str, "status": int, "body": str}]},
    "routes": [
        {
            "route": str,
            **dict.fromkeys(("sent", "completed", "failed", "unexpected", "completed_in_all"), int),
            "latency_us": (dict, NoneType),
        }
    ],
    "bytes": {"sent": int, "received": int, "received_in_window": int},
    "latency_us": DISTRIBUTION,
    "latency_ours_us": OURS,
    "service_time_us": DISTRIBUTION,
    "service_time_ours_us": OURS,
    "lateness_us": DISTRIBUTION,
    "connect_us": DISTRIBUTION,
    "tls_handshake_us": NoneType,
    "tls": NoneType,
    "generator": {"scheduling": str, "spin": bool, "worker_cpu_cores_max": (*NUMBER, NoneType)}
    | dict.fromkeys(
        (
            "processes",
            "cpu_user_s",
            "cpu_system_s",
            "cpu_us_per_request",
            "cpu_frames_s",
            "pss_bytes",
            "throttled_s",
            "stall_us_max",
            "receive_wait_us_p99",
            "receive_wait_us_max",
            "clock_steps",
        ),
        NUMBER,
    ),
    "machine": dict.fromkeys(
        ("cpu_others_fraction", "cpu_idle_fraction", "cpu_steal_fraction"), (*NUMBER, NoneType)
    ),
    "remarks": [str],
    "intervals": [
        {
            "start_s": NUMBER,
            "sent": int,
            "completed": int,
            "errors": int,
            "held": int,
            "latency_us": {"p50": int, "p99": int, "max": int},
            "lateness_us": {"p99": int, "max": int},
            "length_s": MAYBE,
            "answered": MAYBE_INT,
            "drain": bool,
        }
    ],
}
ROLE = {
    "processes": int,
    "cpu_cores_mean": MAYBE,
    "cpu_cores_max": MAYBE,
    "rss_bytes_max": MAYBE_INT,
    "pss_bytes_max": MAYBE_INT,
    "working_set_bytes_max": MAYBE_INT,
    "fds_max": MAYBE_INT,
    "throttled_s": MAYBE,
    "cpu_covers_s": MAYBE,
    "scheduling": {
        "threads_max": MAYBE_INT,
        "cpu_user_cores_mean": MAYBE,
        "cpu_system_cores_mean": MAYBE,
        "voluntary_switches_per_s": MAYBE,
        "involuntary_switches_per_s": MAYBE,
        "cpu_wait_cores_mean": MAYBE,
    },
    "memory_measure": str,
}
STEP = {
    "start_s": NUMBER,
    "end_s": NUMBER,
    "phase": str,
    "requested_per_s": MAYBE,
    "sent_per_s": MAYBE,
    "completed_per_s": MAYBE,
    "latency_us": {"p50": MAYBE_INT, "p99": MAYBE_INT, "max": MAYBE_INT},
    "errors": int,
    "held": int,
    "active": int,
}
ROLE_SERIES = {
    "memory_measure": str,
    "memory": [{"at_s": NUMBER, "bytes": NUMBER}],
    "cpu": [{"start_s": NUMBER, "end_s": NUMBER, "cores": NUMBER}],
}
TRIAL = {
    "trial": int,
    "repeat": int,
    "order": int,
    "state": str,
    "started_utc": str,
    "validity": VALIDITY,
    "remarks": [str],
    "beside": [str],
    "set_aside": bool,
    "load": LOAD,
    "reached": (dict, NoneType),
    "not_counted": [str],
    "settings": [
        {
            "member": str,
            "name": str,
            "asked": (int, str, NoneType),
            "in_force": (int, str, NoneType),
            "source": str,
            "at_least": bool,
            "counter": (str, NoneType),
            "is_as_asked": bool,
        }
    ],
    "limits_met": [{"member": str, "counter": str, "count": int}],
    "rejected": (list, NoneType),
    "controllers": (list, NoneType),
    "members": [
        {"member": str, "connections_min": MAYBE_INT, "connections_max": MAYBE_INT, "requests": MAYBE_INT}
    ],
    "disturbances": [
        {
            "number": int,
            "done": str,
            "at_s": NUMBER,
            "took_s": MAYBE,
            "start_s": NUMBER,
            "end_s": NUMBER,
            "held_lost": int,
            "dropped": int,
            "requests": dict,
            "status": dict,
            "errors": dict,
            "latency_us": dict,
            "service_time_us": dict,
        }
    ],
    "discovery": (dict, NoneType),
    "observed": [
        {
            **dict.fromkeys(("name", "query", "unit", "interval_text"), str),
            **dict.fromkeys(("start_s", "end_s", "step_s", "clock_ahead_s", "clock_error_s"), NUMBER),
            "moments": int,
            "series": [
                {
                    "labels": {str: str},
                    **dict.fromkeys(("mean", "min", "max", "first", "last"), (*NUMBER, NoneType)),
                    "count": int,
                    "not_numbers": int,
                    "points": [list],
                }
            ],
            "left_out": int,
            "warnings": [str],
            "problem": (str, NoneType),
        }
    ],
    "changes": [
        {
            "change": str,
            "over": str,
            "routes": int,
            "places": int,
            **{
                key: [NUMBER] for key in ("first_s", "every_s", "stable_s", "accepted_s", "status_s", "gap_s")
            },
            "not_live": int,
            "known_to_s": [NUMBER],
            "lost": int,
            "lost_from_s": MAYBE,
            "lost_to_s": MAYBE,
            "stale": int,
            "mixed_s": [NUMBER],
            "relapses": int,
            "answers": dict,
            "percentiles_s": dict,
        }
    ],
    "counts": dict.fromkeys(
        ("generator_completed", "system_requests", "system_upstream_requests", "origin_requests"), MAYBE_INT
    ),
    "resources": {
        "roles": {str: ROLE},
        "members": {str: ROLE},
        "system_cpu_cores_per_1000_per_s": MAYBE,
        "system_memory_bytes_per_connection": MAYBE,
    },
    "kernel": {
        "covers_s": NUMBER,
        "counted": {str: NUMBER},
        "softirq_busiest": MAYBE,
        "networks": [dict],
        "messages": [dict],
    },
    "kernel_log": (dict, NoneType),
    "nodes": [
        {
            "node": str,
            "roles": [str],
            "covers_s": NUMBER,
            "cpu_cores_mean": NUMBER,
            "cores": MAYBE_INT,
            "memory_working_set_bytes_max": MAYBE_INT,
        }
    ],
    "configurations": [dict],
    "looking": (dict, NoneType),
    "scraped": [dict],
    "cpus": {
        "text": str,
        "asked": {str: str},
        "found": {str: {"cpus": str, "processes": [{"member": str, "process": str, "cpus": str}]}},
    },
    "phases": [{"name": str, "start_s": NUMBER, "end_s": MAYBE}],
    "series": {"steps": [STEP], "roles": {str: ROLE_SERIES}, "discovery": (dict, NoneType)},
}
CASE = {
    "id": str,
    "system": str,
    "kind": str,
    "variables": {str: NUMBER},
    "state": str,
    "findings": [str],
    "validity": VALIDITY,
    "verdict": {
        "state": (str, NoneType),
        "objectives": [
            {
                "objective": str,
                "held": (bool, NoneType),
                "unit": str,
                "values": [MAYBE],
                "implicit": bool,
                "samples_needed": MAYBE_INT,
            }
        ],
    },
    "latency_us": DISTRIBUTION,
    "service_time_us": DISTRIBUTION,
    "latency_ours_us": OURS,
    "service_time_ours_us": OURS,
    "at_most": bool,
    "spared": [{"at_s": NUMBER, "done": str}],
    "attempts": {"made": int, "set_aside": int, "text": (str, NoneType)},
    "spread_over_repeats": {str: SPREAD},
    "observed_over_repeats": [
        {
            "name": str,
            "unit": str,
            "labels": str,
            "mean_median": NUMBER,
            "min": NUMBER,
            "max": NUMBER,
            "trials": int,
        }
    ],
    "spectrum": [{"quantile": NUMBER, "latency_us": int}],
    "trials": [TRIAL],
}
DOCUMENT = {
    "schema": str,
    "run": {
        "id": str,
        "name": str,
        "question": str,
        "state": str,
        "started_utc": str,
        "ended_utc": str,
        "trials_planned": int,
        "trials_begun": int,
        "trials_set_aside": int,
        "set_aside_unevenly": (str, NoneType),
        "seatrial_version": str,
        "exit_code": int,
    },
    "findings": [str],
    "answers": [str],
    "scrape_costs": [dict],
    "growth": [
        {
            "system": str,
            "figure": str,
            "unit": str,
            "intercept": NUMBER,
            "slopes": {str: {"per_unit": NUMBER, "low": NUMBER, "high": NUMBER}},
            "trials": int,
            "lack_of_fit_p": (int, float, NoneType),
            "straight_to": (int, float, NoneType),
            "text": str,
        }
    ],
    "systems": [{"label": str, "kind": str, "state": str, "sentence": str}],
    "objectives": [{"text": str, "metric": str, "comparison": str, "threshold": NUMBER, "unit": str}],
    "sanity": [{**CASE, "outcome": str, "text": str}],
    "cases": [CASE],
    "cpus": [str],
    "network": [
        {
            "way": str,
            "figures": [{"tool": str, "direction": str, "connections": int, "bytes_per_s": float}],
            "requests_per_s": float,
            "missing": [str],
        }
    ],
    "environment": dict,
    "environment_changes": [
        {"first_trial": int, "differences": [{"name": str, "before": str, "after": str}]}
    ],
    "journal": [{"at_utc": str, "author": str, "trial": MAYBE_INT, "text": str}],
    "changes": [{"id": int, "at_utc": str, "kind": str, "detail": dict, "undone_utc": (str, NoneType)}],
}


def conform(value: Any, shape: Any, where: str = "document") -> None:
    """Compare a JSON value with a shape: a type or types, [shape of each], {key: shape} or {str: shape of each}."""
    if isinstance(shape, list):
        assert isinstance(value, list), where
        for index, item in enumerate(value):
            conform(item, shape[0], f"{where}[{index}]")
    elif isinstance(shape, dict):
        assert isinstance(value, dict), where
        if set(shape) == {str}:
            shape = dict.fromkeys(value, shape[str])
        assert set(value) == set(shape), where
        for key, item in value.items():
            conform(item, shape[key], f"{where}.{key}")
    else:
        assert isinstance(value, shape), f"{where} is {value!r}"


@pytest.fixture(scope="module")
def document(tmp_path_factory):
    run = make_run(tmp_path_factory.mktemp("runs"), twists={6: Twist(died=True)}, systems=("direct", "envoy"))
    with RunReader.open(run) as reader:
        made = results_document(summarise_run(reader))
    return json.loads(json.dumps(made, allow_nan=False))


def test_the_document_has_the_written_shape(document):
    conform(document, DOCUMENT)


def test_the_document_says_validity_and_verdict(document):
    states = {case["id"]: (case["state"], case["verdict"]["state"]) for case in document["cases"]}
    assert states["envoy-connections=200-rate=2000"] == ("INVALID", None)
    assert states["envoy-connections=200-rate=1000"] == ("PASS", "PASS")
    (reason,) = document["cases"][5]["trials"][0]["validity"]["reasons"]
    assert (reason["code"], reason["fault"]) == ("system.died", "system")
    assert document["cases"][5]["trials"][0]["load"]["validity"]["state"] == "INVALID"


def test_the_load_of_a_cut_trial_is_made_from_its_frames(tmp_path):
    compiled = compiled_plan(("envoy",))
    with RunWriter.create(tmp_path, "cut", PLAN_TEXT, json.dumps(compiled)) as writer:
        writer.append(events.RunStarted("cut", "cut", 1))
        for event in itertools.islice(trial_events(1, 1, compiled["cases"][0], 1, Twist()), 21):
            if not (isinstance(event, events.PhaseStarted) and event.phase == "cool down"):
                writer.append(event)
    with RunReader.open(writer.path) as reader:
        made = results_document(summarise_run(reader))
    (trial,) = made["cases"][0]["trials"]
    assert trial["state"] == "cut off"
    assert [reason["code"] for reason in trial["validity"]["reasons"]] == ["environment.cut_off"]
    assert trial["load"]["requests"]["completed"] == trial["load"]["latency_us"]["count"] == 3_000
    assert trial["load"]["window_s"] == 3
    assert trial["load"]["rate_per_s"]["achieved"] == pytest.approx(1_000)
    assert trial["phases"][-1] == {"name": "measure", "start_s": 5.0, "end_s": None}


def test_values_and_thresholds_have_units(document):
    units = {objective["metric"]: objective["unit"] for objective in document["objectives"]}
    assert units == {"p99": "us", "errors": "count"}
    for case in document["cases"]:
        assert [outcome["unit"] for outcome in case["verdict"]["objectives"]] == ["us", "count"]


def test_the_unit_of_a_metric_is_that_of_its_threshold_in_a_plan():
    for name, metric in METRICS.items():
        assert unit_of(name) == (metric.unit or unit_of(name))


def test_curves_and_spectrum_can_be_drawn_again_from_the_document(tmp_path):
    with RunReader.open(make_run(tmp_path, systems=("envoy",))) as reader:
        summary = summarise_run(reader)
        made = json.loads(json.dumps(results_document(summary)))
        frames = {trial.trial: reader.frames(trial.trial) for trial in reader.trials()}
    for case, of_summary in zip(made["cases"], summary.cases, strict=True):
        again = [(1 / (1 - point["quantile"]), point["latency_us"]) for point in case["spectrum"]]
        assert again == [(pytest.approx(inverse, rel=1e-3), us) for inverse, us in of_summary.spectrum]
        for trial in case["trials"]:
            steps = trial["series"]["steps"]
            counted = sum(part.completed for frame in frames[trial["trial"]] for part in frame.parts)
            under = sum(step["completed_per_s"] * (step["end_s"] - step["start_s"]) for step in steps)
            assert under == pytest.approx(counted)
            assert {step["phase"] for step in steps} >= {"ramp", "warm up", "measure"}
            assert trial["series"]["roles"]["system"]["cpu"]


def by_python(document: dict[str, Any]) -> str:
    """Return what Python's own encoder makes of a document with dataclasses and iterators in it."""

    def plain(value: Any) -> Any:
        if isinstance(value, Iterator):
            return list(value)
        assert is_dataclass(value)
        assert not isinstance(value, type)
        return asdict(value)

    return json.dumps(document, indent=2, default=plain)


@pytest.mark.parametrize(
    "made",
    [
        {
            "systems": ("direct", "envoy"),
            "twists": {3: Twist(died=True), 5: Twist(disturbed_s=2.0, changed_s=2.0)},
        },
        {"systems": ("envoy",), "trials": 3, "end": False},
        {"systems": ("envoy",), "trials": 0, "end": False},
        {"systems": ("envoy",), "twists": {2: Twist(lateness_us=2_000)}, "again": (1,)},
    ],
    ids=["doubts", "cut", "nothing", "again"],
)
def test_the_file_is_what_pythons_own_encoder_writes(tmp_path, made):
    with RunReader.open(make_run(tmp_path, **made)) as reader:
        summary = summarise_run(reader)
    written = b"".join(results_json(summary))
    as_before = by_python(lazy_document(summary))
    # Numbers and letters may be spelt in another way, so those are compared as what they are, and lines are counted.
    assert repr(json.loads(written)) == repr(json.loads(as_before))
    assert written.count(b"\n") == as_before.count("\n") + 1
    # Of thousands of trials no piece is larger than one of them.
    trials = [trial for case in json.loads(written)["cases"] for trial in case["trials"]]
    assert max(map(len, results_json(summary))) < 2 * max([4_000, *(len(by_python(one)) for one in trials)])


def test_what_is_no_number_or_no_text_is_written_as_before(tmp_path):
    with RunReader.open(make_run(tmp_path, systems=("envoy",), trials=1)) as reader:
        summary = summarise_run(reader)
    odd = {
        "nan": math.nan,
        "inf": -math.inf,
        "half": "\ud800",
        "text": 'ü"\n\x00\u2028',
        "large": 2**70,
        "1e16": 1e16,
    }
    changed = replace(summary, environment=odd, question="\udcff")
    document = results_document(changed)
    assert repr(document["environment"]) == repr(odd)
    assert document["run"]["question"] == "\udcff"
    assert repr(document) == repr(json.loads(by_python(lazy_document(changed))))
