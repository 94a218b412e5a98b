"""What scripts may rely on of ``seatrial load``: the document's structure, its counts, its exit codes."""

from __future__ import annotations

import asyncio
import json
import math
import os
import resource
import signal
import socket
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from benchmarks.arrivals import arrivals
from tests.support import hostile
from tests.support.load_contract import assert_counts_add_up
from tests.support.program import Running, RunningOrigin, run_seatrial, running_origin, wait_until

from seatrial._engine import Histogram
from seatrial.analysis.load.histograms import Kind, merged
from seatrial.analysis.load.window import window_of
from seatrial.analysis.validity.load import judge_load
from seatrial.errors import ExitCode
from seatrial.generator.account import Asked
from seatrial.generator.messages import Hello
from seatrial.generator.split import RESERVED_DESCRIPTORS
from seatrial.machine.sockets import count_established
from seatrial.run.load import LoadHooks, LoadRun, run_load
from seatrial.workload.profile import constant
from seatrial.workload.spec import LoadSpec, Target

DISTRIBUTION = dict.fromkeys(("min", "p50", "p75", "p90", "p99", "p999", "p9999", "max", "count"), int) | {
    "mean": float
}
INTERVAL = {
    "start_s": float,
    "sent": int,
    "completed": int,
    "errors": int,
    "held": int,
    "latency_us": {"p50": int, "p99": int, "max": int},
    "lateness_us": {"p99": int, "max": int},
    "length_s": float,
    "answered": int,
    "drain": bool,
}
DOCUMENT = {
    "schema": str,
    "url": str,
    "loop": str,
    "arrival": str,
    "driver": str,
    "driver_fallback": type(None),
    "resolution_us": int,
    "timestamps": str,
    "seed": int,
    "validity": {
        "state": str,
        "direction": (str, type(None)),
        "reasons": [
            {"code": str, "text": str, "remedy": str, "direction": str, "because": (str, type(None))}
        ],
    },
    "window_s": float,
    "rate_per_s": {"requested": (float, type(None)), "achieved": float},
    "connections": {
        "active": {"requested": int, "established": int},
        "held": {"requested": int, "established": int},
        "opened": int,
        "reconnected": int,
        **dict.fromkeys(
            (
                "churned",
                "closed_by_peer",
                "reset_by_peer",
                "syn_retransmissions",
                "held_requests",
                "held_unanswered",
            ),
            int,
        ),
        "held_answers": Counter,
        "held_lifetime_us": type(None),
    },
    "requests": dict.fromkeys(
        ("intended", "sent", "completed", "unsent", "in_flight", "timed_out", "failed"), int
    ),
    "answers": {
        "in_window": int,
        "to_warmup": int,
        "of_intended": (float, int, type(None)),
        "unexpected": int,
    },
    "findings": [str],
    "status": Counter,
    "status_expected": [int],
    "errors": Counter,
    "errors_in_window": Counter,
    "unexpected": {"counts": Counter, "kept": [{"kind": str, "route": str, "status": int, "body": str}]},
    "routes": [
        {
            **dict.fromkeys(("sent", "completed", "failed", "unexpected", "completed_in_all"), int),
            "route": str,
            "latency_us": (dict, type(None)),
        }
    ],
    "bytes": {"sent": int, "received": int, "received_in_window": int},
    "latency_us": DISTRIBUTION,
    "latency_ours_us": (dict, type(None)),
    "service_time_us": DISTRIBUTION,
    "service_time_ours_us": (dict, type(None)),
    "lateness_us": DISTRIBUTION,
    "connect_us": DISTRIBUTION,
    "tls_handshake_us": type(None),
    "tls": type(None),
    "generator": {
        "processes": int,
        "cpu_user_s": float,
        "cpu_system_s": float,
        "cpu_us_per_request": float,
        "cpu_frames_s": float,
        "pss_bytes": int,
        "throttled_s": float,
        "worker_cpu_cores_max": (float, type(None)),
        **dict.fromkeys(("stall_us_max", "receive_wait_us_p99", "receive_wait_us_max", "clock_steps"), int),
        "scheduling": str,
        "spin": bool,
    },
    "machine": {
        "cpu_others_fraction": (float, int, type(None)),
        "cpu_idle_fraction": (float, int, type(None)),
        "cpu_steal_fraction": (float, int, type(None)),
    },
    "remarks": [str],
    "intervals": [INTERVAL],
}
"""The contract of DESIGN.md and the keys that were added to it since: a dict stands for exactly these
keys, a list for any number, Counter for counts by name."""


def assert_has_structure(value: Any, expected: Any, where: str = "document") -> None:
    if expected is Counter:
        assert all(isinstance(count, int) for count in value.values()), where
    elif isinstance(expected, dict):
        assert list(value) == list(expected) or set(value) == set(expected), where
        for key, inner in expected.items():
            assert_has_structure(value[key], inner, f"{where}.{key}")
    elif isinstance(expected, list):
        for index, item in enumerate(value):
            assert_has_structure(item, expected[0], f"{where}[{index}]")
    else:
        # A whole number may stand where a fraction could.
        allowed = (float, int) if expected is float else expected
        assert isinstance(value, allowed), f"{where} is {value!r}"


@pytest.fixture
def origin():
    with running_origin() as running:
        yield running


def load(
    origin: RunningOrigin, *flags: str, prefix: tuple[str, ...] = ()
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the documents of a load and of the origin that it went to."""
    outcome = run_seatrial("load", origin.url, *flags, "--json", "-", prefix=prefix)
    assert_has_structure(outcome.document, DOCUMENT)
    assert_counts_add_up(outcome.document)
    valid = outcome.document["validity"]["state"] == "VALID"
    assert outcome.code == (ExitCode.PASS if valid else ExitCode.INVALID_MEASUREMENT)
    return outcome.document, origin.finish()


def test_open_loop_with_held_connections_on_two_workers(origin) -> None:
    document, served = load(origin, "-t2", "-c20", "-R1000", "-d3s", "--hold", "201", "--connect-rate", "1k")
    assert document["loop"] == "open"
    assert document["requests"]["intended"] == document["requests"]["completed"] == 3000 == served["requests"]
    assert document["status"] == {"200": 3000}
    assert document["errors"] == {}
    # The answers to what was due just before the window's end may come after it, on a loaded machine late.
    assert document["rate_per_s"] == {"requested": 1000.0, "achieved": pytest.approx(1000.0, rel=0.05)}
    assert document["connections"] == {
        "active": {"requested": 20, "established": 20},
        "held": {"requested": 201, "established": 201},
        "opened": 221,
        **dict.fromkeys(
            (
                "reconnected",
                "churned",
                "closed_by_peer",
                "reset_by_peer",
                "syn_retransmissions",
                "held_requests",
                "held_unanswered",
            ),
            0,
        ),
        "held_answers": {},
        "held_lifetime_us": None,
    }
    assert served["connections_accepted"] == 221
    assert document["connect_us"]["count"] == 221
    steps = [one for one in document["intervals"] if not one["drain"]]
    assert [(one["start_s"], one["length_s"], one["sent"]) for one in steps] == [
        (0.0, 1.0, 1000), (1.0, 1.0, 1000), (2.0, 1.0, 1000),
    ]  # fmt: skip
    assert {one["held"] for one in document["intervals"]} == {201}
    assert sum(one["sent"] for one in document["intervals"]) == 3000
    assert document["generator"]["processes"] == 2
    assert document["generator"]["pss_bytes"] > 0
    assert document["generator"]["cpu_us_per_request"] > 0


def test_closed_loop_is_named_so_and_has_no_schedule(origin) -> None:
    document, served = load(origin, "-t2", "-c8", "--closed", "-d1s")
    requests = document["requests"]
    assert document["loop"] == "closed"
    assert document["rate_per_s"]["requested"] is None
    assert requests["unsent"] == requests["in_flight"] == 0
    assert requests["intended"] == requests["completed"] == served["requests"] > 100
    assert (document["resolution_us"], document["timestamps"]) == (60, "program")


def test_a_closed_loop_that_is_to_be_fine_never_naps(origin) -> None:
    document, _ = load(origin, "-c50", "--closed", "--resolution", "fine", "-d1s")
    assert document["resolution_us"] == 0
    assert document["requests"]["completed"] == document["requests"]["intended"] > 100


def test_the_warm_up_is_sent_and_not_reported(origin) -> None:
    document, served = load(origin, "-c5", "-R500", "--warmup", "1s", "-d1s")
    assert document["requests"]["completed"] == 500
    assert served["requests"] == 1000
    assert document["window_s"] == 1.0


def test_poisson_arrivals_have_the_rate_and_follow_the_seed() -> None:
    def intended(seed: str) -> int:
        with running_origin() as origin:
            document, served = load(origin, "-c20", "-R1000", "-d1s", "--arrival", "poisson", "--seed", seed)
        assert document["arrival"] == "poisson"
        assert document["requests"]["completed"] == served["requests"]
        count: int = document["requests"]["intended"]
        return count

    counts = [intended("7"), intended("7"), intended("8")]
    assert counts[0] == counts[1] != counts[2]
    assert all(abs(count - 1000) < 5 * math.sqrt(1000) for count in counts)


def test_connections_leave_from_every_source_in_turn() -> None:
    seen: list[str] = []

    def behave(connection: socket.socket) -> None:
        seen.append(connection.getpeername()[0])
        hostile.always(hostile.ANSWER)(connection)

    with hostile.serving(behave) as url:
        flags = ("-c14", "--hold", "14", "-R100", "-d300ms", "--source", "127.0.0.0/28")
        document = run_seatrial("load", url, *flags, "--json", "-").document
    assert document["errors"] == {}
    assert Counter(seen) == {f"127.0.0.{host}": 2 for host in range(1, 15)}


def test_more_connections_than_descriptors_are_split_over_processes(origin) -> None:
    limit, connections = 200, 300
    shell = ("bash", "-c", f'ulimit -n {limit} && exec "$@"', "bash")
    document, served = load(origin, "-c20", "--hold", str(connections - 20), "-R500", "-d1s", prefix=shell)
    assert document["generator"]["processes"] == math.ceil(connections / (limit - RESERVED_DESCRIPTORS - 2))
    assert document["connections"]["opened"] == served["connections_accepted"] == connections
    assert document["requests"]["completed"] == served["requests"] == 500
    assert document["errors"] == {}


def test_descriptors_that_run_out_all_the_same_are_counted_and_blamed_on_the_machine(origin) -> None:
    def squeeze(_: Asked, hellos: tuple[Hello, ...]) -> None:
        resource.prlimit(hellos[0].pid, resource.RLIMIT_NOFILE, (60, 60))

    spec = LoadSpec(targets=(target_of(origin.url),), active=5, held=200, profile=constant(100),
                    connect_rate_per_s=400,
                    measure_s=0.5, timeout_s=0.3, drain_s=0.3)  # fmt: skip
    run = asyncio.run(run_load(spec, LoadHooks(on_started=squeeze)))
    result = run.result()
    assert result.errors["descriptors_exhausted"] > 0
    assert result.connections.held.established < 60
    (reason,) = judge_load(result, run.frames, run.account).reasons
    assert reason.code == "environment.ramp"
    assert "descriptors_exhausted" in reason.text
    assert "seatrial check" in reason.remedy


def target_of(url: str) -> Target:
    host, _, port = url.removeprefix("http://").removesuffix("/").partition(":")
    return Target(host, int(port))


@pytest.mark.parametrize("kind", ["latency", "service_time", "lateness"])
def test_percentiles_are_those_of_all_samples_of_all_workers(two_workers: LoadRun, kind: Kind) -> None:
    reported = two_workers.result().to_json()[f"{kind}_us"]
    together = merged(two_workers.frames, kind)
    by_worker = [
        merged([frame for frame in two_workers.frames if frame.worker == worker], kind) for worker in (0, 1)
    ]
    # Adding up buckets by hand: the merging of the engine is not its own witness.
    samples: Counter[int] = Counter()
    for histogram in by_worker:
        samples.update(dict(histogram.buckets()))
    assert samples == Counter(dict(together.buckets()))
    assert reported["count"] == samples.total() == 2000
    for name, quantile in {"p50": 0.5, "p75": 0.75, "p90": 0.9, "p99": 0.99, "p999": 0.999}.items():
        assert reported[name] == nearest_rank(samples, quantile), name
    assert reported["max"] == max(histogram.max_us for histogram in by_worker)


def nearest_rank(samples: Counter[int], quantile: float) -> int:
    left = math.ceil(quantile * samples.total() - 1e-9)
    for value in sorted(samples):
        left -= samples[value]
        if left <= 0:
            return value
    raise AssertionError("no samples")


@pytest.fixture(scope="module")
def two_workers() -> LoadRun:
    with running_origin("--delay", "exponential:2ms") as origin:
        spec = LoadSpec(
            targets=(target_of(origin.url),),
            active=40,
            profile=constant(1000),
            measure_s=2.0,
            interval_s=0.5,
            workers=2,
        )
        return asyncio.run(run_load(spec, LoadHooks()))


def test_intervals_have_the_percentiles_of_their_own_frames(two_workers: LoadRun) -> None:
    result = two_workers.result()
    # What is answered after the window is an interval of its own.
    intervals = [interval for interval in result.intervals if not interval.drain]
    assert len(intervals) == 4
    start_ns = window_of(two_workers.account, two_workers.frames).start_ns
    for index, interval in enumerate(intervals[:-1]):
        end_ns = start_ns + (index + 1) * 500_000_000
        own = [frame for frame in two_workers.frames if abs(frame.end_ns - end_ns) < 250_000_000]
        histogram: Histogram = merged(own, "latency")
        assert interval.latency_us["p99"] == histogram.quantile_us(0.99)
        assert interval.latency_us["max"] == histogram.max_us


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_one_ctrl_c_ends_the_load_and_reports_what_was_measured(number: signal.Signals) -> None:
    with (
        arrivals() as seen,
        Running("load", seen.url, "-t2", "-c10", "-R400", "--hold", "50", "-d60s", "--json", "-") as running,
    ):
        assert wait_until(lambda: len(seen.at_ns) >= 400, 20.0)
        assert len(running.left()) == 3
        running.signal(number)
        signalled_s = time.monotonic()
        outcome = running.wait(20.0)
        took_s = time.monotonic() - signalled_s
        running.assert_nothing_left()
    assert outcome.code == ExitCode.INTERRUPTED
    assert took_s < 5.0
    document = outcome.document
    assert_has_structure(document, DOCUMENT)
    assert_counts_add_up(document)
    assert 0.5 < document["window_s"] < 20.0
    assert document["requests"]["intended"] == pytest.approx(400 * document["window_s"], abs=3)
    assert document["requests"]["completed"] == document["requests"]["intended"] == len(seen.at_ns)


def test_ctrl_c_during_the_ramp_says_that_nothing_was_measured(origin) -> None:
    flags = ("-c10", "-R400", "--hold", "5000", "--connect-rate", "100", "-d60s")
    with Running("load", origin.url, *flags, "--json", "-") as running:
        port = int(origin.url.rstrip("/").rpartition(":")[2])
        assert wait_until(lambda: count_established(port) >= 10, 20.0)
        running.signal(signal.SIGINT)
        outcome = running.wait(20.0)
        running.assert_nothing_left()
    assert outcome.code == ExitCode.INTERRUPTED
    assert_has_structure(outcome.document, DOCUMENT)
    assert_counts_add_up(outcome.document)
    assert outcome.document["requests"]["intended"] == 0
    assert outcome.document["validity"]["state"] == "INVALID"


def test_workers_do_not_outlive_a_parent_that_is_killed(origin) -> None:
    with Running("load", origin.url, "-t2", "-c10", "-R400", "-d60s", "--json", "-") as running:
        assert wait_until(lambda: len(running.left()) == 3, 20.0)
        running.signal(signal.SIGKILL)
        running.assert_nothing_left()


def test_a_worker_that_is_killed_makes_the_measurement_invalid() -> None:
    with (
        arrivals() as seen,
        Running("load", seen.url, "-t2", "-c10", "-R400", "-d3s", "--json", "-") as running,
    ):
        assert wait_until(lambda: len(seen.at_ns) >= 400, 20.0)
        (worker, *_) = [pid for pid in running.left() if pid != running.process.pid]
        os.kill(worker, signal.SIGKILL)
        outcome = running.wait(40.0)
        running.assert_nothing_left()
    assert outcome.code == ExitCode.INVALID_MEASUREMENT
    assert "generator.lost" in {reason["code"] for reason in outcome.document["validity"]["reasons"]}
    # What the worker had sent when it was killed has an outcome that nobody knows, and it is not made up.
    assert outcome.document["requests"]["completed"] < 1200


def test_the_document_may_go_to_a_file_beside_the_text(origin, tmp_path: Path) -> None:
    file = tmp_path / "load.json"
    outcome = run_seatrial("load", origin.url, "-c5", "-R100", "-d500ms", "--latency", "--json", str(file))
    document = json.loads(file.read_text())
    assert_has_structure(document, DOCUMENT)
    lines = outcome.stdout.splitlines()
    # The validity stands before any number.
    assert lines.index(document["validity"]["state"]) < next(
        index for index, line in enumerate(lines) if "50%" in line
    )


@pytest.mark.parametrize(
    "flags",
    [
        ("-R100", "--closed"), (), ("-R0",), ("-R100", "-d0s"), ("-R100", "-c-1"), ("-R100", "--timeout", "soon"),
        ("-R100", "-H", "no colon"), ("-R100", "--source", "here"), ("-R100", "--resolution", "often"),
        ("-R100", "--hold", "many"), ("-R100", "--connect-rate", "0"), ("-R100", "-t0"), ("-R100", "--interval", "0s"),
        ("-R100", "--timeout", "0s"), ("-R100", "-c0"),
        ("-R100", "--interval", "1us"), ("-R100", "--resolution", "1h"),
        ("-R100", "-t1M"), ("-R100", "-c100M"), ("-R100", "-d10000h"),
    ],
    ids=" ".join,
)  # fmt: skip
def test_words_that_make_no_load_are_refused_in_words(flags: tuple[str, ...]) -> None:
    outcome = run_seatrial("load", "http://127.0.0.1:9/", *flags, "--json", "-")
    assert outcome.code == ExitCode.BAD_INPUT, outcome
    assert outcome.stdout == ""
    assert outcome.stderr.strip()


@pytest.mark.parametrize(
    "url", ["gopher://127.0.0.1/", "ftp://127.0.0.1/", "http://127.0.0.1:99999/", "http://"]
)
def test_a_url_that_cannot_be_loaded_is_refused_in_words(url: str) -> None:
    outcome = run_seatrial("load", url, "-R10")
    assert outcome.code in {ExitCode.BAD_INPUT, ExitCode.ENVIRONMENT}, outcome
    assert "error: " in outcome.stderr
